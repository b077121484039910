"""The pipeline of `tabular`."""

from crisol.pipelines.tabular.pipeline import create_pipeline

__all__ = ["create_pipeline"]
