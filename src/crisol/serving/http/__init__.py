"""The HTTP application: routing, authentication, limits, errors, logs, metrics."""
