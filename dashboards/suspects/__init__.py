"""Possible causes of trouble, by where they sit; the scenarios choose among them."""
