"""Training jobs: the queue, the processes, their progress."""
