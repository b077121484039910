"""Readers of the file formats: delimited text, JSON, and the files behind a folder or a zip."""
