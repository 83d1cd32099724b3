"""Addition problems, enumerated."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from trainables.addition.formats import Format, make_format
from trainables.addition.layout import Layout, layout_of

KINDS: dict[str, dict[str, Any]] = {
    "delimited": {"name": "delimited"},
    "delimited, no PAD": {"name": "delimited", "pad_token": False},
    "undelimited": {"name": "undelimited"},
    "aligned": {"name": "aligned"},
    "characters": {"name": "characters"},
    "characters, forward": {"name": "characters", "forward": True},
    "characters, variable": {"name": "characters", "variable": True},
    "characters, forward, variable": {"name": "characters", "forward": True, "variable": True},
    "base100": {"name": "base100"},
}


"""Every format in every way that it can be asked for, as arguments of ``layout_of``."""


every_kind = pytest.mark.parametrize("kind", KINDS)


def form_of(kind: str, digits: int) -> Format:
    return make_format(layout_of(digits=digits, **KINDS[kind]))


def operands_in(sequences: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """Read both operands of each sequence without the format's help."""
    count, base = layout.digits, 10
    if layout.name == "base100":
        count, base = (layout.digits + 1) // 2, 100
    begin = 1 if layout.name == "aligned" else 0
    between = {"undelimited": 0, "aligned": 2}.get(layout.name, 1)
    places = range(count) if layout.name == "aligned" else reversed(range(count))
    powers = torch.tensor([base**place for place in places])
    second = begin + count + between
    return (
        (sequences[:, begin : begin + count] * powers).sum(1),
        (sequences[:, second : second + count] * powers).sum(1),
    )


def every_pair(digits: int) -> tuple[Tensor, Tensor]:
    every = torch.arange(100**digits)
    return every // 10**digits, every % 10**digits
