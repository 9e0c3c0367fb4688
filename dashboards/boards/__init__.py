"""What is on each dashboard: which metrics side by side, in which order, with which words and thresholds."""
