"""The training platform: datasets, jobs, progress and versions over HTTP, with MLflow as the store.

A dataset version and a job are MLflow runs, a model version is one of MLflow's registry. What lies
in the state folder beside them (half-arrived uploads, locks, logs of jobs) is in transit.
"""
