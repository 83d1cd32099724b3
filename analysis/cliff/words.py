"""The parameter cliff in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.cliff.fit import SizeFit
from analysis.cliff.groups import Test
from analysis.cliff.planning import SIMULATIONS, TRIALS, USUAL_RAMP, MoreTrials
from analysis.cliff.verdict import STEEPEST_RAMP
from analysis.statistics.estimate import Estimate
from analysis.statistics.intervals import wilson
from analysis.text import amount, between, plural, rounded_percent
from analysis.wording import RANDOMLY_CONTINUED

if TYPE_CHECKING:
    from analysis.cliff.finding import Cliff

_UNIT = "parameters"
_MANY_UNKNOWN = 0.1
"""From this share of unknown trials on, the answer states their possible effect."""

_ALIKE = 1.2
"""A dispersion up to this is reported as none."""


def sentences(cliff: Cliff) -> list[str]:
    """Return the answer, what it rests on, its bounds, the best recipes, the groups, and what would
    sharpen it."""
    if not cliff.has_target:
        return [
            "The parameter cliff cannot be determined: the search has no target, so no trial counts as "
            "solved. Set one in the space file, under target."
        ]
    told = [_answer(cliff)]
    if cliff.fit is not None:
        told += [_rests_on(cliff, cliff.fit), *_sharpness(cliff.fit)]
    told += [*_unknown(cliff), *_best(cliff), *_groups(cliff)]
    if cliff.verdict in ("cliff", "ramp"):
        told.append(_sharper(cliff.more))
    return told


def in_short(cliff: Cliff) -> str:
    """Return the answer as the rest of a sentence that names what it is about."""
    return _part(_answer(cliff))


def _answer(cliff: Cliff) -> str:
    fit = cliff.fit
    if fit is None:
        return _without_fit(cliff)
    if cliff.verdict in ("cliff", "ramp"):
        return _edge(fit, cliff.verdict) + _if_none_had_solved(cliff)
    if cliff.verdict == "no edge":
        return _no_edge(fit, cliff.more)
    if fit.is_one_sided:
        share = wilson(fit.solved, fit.trials)[0 if fit.solved else 1]
        why = f"{_all_or_none(fit)}, which a success rate of {rounded_percent(share)} does not rule out"
    elif fit.separation is not None and fit.separation.is_whole and fit.rises:
        between_them = _sizes(fit.separation.below, fit.separation.above)
        return (
            f"An edge between {between_them}: no trial up to the one solved, every trial from the other did. "
            f"Whether it is a cliff or a ramp cannot be determined, because no size between was tried"
            f"{_more(cliff.more)}."
        )
    else:
        why = (
            f"{plural(fit.trials, 'trial')} do not show that success rises with size (where the size "
            f"doubles, the odds of success are multiplied by {_factor(fit.per_doubling)})"
        )
    return f"The parameter cliff cannot be determined: {why}{_more(cliff.more)}."


def _without_fit(cliff: Cliff) -> str:
    begin = "The parameter cliff cannot be determined: "
    if not cliff.rate.trials:
        return f"{begin}there are no trials yet."
    if not cliff.rate.known:
        return f"{begin}no outcome of {plural(cliff.rate.trials, 'trial')} is known ({_endings(cliff)})."
    size = float(cliff.counts.with_known.params[0])
    where = "smaller" if cliff.rate.solved * 2 > cliff.rate.known else "larger"
    solved, known = cliff.rate.solved, cliff.rate.known
    low, high = wilson(solved, known)
    return (
        f"{begin}all trials with a known outcome have {amount(size, _UNIT)} ({solved} of {known} solved, a "
        f"rate of {between(low, high, 'share')}). Trials of several sizes are needed, {where} ones first."
    )


def _edge(fit: SizeFit, verdict: str) -> str:
    half, width = fit.size(0.5), fit.width
    ends = " to ".join(amount(fit.size(share).value) for share in (0.1, 0.9))
    told = f"A {verdict}: half of the seeds solve at {_size(half)}; "
    if fit.separation is not None and fit.separation.is_whole:
        told = (
            f"A {verdict}: no trial up to {amount(fit.separation.below)} parameters solved, every trial from "
        )
        told += f"{amount(fit.separation.above)} did; half of the seeds solve at {_size(half)}"
        return f"{told}{_outside(fit)}."
    known = all(fit.size(share).is_known for share in (0.1, 0.9))
    told += "10 to 90 % lie within a factor of "
    told += f"{_factor(width)}" + (f", from {ends} parameters" if known else "")
    if verdict == "ramp" and width.low <= STEEPEST_RAMP:
        told += f", so that a cliff (a factor up to {STEEPEST_RAMP}) is not ruled out"
    return f"{told}{_outside(fit)}."


def _if_none_had_solved(cliff: Cliff) -> str:
    """State the 50 % size if no unknown trial had solved, where many are unknown."""
    rate = cliff.rate
    if cliff.bounds is None or cliff.unknown < _MANY_UNKNOWN * rate.trials:
        return ""
    failed = cliff.bounds[1]
    would_be = amount(failed.value, _UNIT) if failed.is_known else "beyond all sizes tried"
    return (
        f" This leaves out {plural(cliff.unknown, 'trial')} whose outcome is not known; had none of them "
        f"solved, the 50 % size would be {would_be}."
    )


def _outside(fit: SizeFit) -> str:
    half = fit.size(0.5).value
    if fit.smallest <= half <= fit.largest:
        return ""
    beyond = f"below the smallest size tried, {amount(fit.smallest)}"
    if half > fit.largest:
        beyond = f"above the largest size tried, {amount(fit.largest)}"
    return f". The 50 % size is {beyond}: it rests on the shape of the curve"


def _no_edge(fit: SizeFit, more: MoreTrials | None) -> str:
    begin = f"No edge in this range, {_sizes(fit.smallest, fit.largest, 'to')}: "
    if fit.is_one_sided:
        low, high = wilson(fit.solved, fit.trials)
        rate = f"at least {rounded_percent(low)}" if fit.solved else f"at most {rounded_percent(high)}"
        where = (
            "Smaller sizes would have to be tried" if fit.solved else "Larger sizes would have to be tried"
        )
        return f"{begin}{_all_or_none(fit)}, a success rate of {rate}. {where}{_more(more)}."
    doubling = f"where the size doubles, the odds of success are multiplied by {_factor(fit.per_doubling)}"
    rate = f"{fit.solved:,} of {fit.trials:,} trials solved"
    if fit.rises:
        where = "above" if fit.solved * 2 < fit.trials else "below"
        return (
            f"{begin}success rises with size, but half of the seeds would solve only far {where} it ({rate})."
        )
    if fit.slope[2] < 0:
        why = "Another parameter that goes with it may decide"
        return f"{begin}success falls with size ({doubling}; {rate}). {why}."
    decides = "Other parameters than the size decide"
    if fit.span < math.log(2):
        decides = f"{'Larger' if fit.solved * 2 < fit.trials else 'Smaller'} sizes would have to be tried"
    return f"{begin}{rate}, and {doubling}, too little for a rise from 10 to 90 % within it. {decides}."


def _rests_on(cliff: Cliff, fit: SizeFit) -> str:
    weighted = ""
    if cliff.counts.is_weighted:
        weighted = f" {RANDOMLY_CONTINUED}"
    solved = "" if fit.is_one_sided else f", {fit.solved:,} of them solved"
    seeds = f"{'up to ' if fit.seeds > 1 else ''}{plural(fit.seeds, 'seed')} each"
    return (
        f"This rests on {plural(fit.trials, 'trial')} with a known outcome{solved}: of "
        f"{plural(fit.configurations, 'configuration')} with {seeds}, from "
        f"{_sizes(fit.smallest, fit.largest, 'to')}.{weighted}"
    )


def _sharpness(fit: SizeFit) -> list[str]:
    told = []
    if fit.has_slope:
        told.append(
            "Where the size doubles, the odds of success are multiplied by "
            f"{_factor(fit.per_doubling, ' (95 % interval: {})')}."
        )
    if math.isfinite(fit.dispersion) and not fit.is_one_sided:
        vary = f"outcomes of configurations vary {amount(fit.dispersion)} times as much as chance explains"
        if fit.dispersion > _ALIKE:
            told.append(
                f"Seeds of a configuration are correlated beyond the effect of size: {vary}. Intervals "
                "have configurations as the unit, not trials, and account for it."
            )
        else:
            told.append(f"Seeds of a configuration are not correlated beyond the effect of size: {vary}.")
    return told


def _unknown(cliff: Cliff) -> list[str]:
    if cliff.bounds is None or not cliff.rate.known:
        return []
    solved, failed = cliff.bounds
    trials = plural(cliff.unknown, "trial")
    begin = f"The outcome of {trials} is not known ({_endings(cliff)}), and left out"
    rate = cliff.rate
    if cliff.verdict in ("no edge", "cannot be determined"):
        if cliff.counts.is_weighted:
            return [f"{begin}."]
        return [
            f"{begin}: of all {rate.trials:,} trials, between {rate.solved:,} and "
            f"{rate.solved + rate.unknown:,} would have solved."
        ]
    if solved.is_known and failed.is_known:
        values = [solved.value, failed.value, *([cliff.size().value] if cliff.size().is_known else [])]
        ends = between(min(values), max(values), _UNIT).replace(" to ", " and ")
        return [f"{begin}. For any outcome of those, half of the seeds solve between {ends}."]
    readings = [
        f"if {how} had solved, the 50 % size would be {amount(half.value, _UNIT)}"
        if half.is_known
        else f"if {how} had solved, there would be no 50 % size in this range"
        for how, half in (("all of them", solved), ("none of them", failed))
    ]
    return [f"{begin}: {', and '.join(readings)}."]


def _best(cliff: Cliff) -> list[str]:
    best = cliff.best
    if best is None or not cliff.rate.known:
        return []
    begin = "The best recipe of each size, on seeds that did not choose it, "
    if best.fit is None:
        return [f"{begin}cannot be determined: {best.why_not}."]
    rests = (
        f"{plural(best.bins, 'bin')} of sizes within a factor of {best.factor:g}, "
        f"{plural(best.fit.trials, 'trial')}"
    )
    if best.fit.is_one_sided:
        return [f"{begin}{'always' if best.fit.solved else 'never'} solved ({rests})."]
    half = best.fit.size(0.5)
    if not (best.fit.rises and half.is_known):
        return [
            f"{begin}solved {best.fit.solved} of {best.fit.trials} times; at which size it does so half of "
            f"the time cannot be determined ({rests})."
        ]
    width = f"10 to 90 % lie within a factor of {_factor(best.fit.width)}"
    return [f"{begin}solves half of the time at {_size(half)}; {width} ({rests})."]


def differing(test: Test, called: str) -> str:
    """Return whether a quantity is shown to differ between groups, which are called so."""
    differs = "differs between" if test.p_value < 0.05 else "is not shown to differ between"
    return (
        f"The {test.quantity} {differs} the {test.groups} {called} in which it is known (p = "
        f"{max(test.p_value, 0.0001):.2g}, Welch's test on configurations)."
    )


def _groups(cliff: Cliff) -> list[str]:
    told = [f"{group.name}: {in_short(group)}" for group in cliff.groups]
    told += [differing(test, "groups") for test in cliff.tests]
    if cliff.groups and not cliff.tests:
        told.append(
            f"Whether sizes differ by {cliff.by} cannot be determined: fewer than two groups show an edge."
        )
    return told


def _sharper(more: MoreTrials | None) -> str:
    if more is None:
        return "Both ends of the interval lie within 5 % of the 50 % size: more trials would change little."
    if more.trials is None:
        return (
            f"More than {TRIALS[-1]:,} more trials would be needed to give the 50 % size to within "
            f"{more.precision * 100:.0f} %: size alone does not decide; split trials with --by or --where."
        )
    precision = f"{more.precision * 100:.0f} %"
    return (
        f"About {more.trials:,} more trials, at sizes from {_sizes(more.smallest, more.largest, 'to')}, "
        f"would give the 50 % size to within {precision} ({SIMULATIONS} simulated searches)."
    )


def _more(more: MoreTrials | None) -> str:
    """Return the trials that would determine it, as the end of a sentence."""
    if more is None:
        return ""
    sizes = _sizes(more.smallest, more.largest, "to")
    if more.trials is None:
        return f"; it would take more than {TRIALS[-1]:,} more trials, so size alone does not decide"
    assumed = f", if there is a ramp over a factor of {USUAL_RAMP:g}" if more.is_assumed else ""
    return f": about {more.trials:,} more trials, placed at sizes from {sizes}, would determine it{assumed}"


def _all_or_none(fit: SizeFit) -> str:
    return f"{'all' if fit.solved else 'none of'} {plural(fit.trials, 'trial')} solved"


def _endings(cliff: Cliff) -> str:
    return ", ".join(f"{number:,} {ending}" for ending, number in cliff.endings.items())


def _size(estimate: Estimate) -> str:
    return f"{amount(estimate.value, _UNIT)} (95 % interval: {between(estimate.low, estimate.high)})"


def _sizes(low: float, high: float, joint: str = "and") -> str:
    return f"{amount(low)} {joint} {amount(high, _UNIT)}"


def _factor(estimate: Estimate, form: str = " ({})") -> str:
    """Write a factor; beyond a thousandth and a thousandfold its ends are reported as not bounded."""
    value = amount(estimate.value) if estimate.value < 1000 else "more than 1,000"
    low = estimate.low if estimate.low > 0.001 else -math.inf
    high = estimate.high if estimate.high < 1000 else math.inf
    return value + form.format(between(low, high))


def _part(answer: str) -> str:
    """Write a group's answer as the rest of a sentence that names the group."""
    text = answer.removeprefix("The parameter cliff ")
    return text[0].lower() + text[1:]
