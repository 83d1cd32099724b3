"""All findings of a search, in the order of the report."""

from __future__ import annotations

from analysis.finding import Finding
from analysis.rows import PARAMS, SearchRows
from analysis.selection import parameters, plain

_RATE = "lr"
"""The parameter of every task that is its learning rate."""


def findings_of(rows: SearchRows) -> list[Finding]:
    """Return every finding that applies to the search.

    "Cannot be determined" is a finding too: it says what would make an answer possible. Questions that the
    search does not ask are left out: regimes without a varied rate, the cliff and times without a target,
    what early stopping cost without early stopping.
    """
    from analysis.cliff import cliff
    from analysis.confirmation import confirmation
    from analysis.effects import effects
    from analysis.frontier import frontier
    from analysis.questions.asked import asked
    from analysis.regimes import regimes
    from analysis.stopped import stopped
    from analysis.times import times

    if rows.trials.empty:
        return []
    has_target = rows.plan.target is not None
    rate = varied_rate(rows)
    answered = asked(rows)
    cost = stopped(rows) if has_target else None
    return [
        *([] if answered is None else [answered]),
        *([cliff(rows, None)] if has_target else []),
        frontier(rows),
        *([regimes(rows, rate, PARAMS)] if rate is not None else []),
        *([times(rows, None, None)] if has_target else []),
        effects(rows),
        *([] if cost is None else [cost]),
        confirmation(rows),
    ]


def varied_rate(rows: SearchRows) -> str | None:
    """Return the learning rate that differs between configurations; None if none does.

    Where several differ, as with an optimizer for each kind of parameter, it is the one that most
    configurations have, and of those ``lr``.
    """
    table = parameters(rows)
    rates = [name for name in table.columns if name == _RATE or name.endswith(f"_{_RATE}")]
    varied = [name for name in rates if table[name].map(plain).nunique() > 1]
    return max(varied, key=lambda name: (table[name].count(), name == _RATE), default=None)
