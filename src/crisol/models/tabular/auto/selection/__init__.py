"""The ensemble of the best trials: greedy weights and the second level."""
