"""The road of `recommender`: events → interactions → predictor → report → registered version."""

from crisol.pipelines.recommender.pipeline import create_pipeline

__all__ = ["create_pipeline"]
