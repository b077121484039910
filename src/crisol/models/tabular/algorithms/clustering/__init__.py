"""Clustering algorithms, fitted by scikit-learn and answered with NumPy."""
