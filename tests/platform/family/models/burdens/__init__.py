"""A job that is hard to end or that grows, for the tests of what ends and limits jobs."""
