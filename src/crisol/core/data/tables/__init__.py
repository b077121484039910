"""Readers of table files: delimited text, JSON, Parquet; one entry, ``table_file``."""
