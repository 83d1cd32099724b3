"""What matters: the effect of every parameter, with intervals and all comparisons accounted for."""

from analysis.effects.changes import Change
from analysis.effects.finding import Effects, effects
from analysis.effects.importances import Importance, Importances

__all__ = ["Change", "Effects", "Importance", "Importances", "effects"]
