"""Cells as text: numbers, dates and words."""
