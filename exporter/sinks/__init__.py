"""Where events go to. A module here that has a constant `SINK` is a sink; nothing else lists it."""
