"""The state of a service: events, background jobs, leases."""
