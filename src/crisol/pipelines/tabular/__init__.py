"""The road of `tabular`: a table, texts or pictures → predictor → report → registered version."""

from crisol.pipelines.tabular.pipeline import create_pipeline

__all__ = ["create_pipeline"]
