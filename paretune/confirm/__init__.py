"""Retraining and confirming: chosen configurations on fresh seeds, and the reports on them."""
