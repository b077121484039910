"""The outline of a table in its file: titles, comments, headers, units, totals, notes."""
