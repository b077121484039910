"""Models that score without a neural network, and the scorers that are served."""
