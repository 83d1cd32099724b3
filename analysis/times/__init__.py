"""Time to target: how soon trials reach it, with those counted that did not, and what a success costs."""

from analysis.times.finding import Times, times

__all__ = ["Times", "times"]
