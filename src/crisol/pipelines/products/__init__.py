"""The road of `products`: catalogue and pictures → predictor → report → index → version."""

from crisol.pipelines.products.pipeline import create_pipeline

__all__ = ["create_pipeline"]
