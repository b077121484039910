"""The pipeline of `products`."""

from crisol.pipelines.products.pipeline import create_pipeline

__all__ = ["create_pipeline"]
