"""The work: tasks, models, optimizers, and the one training loop.

Doors: :mod:`trainables.tasks` (the table of tasks), :mod:`trainables.contract` (what a task
is), :func:`trainables.loop.train`, :mod:`trainables.checkpoints`.

This room imports torch. It imports neither Ray nor Optuna, nor any other room.
"""
