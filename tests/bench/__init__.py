"""What collecting, rendering and generating cost: `make bench`."""
