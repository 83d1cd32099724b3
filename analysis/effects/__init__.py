"""The effect of every parameter, with intervals, corrected for all comparisons."""

from analysis.effects.changes import Change
from analysis.effects.finding import Effects, effects
from analysis.effects.importances import Importance, Importances

__all__ = ["Change", "Effects", "Importance", "Importances", "effects"]
