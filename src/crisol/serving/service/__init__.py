"""A predictor behind the HTTP application: answering, batching, the BentoML service."""
