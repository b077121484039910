"""Runs, versions, the gate and promotion: the only room that imports mlflow."""
