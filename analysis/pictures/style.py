"""One style for all pictures: a role has a colour, a marker and a dash; any two of them identify it.

Colours are Okabe and Ito's, which the colour-blind can tell apart; markers and dashes carry the same in grey.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Look:
    """The style of a role. Markers and dashes are Matplotlib's; :mod:`.page` translates them."""

    colour: str
    marker: str = "o"
    dash: str = "-"
    is_hollow: bool = False


BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, GREY = "#56B4E9", "#CC79A7", "#B8A600", "#8A8F94"

LOOKS: dict[str, Look] = {
    # Outcomes and regimes
    "solved": Look(BLUE, "o"),
    "works": Look(BLUE, "o"),
    "not learned": Look(ORANGE, "X"),
    "stuck": Look(ORANGE, "X"),
    "too slow": Look(SKY, "<"),
    "unstable": Look(PURPLE, "D"),
    "diverged": Look(VERMILION, "^"),
    "diverges": Look(VERMILION, "^"),
    "unknown": Look(GREY, "o", is_hollow=True),
    # Parts of pictures
    "fit": Look(BLUE),
    "bound": Look(GREY, dash=":"),
    "frontier": Look(BLUE, "o"),
    "bounded frontier": Look(BLUE, "o", is_hollow=True),
    "found": Look(BLUE, "o", is_hollow=True),
    "confirmed": Look(GREEN, "s"),
    "held out": Look(PURPLE, "D"),
    "other": Look(GREY, "."),
    "beyond": Look(GREY, "^"),
    "baseline": Look(YELLOW, "D"),
    "target": Look(VERMILION, dash="--"),
    "rung": Look(GREY, dash=":"),
    "published": Look(PURPLE, "*"),
    "edge": Look(GREEN, "s"),
    "text": Look(GREY),
}
"""Every role that a mark may have, beside ``series N``: the N-th of several lines or groups, counted from
0; and ``series N found``, what a search found of it, which is hollow beside what was confirmed."""

_SERIES = (
    Look(BLUE, "o", "-"),
    Look(VERMILION, "s", "--"),
    Look(GREEN, "^", "-."),
    Look(PURPLE, "D", ":"),
    Look(ORANGE, "v", "-"),
    Look(SKY, "P", "--"),
    Look(GREY, "X", "-."),
)


def look_of(role: str) -> Look:
    """Return the style of a role.

    Raises:
        KeyError: there is no such role.
    """
    if role.startswith("series "):
        number, _, part = role.removeprefix("series ").partition(" ")
        look = _SERIES[int(number) % len(_SERIES)]
        return replace(look, is_hollow=True) if part == "found" else look
    return LOOKS[role]
