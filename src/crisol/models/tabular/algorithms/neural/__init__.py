"""Neural networks as algorithms, each trained by the shared loop."""
