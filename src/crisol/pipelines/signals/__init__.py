"""The road of `signals`: bars → samples → predictor → report → registered version."""

from crisol.pipelines.signals.pipeline import create_pipeline

__all__ = ["create_pipeline"]
