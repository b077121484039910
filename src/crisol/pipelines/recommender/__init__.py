"""The pipeline of `recommender`."""

from crisol.pipelines.recommender.pipeline import create_pipeline

__all__ = ["create_pipeline"]
