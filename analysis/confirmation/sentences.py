"""A confirmation in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.confirmation.points import Confirmed
from analysis.statistics.estimate import Estimate
from analysis.text import between, number, plural
from analysis.wording import metric_text

if TYPE_CHECKING:
    from analysis.confirmation.finding import Confirmation

_MOST_NAMED = 6


def sentences_of(found: Confirmation) -> Sequence[str]:
    """Return which points hold, the changes, and held-out results; the first sentence is the answer."""
    if not found.points:
        return (
            "Nothing is confirmed: all figures come from the seeds that chose, and those of the best are "
            f"biased; `paretune confirm {found.search}` trains the frontier on fresh seeds.",
        )
    said = _verdicts(found) if found.target is not None else []
    if not found.by_rate:
        said += _best(found)
    return (*said, _change(found), *_held_out(found))


def _verdicts(found: Confirmation) -> list[str]:
    """State which points reach the target with more than half of their fresh seeds."""
    holds = [point for point in found.points if point.holds]
    fails = [point for point in found.points if not point.holds]
    reached = f"reached the target, {found.target}."
    if len(found.points) == 1:
        (point,) = found.points
        verdict = "holds" if point.holds else "does not hold"
        said = [f"Configuration {point.configuration} {verdict} on fresh seeds: {_rate(point)} {reached}"]
    elif holds:
        hold = f"{len(holds)} of {len(found.points)} confirmed configurations hold{'s' * (len(holds) == 1)}"
        said = [f"{hold} on fresh seeds, {_named(holds)}: more than half of them {reached}"]
        said += [f"These do not: {_named(fails)}."] if fails else []
    else:
        none = f"None of {len(found.points)} confirmed configurations holds on fresh seeds"
        said = [f"{none}, {_named(fails)}: at most half of them {reached}"]
    unsure = [p for p in found.points if p.fresh.without_unknown.low <= 0.5 <= p.fresh.without_unknown.high]
    if unsure:
        which = _joined([str(point.configuration) for point in unsure])
        told = f"configuration{'s' * (len(unsure) > 1)} {which}"
        said.append(
            f"Whether the true rate of {told} is above one half cannot be determined: more fresh seeds are "
            "needed."
        )
    return said


def _best(found: Confirmation) -> list[str]:
    name, best = metric_text(found.metric), found.best
    if best is None:
        return [f"No fresh seed has a {name} at its end: all diverged."]
    over = plural(len(best.fresh_values), "fresh seed")
    before = f"; in the search it had {_precise(best.found_mean)}" if best.found_values else ""
    return [
        f"Of the confirmed, configuration {best.configuration} has the best {name}: "
        f"{_precise(best.fresh_mean)} over {over}{before}."
    ]


def _change(found: Confirmation) -> str:
    what = "success rate" if found.by_rate else metric_text(found.metric)
    change = found.change
    if not change.is_known:
        return f"How the {what} changes on fresh seeds cannot be determined: one side has none."
    whose = f"the {what} of configuration {found.points[0].configuration}"
    if len(found.points) > 1:
        whose = f"the mean {what} of these {len(found.points)} configurations"
    ends = "interval not bounded: one seed on each side"
    if change.is_bounded:
        ends = f"{_signed(change.low, change.unit)} to {_signed(change.high, change.unit)}"
    points = " percentage points" if change.unit == "share" else ""
    by = _signed(change.value, change.unit) + points
    return f"From the search to fresh seeds {whose} changes by {by} ({ends})."


def _held_out(found: Confirmation) -> list[str]:
    if found.by_rate:
        return _least_share(found)
    best = found.best
    if best is None or best.held_out is None:
        return []
    held = best.held_out
    between_seeds, within = (_error(error) for error in (held.error_between, held.error_within))
    older = "" if held.units is not None else ", assumed independent, which makes it too small"
    return [
        f"On held-out data configuration {best.configuration} has {metric_text(held.metric)} "
        f"{_precise(held.estimate)}: standard error {between_seeds} over "
        f"{plural(len(held.values), 'fresh seed')}, {within} over the data ({held.called}{older})."
    ]


def _least_share(found: Confirmation) -> list[str]:
    """State the result of the least accurate solved seed: an all-or-nothing metric has no mean."""
    held = [p.held_out for p in found.points if p.held_out is not None and p.held_out.of_solved]
    if not held:
        return []
    least = min(min(one.of_solved) for one in held)
    return [
        "Of all fresh seeds that solved, the least accurate has "
        f"{metric_text(held[0].metric)} {number(least)} on held-out data ({held[0].called})."
    ]


def _named(points: Sequence[Confirmed]) -> str:
    return _joined([f"number {point.configuration} with {_rate(point)}" for point in points])


def _rate(point: Confirmed) -> str:
    rate = point.fresh.without_unknown
    return f"{point.fresh.solved} of {point.fresh.known} ({between(rate.low, rate.high, 'share')})"


def _joined(names: Sequence[str]) -> str:
    told = [*names[:_MOST_NAMED]]
    if len(names) > _MOST_NAMED:
        told.append(f"{len(names) - _MOST_NAMED} more")
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"


def _precise(estimate: Estimate) -> str:
    if not estimate.is_known:
        return "none"
    told = number(estimate.value)
    return f"{told} ({number(estimate.low)} to {number(estimate.high)})" if estimate.is_bounded else told


def _error(error: float | None) -> str:
    return "not known" if error is None else f"{error:.2g}"


def _signed(value: float, unit: str) -> str:
    return f"{100 * value:+.0f}" if unit == "share" else f"{value:+.2g}"
