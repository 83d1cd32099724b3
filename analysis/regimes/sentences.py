"""Regimes in sentences: the band first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.regimes.classify import REGIMES
from analysis.regimes.sharper import what_would_tell
from analysis.regimes.wording import at, counted, listed, rates
from analysis.text import amount, between, plural
from analysis.wording import RANDOMLY_CONTINUED

if TYPE_CHECKING:
    from analysis.regimes.finding import Regimes, Side

_FAR = {"lower": "below", "upper": "above"}
_LAST = {"lower": "lowest", "upper": "highest"}
_MOST_NAMED = 4


def sentences(finding: Regimes) -> list[str]:
    """State which rates work at which sizes, the edges, what to use, and what cannot be determined."""
    frame = finding.points.frame
    if frame.empty:
        without = finding.points.without_rate
        why = f"none of {plural(without, 'trial')} has {finding.rate}" if without else "there is no trial yet"
        return [f"Which {rates(finding)} work cannot be determined: {why}."]
    said = [_answer(finding)]
    if finding.fitted is not None and finding.fitted.lowest < finding.fitted.highest:
        said += [_edge(finding, "lower"), _edge(finding, "upper"), *_to_use(finding)]
        said += _if_unknown_failed(finding)
    return [*said, _counts(finding), *_confounded(finding), *what_would_tell(finding), _criteria(finding)]


def _answer(finding: Regimes) -> str:
    frame, known, (small, large) = finding.points.frame, finding.points.known, finding.sizes
    where, tried = at(finding, small, large), _range(frame["rate"])
    works = f"{int((known['regime'] == 'works').sum()):,} of {plural(len(known), 'trial')}"
    cannot = f"Which {rates(finding)} work at {where} cannot be determined"
    if finding.target is None:
        return f"{cannot}: the search has no target; {rates(finding)} of {tried} were tried."
    if known.empty:
        return f"{cannot}: no outcome is known yet, of {plural(len(frame), 'trial')}."
    if finding.fitted is None:
        return f"At {where} no rate works: {works} solved at {rates(finding)} of {tried}."
    if frame["rate"].nunique() == 1:
        return f"{cannot}: only {tried} was tried, at which {works} work."
    if all(_is_untold(finding, side) for side in ("lower", "upper")):
        flat = "success neither clearly rises nor clearly falls with the rate"
        return f"{cannot}: {flat}; at {tried} {works} work."
    if small == large:
        return f"At {where} {_band(finding, small)}; {_trend(finding)}."
    ends = [f"at {at(finding, size)} {_band(finding, size)}" for size in (small, large)]
    return f"A{'; '.join(ends)[1:]}; {_trend(finding)}."


def _is_untold(finding: Regimes, side: Side) -> bool:
    """Return whether trials on one side contradict an edge there."""
    assert finding.fitted is not None
    return bool(getattr(finding.fitted, f"{side}_reason").startswith("success"))


def _band(finding: Regimes, size: float) -> str:
    """State which rates work for at least half of the trials at a size."""
    fitted = finding.fitted
    assert fitted is not None
    lower, upper = finding.edge("lower", size), finding.edge("upper", size)
    is_beyond = lower.value > math.exp(fitted.highest) or upper.value < math.exp(fitted.lowest)
    if is_beyond or not finding.has_band(size):
        return "no rate that was tried works for half of its seeds"
    low, high = _end(finding, "lower", size), _end(finding, "upper", size)
    if _is_untold(finding, "lower"):
        band = f"up to {high}"
    elif _is_untold(finding, "upper"):
        band = f"of {low} and above"
    else:
        band = f"of {low} to {high}"
    return f"{rates(finding)} {band} work for at least half of the seeds"


def _end(finding: Regimes, side: Side, size: float) -> str:
    """Write an end of the band: the edge, or the last rate tried where the edge lies beyond."""
    if finding.is_reached(side, size):
        return amount(finding.edge(side, size).value)
    assert finding.fitted is not None
    last = finding.fitted.lowest if side == "lower" else finding.fitted.highest
    return f"{amount(math.exp(last))} (the {_LAST[side]} tried)"


def _trend(finding: Regimes) -> str:
    """State how the best rate depends on the size."""
    exponent, size = finding.exponent, finding.points.middle_size
    best = finding.rate_for(size)
    if not best.is_known:
        return "the best rate lies between two edges, and cannot be determined from one"
    if not finding.is_of_sizes:
        return f"the best, in their geometric middle, is {best}"
    if not exponent.is_known:
        return f"the best at {at(finding, size)} is {best}"
    interval = between(round(exponent.low, 2), round(exponent.high, 2))
    power = f"{finding.size}^{exponent.value:.2f} (95 % interval {interval})"
    middle = f"{best} at {at(finding, size)}"
    if exponent.low <= 0 <= exponent.high:
        return f"whether the best rate, {middle}, depends on the size cannot be determined: {power}"
    return f"the best rate {'falls' if exponent.value < 0 else 'rises'} as {power} and is {middle}"


def _edge(finding: Regimes, side: Side) -> str:
    """State an edge at the smallest and the largest size, and the regimes of trials beyond it."""
    small, large = finding.sizes
    first, last = _edge_at(finding, side, small), _edge_at(finding, side, large)
    told = f"The {side} edge {first}"
    if first != last:
        told += f" at {at(finding, small)}; at {at(finding, large)} it {last}"
    return f"{told}{_beyond(finding, side)}."


def _edge_at(finding: Regimes, side: Side, size: float) -> str:
    fitted, estimate = finding.fitted, finding.edge(side, size)
    assert fitted is not None
    if finding.is_reached(side, size):
        return f"is {estimate}"
    reason = getattr(fitted, f"{side}_reason")
    if _is_untold(finding, side):
        return f"cannot be determined, since {reason}"
    if reason or estimate.is_known:
        tried = math.exp(fitted.lowest if side == "lower" else fitted.highest)
        return f"is not reached, and {_FAR[side]} {amount(tried)}, the {_LAST[side]} rate tried"
    return "is not known, since that side was tried at one size only"


def _beyond(finding: Regimes, side: Side) -> str:
    """State the regimes of the trials beyond an edge."""
    known, ends = finding.points.known, [finding.edge(side, size).value for size in finding.sizes]
    if not all(map(math.isfinite, ends)):
        return ""
    # A power law is a straight line between the logarithms of its ends.
    edge = np.exp(np.interp(np.log(known["size"]), np.log(finding.sizes), np.log(ends)))
    beyond = known[known["rate"] < edge] if side == "lower" else known[known["rate"] > edge]
    if beyond.empty:
        return ""
    return f"; of {plural(len(beyond), 'trial')} {_FAR[side]} it {counted(beyond['regime'])}"


def _to_use(finding: Regimes) -> list[str]:
    middle, (small, large) = finding.points.middle_size, finding.sizes
    inside = finding.rate_for(middle)
    if not inside.is_known or not finding.is_of_sizes:
        return []
    told = f"Recommended: {inside} at {at(finding, middle)}"
    if finding.exponent.is_known:
        half, twice = (f"{finding.rate_for(size)} at {at(finding, size)}" for size in (small / 2, 2 * large))
        told += f"; extrapolated, {half} and {twice}"
    return [f"{told}."]


def _if_unknown_failed(finding: Regimes) -> list[str]:
    other, size = finding.pessimistic, finding.points.middle_size
    weighted = [RANDOMLY_CONTINUED] if finding.points.frame["represented"].any() else []
    if other is None:
        return weighted
    count = len(finding.points.open)
    told = [
        f"the {side} edge at {at(finding, size)} would be {amount(math.exp(edge.at(0.0)[0]))}"
        for side, edge in (("lower", other.lower), ("upper", other.upper))
        if edge is not None and math.isfinite(edge.at(0.0)[0])
    ]
    counted_so = f"; counted as failed, {listed(told)}" if told else ""
    verb = "is" if count == 1 else "are"
    begin = f"{plural(count, 'trial')} whose outcome is not known"
    return [*weighted, f"{begin} {verb} left out of the edges{counted_so}."]


def _counts(finding: Regimes) -> str:
    frame = finding.points.frame
    counts = frame["regime"].value_counts()
    told = ", ".join(f"{int(counts[name]):,} {name}" for name in REGIMES if name in counts)
    configurations = plural(frame["configuration"].nunique(), "configuration")
    text = f"{plural(len(frame), 'trial')} of {configurations}: {told}."
    without = finding.points.without_rate
    if without:
        text += (
            f" {plural(without, 'trial')} without {finding.rate} {'is' if without == 1 else 'are'} left out."
        )
    return text


def _confounded(finding: Regimes) -> list[str]:
    """State other possible causes of an edge."""
    said, frame = [], finding.points.frame
    if finding.others:
        shown = [*finding.others[:_MOST_NAMED], *(["others"] if len(finding.others) > _MOST_NAMED else [])]
        said.append(f"Other varying parameters ({', '.join(shown)}) are not accounted for.")
    most = frame["rate"].value_counts()
    if finding.is_of_sizes and len(most) > 1 and most.iloc[0] > len(frame) / 2:
        said.append(
            f"{most.iloc[0]:,} of {len(frame):,} trials are at one rate, {amount(float(most.index[0]))}: at "
            "sizes where no other was tried, a model that is too small looks like a rate beyond an edge."
        )
    return said


def _criteria(finding: Regimes) -> str:
    present = set(finding.points.frame["regime"])
    told = "; ".join(f"{name}: {meaning}" for name, meaning in REGIMES.items() if name in present)
    loss = finding.points.loss
    curve = f"The loss is {loss}." if loss else "The search has no loss curve."
    return f"Criteria: {told}. {curve}"


def _range(values: pd.Series[float]) -> str:
    low, high = float(values.min()), float(values.max())
    return amount(low) if low == high else f"{amount(low)} to {amount(high)}"
