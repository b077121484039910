"""The executors of jobs, and the worker process that runs one attempt."""
