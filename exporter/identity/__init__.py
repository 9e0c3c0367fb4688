"""Which network namespace and which process belongs to which pod."""
