"""Composes a response from scores."""
