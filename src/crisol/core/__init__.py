"""What every family needs and nothing about any family."""
