"""Bring what is generated into a running server: read what is there, plan, apply, read again until nothing is left."""
