"""The fits of trials and the worker processes that run them."""
