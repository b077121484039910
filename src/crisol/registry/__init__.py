"""Runs, versions, the gate and promotion: the only package that imports mlflow."""
