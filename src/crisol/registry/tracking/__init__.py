"""MLflow runs: logs, parameters, provenance, trials."""
