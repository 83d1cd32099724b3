"""Time to target in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.statistics.estimate import Estimate
from analysis.text import amount, between, plural, rounded_percent
from analysis.times.sharing import ELAPSED
from analysis.wording import RANDOMLY_CONTINUED

if TYPE_CHECKING:
    from analysis.times.finding import Group, Times
    from analysis.times.measured import Measured

_SHARP = 2.0
"""An interval whose ends are within this factor needs no sharpening."""

_EQUAL = 0.9
"""Budgets that come to at least this share of the longest are told as equal."""

_FEWEST = 3
"""With fewer successes, what would sharpen an interval is a guess."""

_MOST_NAMED = 4
"""Configurations of the frontier that a sentence names."""


def sentences(times: Times) -> list[str]:
    """Return the answer, what it rests on, the groups, the frontier, and what would sharpen it."""
    if not times.target:
        return [
            "The time to a target cannot be determined: the search has no target, so no trial counts as "
            "solved. Set one in the space file, under target."
        ]
    measured = times.measured
    if measured is None or not measured.curve.trials:
        return [f"The time to {times.target} cannot be determined: no trial is over yet."]
    return [
        _answer(times, measured),
        _rests_on(measured),
        *_doubts(times.whole, measured),
        *_groups(times),
        *_frontier(times, measured),
        *_shared(times),
        *_sharper(measured),
    ]


def _answer(times: Times, measured: Measured) -> str:
    return f"{_soon(times, measured)}; {_costs(measured)}."


def _soon(times: Times, measured: Measured) -> str:
    median, curve = measured.median, measured.curve
    if median.is_known:
        return f"Half of the trials reach {times.target} within {_estimate(median, measured)}"
    if not measured.successes:
        return f"No trial reached {times.target} within the longest, {measured.amount(curve.until)}"
    solved = measured.solved
    return (
        f"Fewer than half of the trials reach {times.target} within their budgets of up to "
        f"{measured.amount(curve.until)}: {rounded_percent(solved.value)} do "
        f"({between(solved.low, solved.high, 'share')})"
    )


def _costs(measured: Measured) -> str:
    cost = measured.cost_of_success
    if cost.is_known:
        return f"a success costs {_estimate(cost, measured)}, all failures included"
    if math.isfinite(cost.low):
        return f"a success costs at least {measured.amount(cost.low)}"
    return "the cost of a success cannot be determined, because no trial is over"


def _estimate(estimate: Estimate, measured: Measured) -> str:
    # A cost is never below 0, so an interval from there says nothing on that side.
    low = estimate.low if estimate.low > 0 else -math.inf
    return f"{measured.amount(estimate.value)} ({between(low, estimate.high, measured.unit)})"


def _rests_on(measured: Measured) -> str:
    configurations = measured.configurations
    trials = measured.curve.trials
    alike = ""
    if 1 < configurations < trials:
        alike = " Seeds of a configuration are correlated, so intervals have configurations as the unit."
    elif configurations == 1 and trials > 1:
        alike = " Intervals have seeds of this one configuration as the unit."
    lot = ""
    if (measured.observed.weights != 1).any():
        lot = f" {RANDOMLY_CONTINUED}"
    return (
        f"This rests on {plural(trials, 'trial')} of {plural(configurations, 'configuration')}, "
        f"{measured.successes} of them solved; intervals are 95 % intervals.{alike}{lot}"
    )


def _doubts(group: Group, measured: Measured) -> list[str]:
    """Return the assumptions on censored trials."""
    return [
        *_stopped(group, measured),
        *_budgets(measured),
        *_diverged(group.endings.get("diverged", 0)),
        *_not_over(group),
    ]


def _stopped(group: Group, measured: Measured) -> list[str]:
    stopped = group.endings.get("stopped early", 0)
    if not stopped or (measured.observed.weights != 1).any():
        return []
    rate = group.rate
    none, all_of_them = rate.unknown_failed.value, rate.unknown_solved.value
    were = "was" if stopped == 1 else "were"
    return [
        f"{plural(stopped, 'trial')} {were} stopped early: the curve assumes that they would have continued "
        f"like the others, which is optimistic if the worse ones were stopped. Of all {rate.trials}, "
        f"{rounded_percent(none)} would reach the target if none of those without an outcome did, "
        f"{rounded_percent(all_of_them)} if all did."
    ]


def _budgets(measured: Measured) -> list[str]:
    """Return what is assumed where budgets differ, as they do in time if models are of several sizes."""
    ends = measured.observed.times[measured.observed.used_up]
    if not measured.successes or not len(ends) or ends.min() >= _EQUAL * measured.curve.until:
        return []
    return [
        f"Trials that used their budget ended after {between(ends.min(), ends.max(), measured.unit)}: beyond "
        "that, the curve assumes that they continue like the longer ones."
    ]


def _diverged(count: int) -> list[str]:
    if not count:
        return []
    verbs = ("reaches", "counts") if count == 1 else ("reach", "count")
    return [
        f"{plural(count, 'diverged trial')} never {verbs[0]} the target, and {verbs[1]} as without success "
        "to the end of the longest trial."
    ]


def _not_over(group: Group) -> list[str]:
    counts = {name: group.endings.get(name, 0) for name in ("failed", "interrupted", "not ended")}
    if not any(counts.values()):
        return []
    named = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return [
        f"Trials without a final outcome ({named}) count up to their last report, and not in the cost of a "
        "success."
    ]


def _groups(times: Times) -> list[str]:
    told = []
    for group in times.groups:
        measured = group.measured.get(times.cost)
        if measured is None or not measured.curve.trials:
            told.append(f"{group.name}: no trial is over yet.")
            continue
        answer = _answer(times, measured)
        number = plural(measured.curve.trials, "trial")
        told.append(
            f"{group.name}: {answer[0].lower()}{answer[1:-1]} ({measured.successes} of {number} solved)."
        )
    test = times.log_rank
    if test is not None and test.p_value == test.p_value:
        differs = "differ" if test.p_value < 0.05 else "are not shown to differ"
        told.append(
            f"Groups {differs} in how soon they reach the target (p = {max(test.p_value, 0.0001):.2g}, "
            f"{test.test})."
        )
    elif test is not None:
        told.append("Whether groups differ cannot be determined: two groups and a solved trial are needed.")
    return told


def _frontier(times: Times, measured: Measured) -> list[str]:
    best = times.frontier
    if not len(best):
        return []
    told = ["params", "cost", "low", "high", "successes", "trials"]
    named = [
        f"{amount(size, 'parameters')} at {measured.amount(cost)} a success "
        f"({between(low or -math.inf, high, measured.unit)}; {successes:.0f} of {trials:.0f} solved)"
        for size, cost, low, high, successes, trials in best[told].head(_MOST_NAMED).to_numpy(float).tolist()
    ]
    more = f", and {len(best) - len(named)} more" if len(best) > len(named) else ""
    which = "one is" if len(best) == 1 else f"{len(best)} are"
    if len(times.by_size) == 1:
        return [f"One configuration had a success: {named[0]}."]
    return [
        f"Of {plural(len(times.by_size), 'configuration')} with a success, {which} beaten by no other in "
        f"size and cost of a success: {'; '.join(named)}{more}. The same trials chose and judged them, so "
        "fresh seeds are likely to cost more."
    ]


def _shared(times: Times) -> list[str]:
    if times.shared is None or times.cost not in ELAPSED:
        return []
    return [f"{times.shared[0].upper()}{times.shared[1:]}."]


def _sharper(measured: Measured) -> list[str]:
    cost = measured.cost_of_success
    configurations = measured.configurations
    noun = "configuration" if configurations > 1 else "seed"
    many = configurations if configurations > 1 else measured.curve.trials
    if not cost.is_known:
        if not math.isfinite(cost.low):
            return []
        return ["Longer budgets, larger models or other recipes would have to be tried to see a success."]
    if measured.successes < _FEWEST:
        few = "one success" if measured.successes == 1 else f"{measured.successes} successes"
        return [f"The cost of a success rests on {few}: more {noun}s are needed."]
    if not cost.low > 0 or not math.isfinite(cost.high):
        return [f"The cost of a success is hardly bounded: more {noun}s are needed."]
    factor = cost.high / cost.low
    if factor <= _SHARP:
        return []
    # The width of an interval on the scale of logarithms falls with the root of the number.
    needed = math.ceil(many * (math.log(factor) / math.log(_SHARP)) ** 2)
    return [
        f"The interval of the cost of a success spans a factor of {factor:.2g}; about {needed - many:,} more "
        f"{noun}s would bring it to {_SHARP:g}."
    ]
