"""How searches of the same question differ."""

from analysis.comparison.differences import Compared
from analysis.comparison.finding import Comparison, compare
from analysis.comparison.plans import ComparisonError

__all__ = ["Compared", "Comparison", "ComparisonError", "compare"]
