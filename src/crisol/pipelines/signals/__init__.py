"""The pipeline of `signals`."""

from crisol.pipelines.signals.pipeline import create_pipeline

__all__ = ["create_pipeline"]
