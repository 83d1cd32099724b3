"""Replayed rules in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.statistics.estimate import Estimate
from analysis.text import amount, between, plural
from paretune.stopping.replay.choosing import is_within
from paretune.stopping.replay.tables import band_names, part_name, ratio_with_reserve

if TYPE_CHECKING:
    from paretune.stopping.replay.choosing import Losses
    from paretune.stopping.replay.cliffs import CliffUnder
    from paretune.stopping.replay.finding import Judged, Stopping


WORTH_TELLING = 0.9
"""A rule that loses more winners is told of if it takes less than this share of the steps."""


def sentences(finding: Stopping) -> Sequence[str]:
    """Return what was found: the rule to take, what to expect of it, what it rests on, and the cliff."""
    return [
        *_recommendation(finding),
        _elsewhere(finding),
        _rests_on(finding),
        *_cliffs(finding),
    ]


def _recommendation(finding: Stopping) -> list[str]:
    aim = f"at most {amount(finding.tried.most_lost, 'share')} of the winners of each band of sizes"
    found = finding.recommended
    if found is not None:
        return [f"Recommended: {found.rule}.", _did(finding, found, "It"), *_for_more(finding, found)]
    if finding.nearest is None:
        return ["No rule: early stopping does not pay here, since each that was tried costs more than none."]
    worst = amount(finding.nearest.losses.worst, "share")
    return [
        f"No rule: none that was tried loses {aim} and saves steps.",
        f"The nearest is {finding.nearest.rule}: it loses {worst} of a band.",
        _did(finding, finding.nearest, "It"),
    ]


def _for_more(finding: Stopping, found: Judged) -> list[str]:
    """Return what losing twice as many winners would save, if that is much."""
    limit = 2 * finding.tried.most_lost
    others = [one for one in finding.judged if is_within(one.losses.worst, limit)]
    cheapest = min(others, key=lambda one: one.losses.ratio, default=found)
    if cheapest.losses.ratio > WORTH_TELLING * found.losses.ratio:
        return []
    return [
        f"Who accepts up to {amount(limit, 'share')} of a band lost: {cheapest.rule}, "
        f"{cheapest.losses.ratio:.2f} times the steps, {_lost(finding, cheapest.losses)}."
    ]


def _did(finding: Stopping, judged: Judged, what: str) -> str:
    ratio = judged.ratio
    return (
        f"{what} takes {ratio.value:.2f} times the steps per success that no rule takes ({ratio.low:.2f} to "
        f"{ratio.high:.2f} in 90 % of the orders), and loses {_lost(finding, judged.losses)}."
    )


def _lost(finding: Stopping, losses: Losses) -> str:
    parts = [
        f"{name} {_share(band)}"
        for name, band in zip(band_names(finding.tried.bands), losses.by_band, strict=True)
        if band.is_known
    ]
    whole = f"{_share(losses.lost)} of {plural(losses.winners, 'winner')}"
    return f"{whole}: {', '.join(parts)}" if len(parts) > 1 else whole


def _elsewhere(finding: Stopping) -> str:
    losses = finding.elsewhere
    several = len(finding.populations) > 1
    how = "search is left out in turn" if several else "fifth of the configurations is left out in turn"
    rules = [one for one in finding.parts if one.rule is not None]
    if not rules:
        return f"Where each {how}, no rule is good enough for the rest either."
    text = (
        f"The best of a table flatters itself. Where each {how}, and a rule chosen on the rest, it takes "
        f"{losses.ratio:.2f} times the steps there and loses {_lost(finding, losses)}"
    )
    if len(rules) < len(finding.parts):
        text += f"; {len(finding.parts) - len(rules)} of {len(finding.parts)} times no rule was good enough"
    limit = finding.tried.most_lost
    if not is_within(losses.worst, limit):
        names = [
            name
            for name, band in zip(band_names(finding.tried.bands), losses.by_band, strict=True)
            if band.is_known and not is_within(band.value, limit)
        ]
        text += f". So expect to lose more than {amount(limit, 'share')} of the {' and '.join(names)} ones"
    if several:
        worst = max(rules, key=lambda one: one.losses.lost.value, default=None)
        if worst is not None and worst.losses.lost.value > limit:
            text += (
                f". Most are lost on {part_name(finding, worst.part)}: {_share(worst.losses.lost)} of "
                f"{plural(worst.losses.winners, 'winner')}"
            )
    return text + "."


def _rests_on(finding: Stopping) -> str:
    people = finding.populations
    trials = sum(map(len, people))
    configurations = sum(len(np.unique(one.configurations)) for one in people)
    unknown = sum(one.unknown for one in people)
    text = (
        f"This rests on {plural(trials, 'whole curve')} of {plural(configurations, 'configuration')}, "
        f"{sum(int(one.solved.sum()) for one in people)} of them solved"
    )
    if len(people) > 1:
        text += f", in {len(people)} searches"
    if unknown:
        text += f"; {plural(unknown, 'trial')} with an unknown outcome left out"
    if finding.without_winners:
        text += f"; {', '.join(finding.without_winners)} left out, where no trial solved"
    slots = finding.tried.slots
    side = "one trial after another" if slots == 1 else f"{slots} trials side by side"
    at_reports = "a rung without a report takes the next one"
    return (
        f"{text}. Of {plural(finding.looked_at, 'rule')}, the best at a first look were replayed in "
        f"{finding.orders} random orders, {side}; {at_reports}."
    )


def _cliffs(finding: Stopping) -> list[str]:
    known = [one for one in finding.cliffs if one.whole.is_known and one.whole.is_bounded]
    if finding.best is None or not known:
        return []
    if len(finding.populations) > 1:
        return []
    cheapest = min(finding.judged, key=lambda one: one.losses.ratio).rule
    return [
        _cliff(finding, one, is_best=one.rule == finding.best.rule)
        for one in known
        if one.rule in (finding.best.rule, cheapest)
    ]


def _cliff(finding: Stopping, one: CliffUnder, *, is_best: bool) -> str:
    which = "this rule" if is_best else f"the cheapest rule here ({one.rule})"
    lead = f"Half of the trials solve at {one.whole}. " if is_best else ""
    with_reserve = ""
    if one.reserve.is_known:
        with_reserve = (
            f"; with a reserve of 10 %, {_size(one.reserve)}, for "
            f"{ratio_with_reserve(finding, one):.2f} times the steps"
        )
    return (
        f"{lead}With stopped trials left out, one would read {_size(one.left_out)} under {which}"
        f"{with_reserve}. Ranges are the middle 90 % of orders."
    )


def _size(size: Estimate) -> str:
    if not size.is_known:
        return "nothing certain"
    return f"{amount(size.value)} ({between(size.low, size.high)})"


def _share(share: Estimate) -> str:
    return f"{amount(share.value, 'share')} ({between(share.low, share.high, 'share')})"
