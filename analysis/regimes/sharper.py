"""Proposed trials for what cannot be determined yet: fixed rules, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.regimes.points import neighbours
from analysis.regimes.wording import at, listed, rates
from analysis.text import amount, between, plural

if TYPE_CHECKING:
    from analysis.regimes.finding import Regimes, Side

NARROW = 1.5
"""An edge is well determined if its interval spans no more than this factor."""

SEEDS = 3
"""Seeds of each configuration that is proposed."""

_MOST_GROWTH = 20


def what_would_tell(finding: Regimes) -> list[str]:
    """Propose trials for edges that are not well determined."""
    if finding.target is None:
        return ["With a target in the plan, one could determine which trials work."]
    if finding.fitted is None or not finding.fitted.lowest < finding.fitted.highest:
        return [_other_rates(finding)]
    return [text for side in ("lower", "upper") if (text := _for_edge(finding, side))]


def _other_rates(finding: Regimes) -> str:
    tried = finding.points.frame["rate"]
    low, high = float(tried.min()) / 10, float(tried.max()) * 10
    return (
        f"To find the {rates(finding)} that work, try four from {amount(low)} to {amount(high)}, "
        f"{_trials(finding, 4, _sizes(finding))}."
    )


def _for_edge(finding: Regimes, side: Side) -> str:
    """Propose trials for one edge: rates beyond those tried, or more trials within its interval."""
    fitted, middle = finding.fitted, finding.points.middle_size
    assert fitted is not None
    if getattr(fitted, f"{side}_reason").startswith("success"):
        return (
            f"The {side} edge would need trials that differ in nothing but the rate: three {rates(finding)}, "
            f"{_trials(finding, 3, _sizes(finding))}."
        )
    if beyond := [size for size in _sizes(finding) if not finding.is_reached(side, size)]:
        step = max(neighbours(finding.points.frame["rate"]), 2.0)
        last, sign = (fitted.lowest, -1) if side == "lower" else (fitted.highest, 1)
        proposed = sorted(math.exp(last + sign * many * math.log(step)) for many in (1, 2))
        tried = f"{rates(finding)} of {listed([amount(rate) for rate in proposed])}"
        return f"To reach the {side} edge, try {tried}, {_trials(finding, 2, beyond)}."
    edge = fitted.lower if side == "lower" else fitted.upper
    assert edge is not None
    estimate = finding.edge(side, middle)
    if not estimate.is_bounded:
        return (
            f"To bound the {side} edge, try three {rates(finding)} from {amount(estimate.value / 2)} to "
            f"{amount(estimate.value * 2)}, {_trials(finding, 3, _sizes(finding))}."
        )
    span = estimate.high / estimate.low
    if span <= NARROW:
        return ""
    # The width of an interval goes with one over the root of the number of trials.
    times = min((math.log(span) / math.log(NARROW)) ** 2 - 1, _MOST_GROWTH)
    trials = math.ceil(float(edge.cells.trials.sum()) * times)
    where = f" at {at(finding, middle)}" if finding.is_of_sizes else ""
    within = f"{rates(finding)} of {between(estimate.low, estimate.high)}"
    return (
        f"The interval of the {side} edge{where} spans a factor of {span:.2g}; about "
        f"{plural(trials, 'trial')} more at {within} would make it {NARROW:g}."
    )


def _sizes(finding: Regimes) -> list[float]:
    """Return the sizes at which trials are proposed: the smallest, the middle, the largest."""
    small, large = finding.sizes
    return list(dict.fromkeys([small, finding.points.middle_size, large])) if finding.is_of_sizes else [small]


def _trials(finding: Regimes, rates_tried: int, sizes: list[float]) -> str:
    """Write at which sizes, with how many seeds, and how many trials that makes."""
    where = at(finding, *sizes[:-1], joined=", ") if len(sizes) > 1 else at(finding, *sizes)
    if len(sizes) > 1:
        ends = at(finding, sizes[-1])
        where = f"{where.removesuffix(' parameters')} and {ends.removeprefix(f'{finding.size} ')}"
    return f"{SEEDS} seeds each, at {where}: {plural(rates_tried * SEEDS * len(sizes), 'trial')}"
