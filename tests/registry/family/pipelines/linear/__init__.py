from crisol.pipelines.linear.pipeline import create_pipeline

__all__ = ["create_pipeline"]
