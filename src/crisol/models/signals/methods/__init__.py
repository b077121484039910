"""Forecasts without a neural network, and the calibration of all forecasts."""
