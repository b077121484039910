"""From scores to a response."""
