"""Neural networks, their inputs and their training."""
