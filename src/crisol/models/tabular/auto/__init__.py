"""AutoML: a portfolio, then an Optuna study, in worker processes under one deadline."""
