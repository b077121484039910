"""Readers of data: public sources, raw tables, table files, pictures."""
