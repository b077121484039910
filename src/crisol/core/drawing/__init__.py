"""Figures in one style: charts (:mod:`figures`) and rows of pictures (:mod:`picture_grid`)."""
