"""Tree ensembles: random forests and gradient boosting."""
