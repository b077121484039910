"""Bundles: building, checking and trying a Bento."""
