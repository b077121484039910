"""One service a family."""
