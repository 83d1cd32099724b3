"""Time to target: how soon trials reach it, censored ones included, and the cost of a success."""

from analysis.times.finding import Times, times

__all__ = ["Times", "times"]
