"""How an event is written: as a line of text, and as a JSON record."""
