"""Estimates with their intervals: what findings are computed with, and nothing of searches."""
