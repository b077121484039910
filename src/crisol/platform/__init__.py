"""The training platform: datasets, jobs, progress and versions over HTTP, with MLflow as the store.

A dataset version and a job are MLflow runs, a model version is one of MLflow's registry. The state
folder holds unfinished work alone: uploads that have not ended, locks, folders of running jobs.
"""
