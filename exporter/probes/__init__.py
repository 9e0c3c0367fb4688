"""One file per probe: what it measures, what that means, and where it comes from."""
