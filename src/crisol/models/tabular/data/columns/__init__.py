"""The columns of a raw table: their kinds, their types and the inferred schema."""
