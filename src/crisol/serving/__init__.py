"""Bundles and services: the only room that imports bentoml."""
