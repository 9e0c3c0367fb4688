"""The cycle: sweep the namespaces, run the probes, bound the result."""
