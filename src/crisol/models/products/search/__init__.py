"""Search in an index of products."""
