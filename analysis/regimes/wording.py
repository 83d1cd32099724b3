"""How sentences, tables and pictures name the rate and the size that a question is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.rows import PARAMS
from analysis.text import amount

if TYPE_CHECKING:
    import pandas as pd

    from analysis.regimes.finding import Regimes


_IN_PROSE = {
    "too slow": ("is too slow", "are too slow"),
    "stuck": ("is stuck", "are stuck"),
    "not learned": ("did not learn", "did not learn"),
    "works": ("works", "work"),
    "unstable": ("is unstable", "are unstable"),
    "diverges": ("diverges", "diverge"),
}


def rates(finding: Regimes) -> str:
    """Name the rate, in the plural: ``rates``, or ``muon_lr values``."""
    return "rates" if finding.rate == "lr" else f"{finding.rate} values"


def at(finding: Regimes, *sizes: float, joined: str = " to ") -> str:
    """Name a size, or a range: ``876 to 4,256 parameters``, ``d_model 6``."""
    told = joined.join(dict.fromkeys(amount(round(size) if size >= 100 else size) for size in sizes))
    return f"{told} parameters" if finding.size == PARAMS else f"{finding.size} {told}"


def listed(parts: Sequence[str]) -> str:
    """Write parts in a row: ``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def counted(regimes: pd.Series[str]) -> str:
    """Write what trials do, the most first: ``24 are too slow and 1 is stuck``."""
    counts = regimes.value_counts()
    return listed([f"{count:,} {_IN_PROSE[str(name)][count != 1]}" for name, count in counts.items()])
