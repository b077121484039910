"""The training loop and its parts: batches, checkpoints, schedules, averaging, devices, seeds."""
