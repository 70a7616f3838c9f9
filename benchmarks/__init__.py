"""Measure sklearn-ftrl beside what else one could use: ``python -m benchmarks``."""
