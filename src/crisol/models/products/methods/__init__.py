"""Methods that score products without a neural network."""
