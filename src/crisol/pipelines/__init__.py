"""Kedro pipelines, one subpackage a family: thin adapters from the catalog to ``crisol.models``."""
