"""Carries of written additions: counting them, and drawing problems with chosen carries.

A column carries if its two digits and the carry into it make ten or more. A chain is a run of
neighbouring columns that all carry.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHORTEST_CHAIN = 2


def carry_columns(a: Tensor, b: Tensor, digits: int) -> Tensor:
    """Return which columns of each addition carry: bool tensor of shape (n, digits), ones first."""
    modulus = torch.tensor([10**place for place in range(1, digits + 1)], device=a.device)
    return a[:, None] % modulus + b[:, None] % modulus >= modulus


def carries_in(a: Tensor, b: Tensor, digits: int) -> Tensor:
    """Return how many columns of each addition carry: int64 tensor of shape (n,), 0 to digits."""
    return carry_columns(a, b, digits).sum(1)


def longest_chain(a: Tensor, b: Tensor, digits: int) -> Tensor:
    """Return the length of each addition's longest chain: int64 tensor of shape (n,), 0 to digits."""
    longest = running = torch.zeros_like(a)
    for column in carry_columns(a, b, digits).T:
        running = (running + 1) * column
        longest = torch.maximum(longest, running)
    return longest


def columns_with(count: Tensor, length: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Draw which columns carry, ``count`` of them in each problem, uniformly.

    Args:
        count: int64 tensor of shape (n,), 0 to ``length``.
        length: int64 tensor of shape (n,), digits of each problem's operands.
        most: the largest length.
        generator: where randomness comes from.

    Returns:
        Bool tensor of shape (n, most); no column from ``length`` on carries.
    """
    order = torch.rand(len(length), most, generator=generator, device=length.device)
    order = order.masked_fill(_beyond(length, most), 2.0)
    return order.argsort(1).argsort(1) < count[:, None]


def chained_columns(length: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Draw which columns carry, with a chain of 2 to ``length`` columns, as :func:`columns_with`.

    All chain lengths are equally likely, and chains begin anywhere; the other columns carry at random.
    Operands of one digit have no chain, but one carry.
    """
    run = SHORTEST_CHAIN + _up_to((length - SHORTEST_CHAIN).clamp(min=0), generator)
    run = torch.minimum(run, length)
    begin = _up_to(length - run, generator)
    place = torch.arange(most, device=length.device)
    in_chain = (place >= begin[:, None]) & (place < (begin + run)[:, None])
    by_chance = torch.rand(len(length), most, generator=generator, device=length.device) < 0.5
    return (in_chain | by_chance) & ~_beyond(length, most)


def draw_with_columns(columns: Tensor, length: Tensor, generator: torch.Generator) -> Tensor:
    """Draw operands whose addition carries in exactly the given columns.

    Column by column, the two digits are uniform among the pairs that carry, or do not, given the
    carry into the column.

    Args:
        columns: bool tensor of shape (n, most).
        length: int64 tensor of shape (n,); digits from there on are 0, and ``columns`` False.
        generator: where randomness comes from.

    Returns:
        int64 tensor of shape (2, n).
    """
    device = columns.device
    pairs, sizes = _digit_pairs(device)
    operands = torch.zeros(2, len(columns), dtype=torch.int64, device=device)
    carry_in = torch.zeros(len(columns), dtype=torch.int64, device=device)
    for place, carry_out in enumerate(columns.long().T):
        kind = 2 * carry_in + carry_out
        chosen = torch.rand(len(columns), generator=generator, device=device, dtype=torch.float64)
        digits = pairs[kind, (chosen * sizes[kind]).long()]  # (n, 2)
        operands += (digits * (place < length)[:, None]).T * 10**place
        carry_in = carry_out
    return operands


def balanced_operands(length: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Draw operands with each number of carries, 0 to ``length``, equally often: int64 of shape (2, n)."""
    columns = columns_with(_up_to(length, generator), length, most, generator)
    return draw_with_columns(columns, length, generator)


def chained_operands(length: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Draw operands whose addition has a long chain of carries: int64 of shape (2, n)."""
    return draw_with_columns(chained_columns(length, most, generator), length, generator)


def operands_with(count: int, length: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Draw operands with exactly ``count`` carries: int64 of shape (2, n)."""
    columns = columns_with(torch.full_like(length, count), length, most, generator)
    return draw_with_columns(columns, length, generator)


def _digit_pairs(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return digit pairs of shape (4, 55, 2) by 2 * carry in + carry out, and how many each has."""
    every = [(x, y) for x in range(10) for y in range(10)]
    kinds = [
        [pair for pair in every if (sum(pair) + carry_in >= 10) == bool(carry_out)]
        for carry_in in (0, 1)
        for carry_out in (0, 1)
    ]
    longest = max(map(len, kinds))
    padded = [kind + [(0, 0)] * (longest - len(kind)) for kind in kinds]
    return torch.tensor(padded, device=device), torch.tensor([len(kind) for kind in kinds], device=device)


def _up_to(largest: Tensor, generator: torch.Generator) -> Tensor:
    """Draw whole numbers uniform in 0 to ``largest``, both included: int64 of the same shape."""
    chosen = torch.rand(largest.shape, generator=generator, device=largest.device, dtype=torch.float64)
    return (chosen * (largest + 1)).long()


def _beyond(length: Tensor, most: int) -> Tensor:
    return torch.arange(most, device=length.device) >= length[:, None]
