"""Columns of cells: amounts, prices, currencies, ratings and categories, by one convention each."""
