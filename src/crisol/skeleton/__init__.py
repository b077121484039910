"""Writes the files of a new family: ``kedro family new <name>``."""
