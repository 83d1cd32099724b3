"""The parameter cliff: at which sizes a task begins to be learned."""

from analysis.cliff.finding import Cliff, cliff

__all__ = ["Cliff", "cliff"]
