"""Uploaded datasets: receiving, profiling, storing."""
