"""The winners lost to early stopping in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.statistics.estimate import Estimate
from analysis.statistics.intervals import NORMAL_QUANTILE
from analysis.text import amount, between, plural, rounded_percent

if TYPE_CHECKING:
    from analysis.stopped.finding import Stopped
    from analysis.stopped.reserve import BelowCut

_PRECISION = 0.15
"""How precisely the share of the halted trials that would have solved should be known."""

_FIRST = 10
"""So many trials that ran on are asked for where there are none."""


def sentences(found: Stopped) -> list[str]:
    """Return the answer, what it rests on, where winners were lost, and what would make it sharper."""
    whole = found.whole
    if whole is None:
        return ["What early stopping cost cannot be determined: there are no trials yet."]
    if not found.has_target:
        return [
            f"{_halted(found, whole)}. What that cost cannot be determined: the search has no target, so "
            "there are no winners."
        ]
    return [
        _answer(found, whole),
        *_rests_on(whole),
        *_waiting(whole),
        *_undecided(whole),
        *_by_size(found),
        *_sharper(found, whole),
    ]


def _halted(found: Stopped, whole: BelowCut) -> str:
    number = plural(whole.halted, "trial") if whole.halted else "no trial"
    if whole.waiting and not whole.ended:
        return f"Early stopping let {number} wait below the cut"
    return f"Early stopping ended {number}" + (" or let them wait" if whole.waiting else "")


def _answer(found: Stopped, whole: BelowCut) -> str:
    told = _halted(found, whole)
    if not whole.halted:
        so_far = "" if found.is_over else " so far"
        return f"{told}{so_far}, so it has cost no winner."
    one = whole.halted == 1
    if not whole.kept:
        like = f"no trial below the cut ran on by lot{' to its end' if whole.undecided else ''}"
        asked = "whether it would have solved" if one else "how many of them would have solved"
        return f"{told}; {asked} cannot be determined, because {like}{_first(found, whole)}."
    like = "it" if one else "them"
    ran = f"of {whole.kept:,} like {like} that ran on by lot, {whole.kept_solved:,} solved"
    if whole.kept == 1:
        ran = f"one like {like} ran on by lot, and {'solved' if whole.kept_solved else 'did not solve'}"
    return f"{told}; {ran}: {_lost(whole)}."


def _lost(band: BelowCut) -> str:
    """Write how many winners were lost, and what share of all winners that is."""
    lost, share = band.lost, band.share_lost
    about = "about " if 0 < lost.value < band.halted else ""
    number = _whole(lost)
    told = f"{about}{number} winner{'' if number == '1' else 's'} lost (95 % interval: {_ends(lost)})"
    if not share.is_known:
        return f"{told}; no trial solved, so there is no share of the winners"
    return (
        f"{told}, {rounded_percent(share.value)} of all that there would have been "
        f"({between(share.low, share.high, 'share')})"
    )


def _whole(lost: Estimate) -> str:
    return amount(round(lost.value)) if lost.value >= 1 or lost.value == 0 else f"{lost.value:.1f}"


def _ends(lost: Estimate) -> str:
    return f"{lost.low:,.0f} to {lost.high:,.0f}"


def _first(found: Stopped, whole: BelowCut) -> str:
    """Say what would make an estimate possible, as the end of a sentence."""
    if not found.reserve:
        return "; a reserve under early_stopping in the space file, such as reserve: 0.1, makes it possible"
    below = (whole.halted + whole.kept + whole.undecided) / whole.trials
    more = math.ceil(_FIRST / (found.reserve * below))
    return (
        f"; with the reserve of {rounded_percent(found.reserve)}, about {_rounded(more):,} more trials would "
        f"bring {_FIRST} that do"
    )


def _rests_on(whole: BelowCut) -> list[str]:
    if not (whole.halted and whole.kept):
        return []
    return [
        "Which trials run on below the cut is drawn by lot, so those that did are a random sample of all "
        "below the cut. Intervals come from this lot alone (exact, hypergeometric): they assume nothing of "
        "how alike the seeds of a configuration are, and concern the trials of this search."
    ]


def _waiting(whole: BelowCut) -> list[str]:
    if not whole.waiting:
        return []
    verb, counts = ("waits", "it counts") if whole.waiting == 1 else ("wait", "they count")
    return [
        f"{plural(whole.waiting, 'trial')} below the cut {verb} and may still go on, now or once the search "
        f"is resumed; until then {counts} as one that did not."
    ]


def _undecided(whole: BelowCut) -> list[str]:
    if not whole.undecided:
        return []
    one = whole.undecided == 1
    return [
        f"{plural(whole.undecided, 'more trial')} below the cut ran on by lot and {'has' if one else 'have'} "
        f"no outcome yet; {'it is' if one else 'they are'} left out."
    ]


def _by_size(found: Stopped) -> list[str]:
    told = [band for band in found.bands if band.halted and band.kept and band.share_lost.is_known]
    if len(told) < 2:
        return []
    parts = [
        f"{rounded_percent(band.share_lost.value)} "
        f"({between(band.share_lost.low, band.share_lost.high, 'share')}) from {band.smallest:,} to "
        f"{band.largest:,} parameters"
        for band in told
    ]
    return [f"Winners lost by size: {', '.join(parts)}."]


def _sharper(found: Stopped, whole: BelowCut) -> list[str]:
    rate = whole.rate
    if not (whole.halted and whole.kept and found.reserve) or rate.high - rate.low <= 2 * _PRECISION:
        return []
    # A rate of none or all would need no sample at all; that of one more success and failure does.
    likely = (whole.kept_solved + 1) / (whole.kept + 2)
    needed = (NORMAL_QUANTILE / _PRECISION) ** 2 * likely * (1 - likely)
    below = (whole.halted + whole.kept + whole.undecided) / whole.trials
    more = max(needed - whole.kept, 1) / (found.reserve * below)
    return [
        f"About {_rounded(more):,} more trials would give the share of those below the cut that solve to "
        f"within {_PRECISION * 100:.0f} points; a larger reserve takes fewer."
    ]


def _rounded(number: float) -> int:
    """Return a number no finer than it can be known: two digits."""
    step = 10 ** max(math.floor(math.log10(max(number, 1))) - 1, 0)
    return int(math.ceil(number / step) * step)
