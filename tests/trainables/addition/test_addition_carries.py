"""Carries: counted as in writing, and drawn where one wants them."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
import torch
from helpers.carries import columns_by_hand, longest_by_hand
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor

from trainables.addition.carries import (
    balanced_operands,
    carries_in,
    carry_columns,
    chained_columns,
    chained_operands,
    columns_with,
    draw_with_columns,
    longest_chain,
    operands_with,
)
from trainables.addition.config import MAX_DIGITS

ODDS = 1e-6
"""How rarely a right generator fails a test of chance, over seeds. The seeds are fixed: a test that
passes once goes on passing until the code or PyTorch's generator changes."""


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def assert_as_often(seen: Counter[tuple[bool, ...]], chances: dict[tuple[bool, ...], float]) -> None:
    """Pearson's chi-square test at the odds above; nothing outside ``chances`` may be seen."""
    assert set(seen) <= set(chances)
    total = sum(seen.values())
    expected = [chance * total for chance in chances.values()]
    assert min(expected) >= 5, "the test is only valid for cells that are seen a few times"
    assert chisquare([seen[cell] for cell in chances], expected).pvalue > ODDS


def rows_of(columns: Tensor) -> list[tuple[bool, ...]]:
    return [tuple(row) for row in columns.tolist()]


@st.composite
def problems(draw: st.DrawFn) -> tuple[int, int, int]:
    digits = draw(st.integers(1, MAX_DIGITS))
    operand = st.integers(0, 10**digits - 1)
    a = draw(operand)
    # Uniform operands rarely make long chains; complements are all chain.
    b = draw(st.one_of(operand, st.just(10**digits - 1 - a), st.just(min(10**digits - a, 10**digits - 1))))
    return a, b, digits


@st.composite
def patterns(draw: st.DrawFn) -> tuple[int, list[list[bool]]]:
    """A largest length, and for some problems which of their columns shall carry."""
    most = draw(st.integers(1, MAX_DIGITS))
    pattern = st.integers(1, most).flatmap(
        lambda length: st.lists(st.booleans(), min_size=length, max_size=length)
    )
    return most, draw(st.lists(pattern, min_size=1, max_size=8))


# Counting


@settings(max_examples=300)
@given(problem=problems())
@example((0, 0, 1))
@example((5, 5, 1))
@example((10**18 - 1, 1, 18))
@example((10**18 - 1, 10**18 - 1, 18))
@example((55, 45, 2))
@example((50905, 50905, 5))
def test_carries_and_their_chains_are_counted_as_in_writing(problem: tuple[int, int, int]) -> None:
    a, b, digits = problem
    columns = columns_by_hand(a, b, digits)
    first, second = torch.tensor([a]), torch.tensor([b])
    assert carry_columns(first, second, digits).tolist() == [columns]
    assert carries_in(first, second, digits).tolist() == [sum(columns)]
    assert longest_chain(first, second, digits).tolist() == [longest_by_hand(columns)]


def test_carries_are_counted_for_each_problem_of_a_batch() -> None:
    a, b = torch.tensor([999, 500, 0, 194, 505]), torch.tensor([1, 500, 0, 7, 505])
    assert carry_columns(a, b, 3).tolist() == [
        [True, True, True],
        [False, False, True],
        [False, False, False],
        [True, True, False],
        [True, False, True],
    ]
    assert carries_in(a, b, 3).tolist() == [3, 1, 0, 2, 2]
    assert longest_chain(a, b, 3).tolist() == [3, 1, 0, 2, 1]


def test_all_two_digit_problems_are_counted_as_in_writing() -> None:
    every = torch.arange(10_000)
    a, b = every // 100, every % 100
    columns = [columns_by_hand(x, y, 2) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert carry_columns(a, b, 2).tolist() == columns
    assert carries_in(a, b, 2).tolist() == [sum(row) for row in columns]
    assert longest_chain(a, b, 2).tolist() == [longest_by_hand(row) for row in columns]


# Which columns shall carry


@settings(max_examples=100)
@given(
    most=st.integers(1, MAX_DIGITS),
    data=st.data(),
    seed=st.integers(0, 2**32),
)
def test_exactly_the_asked_number_of_columns_carry_and_none_beyond_the_length(
    most: int, data: st.DataObject, seed: int
) -> None:
    lengths = data.draw(st.lists(st.integers(1, most), min_size=1, max_size=8))
    counts = [data.draw(st.integers(0, length)) for length in lengths]
    columns = columns_with(torch.tensor(counts), torch.tensor(lengths), most, generator(seed))
    assert columns.shape == (len(lengths), most)
    assert columns.dtype == torch.bool
    assert columns.sum(1).tolist() == counts
    for row, length in zip(columns, lengths, strict=True):
        assert not row[length:].any()


@pytest.mark.parametrize(("count", "length"), [(1, 3), (2, 5), (4, 5), (3, 6)])
def test_any_choice_of_columns_is_as_likely_as_another(count: int, length: int) -> None:
    """20,000 draws over at most 20 choices, with two columns more that must stay free."""
    asked = torch.full((20_000,), count), torch.full((20_000,), length)
    columns = columns_with(*asked, length + 2, generator(1))
    choices = [
        (*chosen, False, False) for chosen in product([False, True], repeat=length) if sum(chosen) == count
    ]
    assert_as_often(Counter(rows_of(columns)), dict.fromkeys(choices, 1 / len(choices)))


@settings(max_examples=100)
@given(most=st.integers(1, MAX_DIGITS), data=st.data(), seed=st.integers(0, 2**32))
def test_chained_columns_have_a_chain_of_two_or_more_within_the_length(
    most: int, data: st.DataObject, seed: int
) -> None:
    lengths = data.draw(st.lists(st.integers(1, most), min_size=1, max_size=8))
    columns = chained_columns(torch.tensor(lengths), most, generator(seed))
    assert columns.shape == (len(lengths), most)
    for row, length in zip(columns, lengths, strict=True):
        assert longest_by_hand(row.tolist()) >= min(2, length)
        assert not row[length:].any()


def chances_of_chained_columns(length: int, most: int) -> dict[tuple[bool, ...], float]:
    """A chain as long as any from 2 on, beginning anywhere, and tosses of a coin beside it."""
    chances: Counter[tuple[bool, ...]] = Counter()
    runs = range(2, length + 1)
    for run in runs:
        for begin in range(length - run + 1):
            for coins in product([False, True], repeat=length - run):
                columns = (*coins[:begin], *[True] * run, *coins[begin:], *[False] * (most - length))
                chances[columns] += 1 / (len(runs) * (length - run + 1) * 2 ** len(coins))
    return dict(chances)


@pytest.mark.parametrize("length", [3, 4, 5])
def test_chains_of_every_length_are_as_frequent_and_begin_anywhere(length: int) -> None:
    columns = chained_columns(torch.full((40_000,), length), 6, generator(2))
    chances = chances_of_chained_columns(length, 6)
    assert sum(chances.values()) == pytest.approx(1)
    assert_as_often(Counter(rows_of(columns)), chances)


# Operands


@settings(max_examples=100)
@given(drawn=patterns(), seed=st.integers(0, 2**32))
def test_operands_carry_in_exactly_the_asked_columns(drawn: tuple[int, list[list[bool]]], seed: int) -> None:
    most, asked = drawn
    lengths = [len(pattern) for pattern in asked]
    columns = torch.tensor([pattern + [False] * (most - len(pattern)) for pattern in asked])
    a, b = draw_with_columns(columns, torch.tensor(lengths), generator(seed)).tolist()
    for x, y, pattern, length in zip(a, b, asked, lengths, strict=True):
        assert 0 <= x < 10**length
        assert 0 <= y < 10**length
        assert columns_by_hand(x, y, length) == pattern


@pytest.mark.parametrize("pattern", list(product([False, True], repeat=2)))
def test_all_problems_that_carry_in_the_asked_columns_are_drawn_equally_often(
    pattern: tuple[bool, bool],
) -> None:
    """60,000 draws over the 2,025 to 3,025 two-digit problems with one of the four patterns."""
    columns = torch.tensor([pattern]).expand(60_000, 2)
    a, b = draw_with_columns(columns, torch.full((60_000,), 2), generator(3))
    seen = torch.bincount(a * 100 + b, minlength=10_000)
    having = [pair for pair in range(10_000) if columns_by_hand(pair // 100, pair % 100, 2) == list(pattern)]
    assert int(seen[having].sum()) == 60_000
    assert chisquare(seen[having].numpy()).pvalue > ODDS


def test_digit_pairs_are_uniform_whatever_is_carried_into_a_column() -> None:
    """The four cases written out: of 100 pairs 45 make ten or more, and 55 with a carry into them."""
    for carry_in, carry_out, size in ((0, 0, 55), (0, 1, 45), (1, 0, 45), (1, 1, 55)):
        columns = torch.tensor([[bool(carry_in), bool(carry_out)]]).expand(20_000, 2)
        a, b = draw_with_columns(columns, torch.full((20_000,), 2), generator(4)) // 10
        pairs = torch.bincount(a * 10 + b, minlength=100)
        seen = pairs[pairs > 0]
        assert len(seen) == size
        assert chisquare(seen.numpy()).pvalue > ODDS


@pytest.mark.parametrize("lengths", [(1, 1), (3, 3), (1, 3), (18, 18)])
def test_balanced_operands_have_each_number_of_carries_equally_often(lengths: tuple[int, int]) -> None:
    """Cells are length and number of carries; each length is asked for 8,000 times."""
    fewest, most = lengths
    length = torch.arange(fewest, most + 1).repeat_interleave(8_000)
    a, b = balanced_operands(length, most, generator(5))
    carries = carries_in(a, b, most)
    for each in range(fewest, most + 1):
        here = length == each
        assert bool((torch.maximum(a[here], b[here]) < 10**each).all())
        seen = torch.bincount(carries[here])
        assert len(seen) == each + 1
        assert chisquare(seen.numpy()).pvalue > ODDS


@settings(max_examples=50)
@given(digits=st.integers(1, MAX_DIGITS), data=st.data(), seed=st.integers(0, 2**32))
def test_operands_have_exactly_the_asked_number_of_carries(
    digits: int, data: st.DataObject, seed: int
) -> None:
    count = data.draw(st.integers(0, digits))
    a, b = operands_with(count, torch.full((20,), digits), digits, generator(seed)).tolist()
    assert {sum(columns_by_hand(x, y, digits)) for x, y in zip(a, b, strict=True)} == {count}


@settings(max_examples=50)
@given(most=st.integers(1, MAX_DIGITS), data=st.data(), seed=st.integers(0, 2**32))
def test_chained_operands_have_a_chain_of_two_or_one_carry_if_they_are_too_short(
    most: int, data: st.DataObject, seed: int
) -> None:
    lengths = data.draw(st.lists(st.integers(1, most), min_size=1, max_size=20))
    a, b = chained_operands(torch.tensor(lengths), most, generator(seed)).tolist()
    for x, y, length in zip(a, b, lengths, strict=True):
        assert max(x, y) < 10**length
        assert longest_by_hand(columns_by_hand(x, y, length)) >= min(2, length)
