"""Weights as numbers in Python's notation, which restore float32 bit for bit."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from ctypes import c_float
from typing import Any

from torch import Tensor

_WIDTH = 100
"""Columns of lines of numbers."""


def weights_code(weights: Mapping[str, Tensor]) -> str:
    """Return the code of a dict of nested lists, ``WEIGHTS``, laid out as the matrices are."""
    lines = ["# fmt: off", "WEIGHTS = {"]
    for name, tensor in weights.items():
        first, *rest = _written(tensor.tolist(), indent=4, before=f'"{name}": ')
        shape = f"  # {tuple(tensor.shape)}" if tensor.ndim == 2 else ""
        lines += [f"    {first}{shape}", *rest]
        lines[-1] += ","
    return "\n".join([*lines, "}", "# fmt: on"])


def number(value: float) -> str:
    """Return the shortest decimal that restores a float32 exactly, in Python's notation.

    Python reads it as a double, which is then rounded to float32.
    """
    assert math.isfinite(value), value
    shorter = (float(f"{value:.{digits}g}") for digits in range(1, 18))
    return repr(next(number for number in shorter if c_float(number).value == value))


def _written(values: Any, *, indent: int, before: str = "") -> list[str]:
    """Return the lines of a number or of nested lists of them; the first one lacks its indentation."""
    if not isinstance(values, list):
        return [f"{before}{number(values)}"]
    if values and isinstance(values[0], list):
        lines = [f"{before}["]
        for row in values:
            first, *rest = _written(row, indent=indent + 4)
            lines += [" " * (indent + 4) + first, *rest]
            lines[-1] += ","
        return [*lines, " " * indent + "]"]
    return _row([number(value) for value in values], indent=indent, before=before)


def _row(numbers: list[str], *, indent: int, before: str) -> list[str]:
    text = f"{before}[{', '.join(numbers)}]"
    if indent + len(text) + 1 <= _WIDTH:
        return [text]
    inner = " " * (indent + 4)
    filled = textwrap.wrap(
        ", ".join(numbers) + ",",
        _WIDTH,
        initial_indent=inner,
        subsequent_indent=inner,
        break_on_hyphens=False,
    )
    return [f"{before}[", *filled, " " * indent + "]"]
