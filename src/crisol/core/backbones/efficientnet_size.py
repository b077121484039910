"""The size of the pictures that EfficientNet-Lite0 reads; importing it loads no torch."""

SIZE = 160
"""Pixels a side. The weights were trained at 224; 160 takes just over half of the time."""
