"""Effects in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.effects.changes import SIGNIFICANT, Change
from analysis.effects.importances import Importances
from analysis.effects.responses import Response
from analysis.statistics.distributions import normal
from analysis.statistics.estimate import Estimate
from analysis.text import between, plural, rounded_percent

MOST_NAMED = 6


def answer(changes: Sequence[Change], response: Response) -> str:
    """Return the answer in one sentence: which changes hold, of how many comparisons."""
    compared = [change for change in changes if not math.isnan(change.p_value)]
    if not compared:
        return f"No effect can be tested: {_why_untested(changes, response)}."
    count = plural(len(compared), "comparison")
    held = [change for change in compared if change.holds]
    if held:
        verb = "holds" if len(held) == 1 else "hold"
        return f"{len(held)} of {count} {verb} after Holm's correction: {_listed(held, with_effect=True)}."
    first = compared[0]
    return (
        f"None of {count} holds after Holm's correction; the least likely by chance is {_effect(first)}."
        if len(compared) > 1
        else f"The one comparison cannot be distinguished from chance: {_effect(first)}."
    )


def others(changes: Sequence[Change]) -> list[str]:
    """Return a sentence for what does not hold, and one for what has no test."""
    sentences = []
    rest = [change for change in changes if not change.holds and not math.isnan(change.p_value)]
    has_first_been_told = not any(change.holds for change in changes)
    rest = rest[1:] if has_first_been_told else rest
    if rest:
        subject = "The others" if len(rest) > 1 else "The other"
        sentences.append(
            f"{subject} cannot be distinguished from chance: {_listed(rest, with_effect=False)}."
        )
    untested = [change.label for change in changes if math.isnan(change.p_value)]
    if untested and len(untested) < len(changes):
        sentences.append(f"Without a test, for lack of trials that vary: {listed(untested)}.")
    return sentences


def left_out(response: Response) -> list[str]:
    """Return sentences on the trials that are not counted, or that count with reserve."""
    sentences = []
    if response.unknown:
        sentences.append(
            f"{plural(response.unknown, 'trial')} with an unknown outcome "
            f"{'is' if response.unknown == 1 else 'are'} left out."
        )
    if response.without_value:
        sentences.append(
            f"{plural(response.without_value, 'trial')} without a {response.name}, most of them diverged, "
            f"{'is' if response.without_value == 1 else 'are'} left out: effects are those of the others."
        )
    if response.solved_early:
        sentences.append(
            f"{plural(response.solved_early, 'trial')} ended at the target, and "
            f"{'counts' if response.solved_early == 1 else 'count'} with the value there: effects "
            "beyond it are larger than shown."
        )
    return sentences


def importance(importances: Importances) -> str:
    """Return the importances in a sentence, or why there are none."""
    if importances.why_none:
        return importances.why_none
    chance = importances.by_chance
    above = [one for one in importances.of if one.share > chance] or importances.of[:1]
    named = ", ".join(
        f"{one.parameter} ({rounded_percent(one.share)} of all importance)" for one in above[:3]
    )
    best = f"the best {importances.best} of {plural(importances.configurations, 'configuration')}"
    if above[0].share <= chance:
        return (
            f"By PED-ANOVA, no parameter sets {best} apart by more than chance does: {named}, and up to "
            f"{rounded_percent(min(chance, 1.0))} in shuffled results."
        )
    where = (
        " As configurations were not drawn at random, this describes where the search sampled."
        if importances.describes_sampler
        else ""
    )
    return (
        f"By PED-ANOVA {best} stand out by {named}; chance alone gives up to "
        f"{rounded_percent(chance)}.{where}"
    )


def sharper(changes: Sequence[Change], response: Response) -> str | None:
    """Return how many seeds would distinguish 75 from 25 %, None where all changes hold."""
    compared = [change for change in changes if not math.isnan(change.p_value)]
    if not response.is_rate or not compared or all(change.holds for change in compared):
        return None
    level, power = SIGNIFICANT / len(compared), 0.8
    z = float(normal.isf(level / 2) + normal.isf(1 - power))
    trials = math.ceil(z * z * 2 * 0.25 * 0.75 / 0.5**2)
    return (
        f"To distinguish rates of 75 % and 25 % among {plural(len(compared), 'comparison')} takes about "
        f"{trials} trials on each side."
    )


def listed(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def size(effect: Estimate) -> str:
    """Write an effect with its sign and interval: ``-31 points (-55 to -3)``."""
    if not effect.is_known:
        return "cannot be determined"
    if effect.unit != "share":
        unit = f" {effect.unit}" if effect.unit and effect.unit != "1" else ""
        return f"{effect.value:+.3g}{unit} ({between(effect.low, effect.high)})"
    ends = (
        f"{100 * effect.low:+.0f} to {100 * effect.high:+.0f}"
        if effect.is_bounded
        else between(100 * effect.low, 100 * effect.high)
    )
    return f"{100 * effect.value:+.0f} points ({ends})"


def _effect(change: Change) -> str:
    rates = f"{change.rates[0]} against {change.rates[1]}, " if change.rates else ""
    return f"{change.label}, {rates}{size(change.effect)}, {_p_values(change)}"


def _listed(changes: Sequence[Change], *, with_effect: bool) -> str:
    if with_effect:
        more = len(changes) - MOST_NAMED
        told = "; ".join(_effect(change) for change in changes[:MOST_NAMED])
        return told + (f"; and {more} more" if more > 0 else "")
    return listed([f"{change.label} (p = {_p(change.p_value)})" for change in changes])


def _p_values(change: Change) -> str:
    return f"p = {_p(change.p_value)}, corrected {_p(change.p_holm)}"


def _p(value: float) -> str:
    return "below 0.0001" if value < 1e-4 else f"{value:.2g}"


def _why_untested(changes: Sequence[Change], response: Response) -> str:
    if not response.trials:
        return "no trial has a value to compare"
    if len(response.table) < 2:
        return "one configuration has no other to be compared with"
    means = response.table["mean"].to_numpy(float)
    if response.is_rate and means.max() == 0:
        return f"none of {plural(response.trials, 'trial')} was solved, so no change made a difference"
    if response.is_rate and means.min() == 1:
        return f"all of {plural(response.trials, 'trial')} were solved, so no change made a difference"
    if not changes:
        return "no configurations differ in one parameter only, and there are too few for a regression"
    return "a change needs more seeds, or more configurations"
