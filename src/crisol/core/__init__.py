"""The code that every family shares; nothing in it is about one family."""
