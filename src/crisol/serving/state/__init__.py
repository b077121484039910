"""What a service keeps: events, jobs, leases."""
