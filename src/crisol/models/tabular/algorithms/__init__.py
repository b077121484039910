"""The algorithms for tables, texts and pictures, one module each."""
