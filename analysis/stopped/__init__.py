"""What early stopping cost a search: how many of the trials that it ended would have solved the task."""

from analysis.stopped.finding import Stopped, stopped

__all__ = ["Stopped", "stopped"]
