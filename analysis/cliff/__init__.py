"""The parameter cliff: the sizes at which a task begins to be learned."""

from analysis.cliff.finding import Cliff, cliff

__all__ = ["Cliff", "cliff"]
