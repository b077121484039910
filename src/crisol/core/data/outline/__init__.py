"""Where a table begins and ends in its file: titles, comments, headers, units, totals, notes."""
