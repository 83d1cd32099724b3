"""What can be asked for from Python, and what the commands call. Its face is :mod:`paretune`."""
