"""One kernel interface per module: read and parse into typed rows, never metrics."""
