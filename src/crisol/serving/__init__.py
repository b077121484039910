"""Bundles and services: the only package that imports bentoml."""
