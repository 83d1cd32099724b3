"""A comparison in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.comparison.differences import Compared
from analysis.statistics.estimate import Estimate
from analysis.text import amount, between, plural

_MOST_NAMED = 5


def sentences(searches: Sequence[str], compared: Sequence[Compared], parts: Sequence[str]) -> Iterator[str]:
    """State which differences hold after Holm's correction, which do not, and what the plans differ in.

    Args:
        searches: the names, the first being that which others are compared with.
        compared: the differences.
        parts: what the plans differ in.
    """
    tested = sorted(
        (one for one in compared if one.is_tested),
        key=lambda one: one.difference.p_value,
    )
    several = len(searches) > 2
    held = [one for one in tested if one.holds]
    count = plural(len(tested), "comparison")
    first = searches[0]
    if not tested:
        yield f"Nothing can be compared with {first}: no quantity is known in both searches."
    elif held:
        named = _listed([_named(one, several) for one in held])
        subject = f"{searches[1]} differs" if not several else "Searches differ"
        yield f"{subject} from {first} in {len(held)} of {count} after Holm's correction: {named}."
    else:
        yield (
            f"None of {count} with {first} shows a difference after Holm's correction; "
            f"the least likely by chance is {_named(tested[0], several)}, "
            f"p = {tested[0].difference.p_value:.2g}, corrected {tested[0].p_holm:.2g}."
        )
    rest = [one for one in tested if not one.holds][0 if held else 1 :]
    if rest:
        yield f"Not distinguished from chance: {_listed([_named(one, several) for one in rest])}."
    by_interval = [one for one in compared if not one.is_tested and one.difference.change.is_known]
    if by_interval:
        yield f"Without a test: {_listed([_named(one, several) for one in by_interval])}."
    unknown = [one for one in compared if not one.is_tested and not one.difference.change.is_known]
    if unknown:
        yield f"Not known in both searches: {_listed([label(one, several=several) for one in unknown])}."
    yield from _of_plans(parts)


def _of_plans(parts: Sequence[str]) -> Iterator[str]:
    if not parts:
        yield "Their plans are the same."
    else:
        several = ", so it is open which of them made a difference" if len(parts) > 1 else ""
        yield f"Their plans differ in {_listed(parts, ', ')}{several}."


def _listed(texts: Sequence[str], between_them: str = "; ") -> str:
    more = len(texts) - _MOST_NAMED
    return between_them.join(texts[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def label(one: Compared, *, several: bool) -> str:
    """Write what is compared, with the search's name if there are several."""
    return f"{one.search}: {one.difference.quantity}" if several else one.difference.quantity


def told(one: Compared) -> str:
    """Write both sides and the change: ``50 % size, 1,053 to 800 parameters, times 0.76 (0.6 to 0.9)``."""
    difference, change = one.difference, one.difference.change
    sides = f"{difference.quantity}, {value_of(difference.first)} to {value_of(difference.second)}"
    if not change.is_known:
        return sides
    if difference.scale == "ratio":
        low = change.low if change.low > 0 else float("-inf")
        return f"{sides}, times {change.value:.3g} ({between(low, change.high)})"
    if change.unit == "share":
        ends = between(float(round(100 * change.low)), float(round(100 * change.high)))
        return f"{sides}, {100 * change.value:+.0f} points ({ends})"
    return f"{sides}, {change.value:+.3g} {change.unit} ({between(change.low, change.high)})"


def value_of(estimate: Estimate) -> str:
    """Write an estimate's value with its unit."""
    return amount(estimate.value, estimate.unit) if estimate.is_known else "not known"


def _named(one: Compared, several: bool) -> str:
    return f"{one.search}: {told(one)}" if several else told(one)
