"""Addition problems: a split into training, validation and test that can never overlap, and draws from it.

A hash of the unordered pair of operands, of any length, decides the split of a problem. So neither a
problem nor its mirror image ``b + a`` is ever in two splits, whatever is drawn, and nothing has to be
remembered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Split = Literal["train", "validation", "test"]

BUCKETS = 10
SPLITS: dict[Split, tuple[int, int]] = {"test": (0, 1), "validation": (1, 2), "train": (2, BUCKETS)}
"""The buckets of each split, as a half-open range: a tenth, a tenth, and the remaining eight tenths."""

_ENUMERABLE = 1_000_000
"""Up to this many pairs, held-out problems are enumerated instead of drawn."""

_DIGITS_AT_ONCE = 9
"""Digits of an operand that come from one random number."""


def bucket_of(a: Tensor, b: Tensor) -> Tensor:
    """Return the bucket, 0 to 9, of each problem; both operands int64 of the same shape.

    The mixing is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014); int64 products wrap,
    and the masks make right shifts logical.
    """
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    mixed = _mix(_mix(low) + high)
    return (mixed & 0x7FFFFFFFFFFFFFFF) % BUCKETS


def in_split(a: Tensor, b: Tensor, split: Split) -> Tensor:
    """Return a bool tensor: which problems belong to ``split``."""
    bucket = bucket_of(a, b)
    first, end = SPLITS[split]
    return (bucket >= first) & (bucket < end)


DrawOperands = Callable[[Tensor, int, torch.Generator], Tensor]
"""From operand lengths of shape (n,), the largest length and a generator to operands of shape (2, n)."""


def draw(
    count: int,
    digits: tuple[int, int],
    split: Split,
    generator: torch.Generator,
    operands: DrawOperands | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw ``count`` problems of ``split``, in whole tensors on the generator's device.

    The operands of a problem have up to n digits, with one n per problem, uniform from ``digits[0]``
    to ``digits[1]``. By default both are uniform in [0, 10**n). A pair that falls outside the split is
    drawn again at its length.

    Returns:
        Two int64 tensors of shape (count,).
    """
    fewest, most = digits
    device = generator.device
    length = torch.randint(fewest, most + 1, (count,), generator=generator, device=device)
    draw_operands = operands or uniform_operands
    problems = draw_operands(length, most, generator)
    outside = (~in_split(problems[0], problems[1], split)).nonzero().squeeze(1)
    while len(outside) > 0:
        again = draw_operands(length[outside], most, generator)
        problems[:, outside] = again
        outside = outside[~in_split(again[0], again[1], split)]
    return problems[0], problems[1]


def uniform_operands(length: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Draw operands of given lengths, shape (n,), uniform over all: int64 of shape (2, n)."""
    device = generator.device
    # At most 9 digits at a time: the 53 random bits of a float64 are uniform there to one in 10^6.
    powers = torch.tensor([10.0**n for n in range(_DIGITS_AT_ONCE + 1)], device=device, dtype=torch.float64)
    operands = torch.zeros(2, len(length), dtype=torch.int64, device=device)
    for first in range(0, most, _DIGITS_AT_ONCE):
        digits = (length - first).clamp(0, _DIGITS_AT_ONCE)
        share = torch.rand(operands.shape, generator=generator, device=device, dtype=torch.float64)
        operands += (share * powers[digits]).long() * 10**first
    return operands


def distinct(
    count: int,
    digits: int,
    split: Split,
    *,
    seed: int,
    operands: DrawOperands | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw ``count`` distinct problems of ``split``, at most half of those that exist.

    Operands have up to ``digits`` digits, and are drawn by ``operands``, by default uniformly. Returns
    two int64 tensors of shape (count,) on the CPU.
    """
    generator = torch.Generator().manual_seed(seed)
    pairs = torch.empty(0, 2, dtype=torch.int64)
    while len(pairs) < count:
        more = torch.stack(draw(count, (digits, digits), split, generator, operands), dim=1)
        pairs = torch.unique(torch.cat([pairs, more]), dim=0)
    order = torch.randperm(len(pairs), generator=generator)[:count]
    return pairs[order, 0], pairs[order, 1]


def held_out(count: int, digits: int, split: Split, *, seed: int) -> tuple[Tensor, Tensor]:
    """Return up to ``count`` distinct problems of ``split``, uniform over those that exist.

    Operands have up to ``digits`` digits. Up to three digits, where there are fewer than ``count``
    all of them are returned; beyond, at most a quarter of those that exist, so that drawing ends.

    Returns:
        Two int64 tensors of the same length, at most ``count``, on the CPU.
    """
    if 100**digits <= _ENUMERABLE:
        every = torch.arange(100**digits)
        a, b = every // 10**digits, every % 10**digits
        kept = in_split(a, b, split)
        a, b = a[kept], b[kept]
        order = torch.randperm(len(a), generator=torch.Generator().manual_seed(seed))[:count]
        return a[order], b[order]
    return distinct(min(count, 100**digits // BUCKETS // 4), digits, split, seed=seed)


def seed_of(*key: int) -> int:
    """Return a seed of 63 bits that depends on the whole ``key``, such as seed, phase and chunk."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seeded_generator(device: torch.device, *key: int) -> torch.Generator:
    """Return a generator seeded by the whole ``key``."""
    return torch.Generator(device).manual_seed(seed_of(*key))


def _mix(x: Tensor) -> Tensor:
    x = x + _signed(0x9E3779B97F4A7C15)
    x = (x ^ _shift(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shift(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >= 1 << 63 else word
