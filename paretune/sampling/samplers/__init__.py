"""Samplers of Optuna, as a plan names them."""
