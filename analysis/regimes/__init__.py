"""Learning-rate regimes: which rates are too slow, which work, and which diverge, at each size."""

from analysis.regimes.classify import REGIMES, Regime, classify
from analysis.regimes.finding import Regimes, regimes

__all__ = ["REGIMES", "Regime", "Regimes", "classify", "regimes"]
