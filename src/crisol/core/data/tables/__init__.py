"""Readers of table files: text, sheets, JSON, Parquet, ARFF; one entry, ``table_file``."""
