"""Numbers as digits in tensors, and back: what all formats write and read with."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

MALFORMED = -1
"""What reading returns for tokens that are not a valid number."""

_DIGITS_AT_ONCE = {10: 4, 100: 2}
"""Digits of each base that are looked up together."""


def digits_of(value: Tensor, count: int, *, base: int = 10) -> Tensor:
    """Return the last ``count`` digits, least significant first: int64 (n,) to uint8 (n, count)."""
    # Divisions are slow, so each gives several digits, looked up as the bytes of one number.
    table, groups = _digit_table(base, value.device), []
    for _ in range(0, count, _DIGITS_AT_ONCE[base]):
        groups.append(table.index_select(0, value % len(table)))
        value = value // len(table)
    return torch.stack(groups, dim=1).view(torch.uint8)[:, :count]


@lru_cache(maxsize=4)
def _digit_table(base: int, device: torch.device) -> Tensor:
    """Return the digits of the numbers below 10,000 as the bytes of one number, least significant first."""
    count = _DIGITS_AT_ONCE[base]
    digits = torch.arange(base**count, device=device)[:, None] // _powers(count, device, base) % base
    return digits.to(torch.uint8).view(torch.int32 if count == 4 else torch.int16).squeeze(1)


def without_zeros(
    value: Tensor, reversed_digits: Tensor, end: int, *, forward: bool, base: int = 10
) -> Tensor:
    """Write numbers without leading zeros, and ``end`` in the columns behind them.

    Args:
        value: the numbers, int64 of shape (n,).
        reversed_digits: their digits, least significant first: uint8 of shape (n, count).
        end: the token that fills.
        forward: most significant digit first.
        base: of the digits.

    Returns:
        uint8 tensor of shape (n, count + 1): there is an ``end`` behind every number.
    """
    count = reversed_digits.shape[1]
    place = torch.arange(count + 1, device=value.device)
    written = (value[:, None] >= _powers(count, value.device, base)).sum(1, keepdim=True).clamp(min=1)
    # Where the digit of each column comes from.
    source = (written - 1 - place) if forward else place.expand(len(value), -1)
    digit = reversed_digits.gather(1, source.clamp(0, count - 1))
    return torch.where(place < written, digit, end)


def digits_before(end: int, answers: Tensor, is_digit: Tensor, *, forward: bool) -> tuple[Tensor, Tensor]:
    """Read what :func:`without_zeros` writes.

    Returns:
        The digits, least significant first, of shape (n, width - 1), and a mask of shape (n, 1): which
        answers have no leading zeros and nothing but ``end`` behind the number, at least once.
    """
    width = answers.shape[1]
    written = is_digit.int().cumprod(1).sum(1, keepdim=True)
    place = torch.arange(width, device=answers.device)
    source = (written - 1 - place) if forward else place.expand(len(answers), -1)
    digits = torch.where(place < written, answers.gather(1, source.clamp(0, width - 1)), 0)
    leading = digits.gather(1, (written - 1).clamp(min=0))
    well_formed = ((place < written) | (answers == end)).all(1, keepdim=True)
    well_formed &= (written >= 1) & (written < width) & ((leading > 0) | (written == 1))
    return digits[:, :-1], well_formed


def number(digits: Tensor, well_formed: Tensor, *, base: int = 10) -> Tensor:
    """Return the numbers of digits, least significant first; MALFORMED where the mask says so."""
    value = (digits * _powers(digits.shape[1], digits.device, base)).sum(1)
    # Nineteen nines do not fit into 64 bits; a value that wraps is negative.
    return torch.where(well_formed.all(1) & (value >= 0), value, MALFORMED)


def _powers(count: int, device: torch.device, base: int = 10) -> Tensor:
    return torch.tensor([base**place for place in range(count)], device=device)
