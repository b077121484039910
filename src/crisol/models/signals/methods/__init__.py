"""What scores without a neural network."""
