"""The composition root: command line, Tune driver, samplers, early stopping, retraining.

Nothing but tests and benchmarks imports this room, and only this room imports Ray or Optuna.
"""

__version__ = "0.1.0"
