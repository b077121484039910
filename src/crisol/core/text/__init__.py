"""Texts as numbers: TF-IDF columns and byte-pair tokens."""
