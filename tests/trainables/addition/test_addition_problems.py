"""Addition problems: the split, the draws from it, different problems and held-out ones."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from helpers.problems import every_pair
from scipy.stats import chi2
from torch import Tensor

from trainables.addition.carries import carries_in, operands_with
from trainables.addition.config import MAX_DIGITS
from trainables.addition.problems import (
    SPLITS,
    Split,
    distinct,
    draw,
    held_out,
    in_split,
    seeded_generator,
    uniform_operands,
)

CPU = torch.device("cpu")
ODDS = 1e-6
"""How rarely a right generator fails a test of chance, over seeds. The seeds are fixed: a test that
passes once goes on passing until the code or PyTorch's generator changes."""


def assert_as_expected(seen: Tensor, expected: Tensor) -> None:
    """Pearson's chi-square test at the odds above; ``expected`` are counts with the same total."""
    assert expected.min() >= 5, "the test is only valid for cells that are seen a few times"
    statistic = float(((seen - expected) ** 2 / expected).sum())
    assert chi2.sf(statistic, df=len(expected) - 1) > ODDS


# The split


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_every_problem_is_in_exactly_one_part_and_no_part_is_empty(digits: int) -> None:
    a, b = every_pair(digits)
    parts = {split: in_split(a, b, split) for split in SPLITS}
    assert bool((sum(part.int() for part in parts.values()) == 1).all())
    for split, part in parts.items():
        assert part.any(), f"no {digits}-digit problem is in {split}"


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_a_problem_and_its_mirror_image_are_in_the_same_part(digits: int) -> None:
    a, b = every_pair(digits)
    for split in SPLITS:
        assert torch.equal(in_split(a, b, split), in_split(b, a, split))


def test_the_part_does_not_depend_on_what_else_is_asked_about() -> None:
    a, b = every_pair(2)
    parts = in_split(a, b, "train")
    for index in (0, 17, 4_242, 9_999):
        assert in_split(a[index : index + 1], b[index : index + 1], "train").item() == parts[index].item()


@pytest.mark.parametrize("digits", [3, 10, MAX_DIGITS])
def test_the_parts_are_a_tenth_a_tenth_and_the_rest(digits: int) -> None:
    """100,000 pairs: a share of 0.1 strays by 0.00095, one of 0.8 by 0.0013; five of these are allowed.

    A hash that spreads evenly fails one of the nine checks for fewer than one seed in 100,000.
    """
    generator = torch.Generator().manual_seed(digits)
    a, b = torch.randint(10**digits, (2, 100_000), generator=generator)
    for split, share in (("test", 0.1), ("validation", 0.1), ("train", 0.8)):
        tolerance = 5 * (share * (1 - share) / 100_000) ** 0.5
        assert in_split(a, b, split).double().mean().item() == pytest.approx(share, abs=tolerance)


@pytest.mark.parametrize("stride", [1, 10, 1000, 2**20])
def test_the_parts_keep_their_shares_among_problems_that_resemble_each_other(stride: int) -> None:
    """Same first operand, second operands in a row: a weak hash would put whole rows into one part.

    20,000 pairs stray by 0.0021 around 0.1; five of these are allowed.
    """
    b = torch.arange(20_000) * stride
    for first in (0, 7, 10**9):
        a = torch.full_like(b, first)
        for split in ("test", "validation"):
            assert in_split(a, b, split).double().mean().item() == pytest.approx(0.1, abs=0.0106)


# Draws


def test_two_digit_draws_give_every_training_problem_equally_often() -> None:
    a, b = every_pair(2)
    kept = in_split(a, b, "train")
    drawn_a, drawn_b = draw(400_000, (2, 2), "train", torch.Generator().manual_seed(1))
    seen = torch.bincount(drawn_a * 100 + drawn_b, minlength=10_000)
    assert not seen[~kept].any()
    assert_as_expected(seen[kept].double(), torch.full((int(kept.sum()),), 400_000 / int(kept.sum())))


@pytest.mark.parametrize("lengths", [(1, 3), (2, 3)])
def test_drawn_lengths_are_uniform_and_shared_by_both_operands(lengths: tuple[int, int]) -> None:
    """Lengths cannot be seen in a draw, but each gives every pair of its range the same weight.

    So a pair's weight is the sum, over lengths that it fits, of one over that length's training pairs;
    the nine cells are how many digits each operand takes to write.
    """
    a, b = every_pair(3)
    weight = torch.zeros(len(a), dtype=torch.float64)
    for length in range(lengths[0], lengths[1] + 1):
        fits = (torch.maximum(a, b) < 10**length) & in_split(a, b, "train")
        weight += fits / fits.sum()

    def cell(a: Tensor, b: Tensor) -> Tensor:
        written = [(x >= 10).long() + (x >= 100).long() for x in (a, b)]
        return written[0] * 3 + written[1]

    chance = torch.bincount(cell(a, b), weights=weight, minlength=9) / weight.sum()
    drawn = draw(200_000, lengths, "train", torch.Generator().manual_seed(2))
    seen = torch.bincount(cell(*drawn), minlength=9).double()
    assert_as_expected(seen, chance * 200_000)


def test_every_digit_of_a_long_draw_is_uniform() -> None:
    """Both ways of drawing: one length only, and a range of which the longest fills every place."""
    for lengths, smallest in (((10, 10), 0), ((9, 10), 10**9)):
        a, b = draw(100_000, lengths, "train", torch.Generator().manual_seed(3))
        full = torch.maximum(a, b) >= smallest
        for operand in (a[full], b[full]):
            # The top place only where nothing was selected by it.
            for place in range(9 if smallest else 10):
                seen = torch.bincount(operand // 10**place % 10, minlength=10).double()
                assert_as_expected(seen, torch.full((10,), len(operand) / 10, dtype=torch.float64))


@pytest.mark.parametrize("split", list(SPLITS))
@pytest.mark.parametrize("lengths", [(1, 1), (2, 2), (1, 3), (4, 10), (18, 18), (1, 18)])
def test_a_draw_has_the_asked_count_within_its_lengths_and_its_part(
    split: str, lengths: tuple[int, int]
) -> None:
    for count in (1, 500):
        a, b = draw(count, lengths, split, torch.Generator().manual_seed(4))
        assert a.shape == b.shape == (count,)
        assert a.dtype == b.dtype == torch.int64
        assert bool(in_split(a, b, split).all())
        assert min(a.min(), b.min()) >= 0
        assert max(a.max(), b.max()) < 10 ** lengths[1]


def test_generators_of_different_keys_differ_and_of_the_same_key_agree() -> None:
    def numbers(*key: int) -> list[int]:
        return torch.randint(10**9, (4,), generator=seeded_generator(CPU, *key)).tolist()

    assert numbers(1, 2, 3) == numbers(1, 2, 3)
    keys = [(1, 2, 3), (3, 2, 1), (1, 23), (12, 3), (0, 0, 0), (0, 0), (1, 2, 4), (2, 2, 3)]
    assert len({tuple(numbers(*key)) for key in keys}) == len(keys)


@pytest.mark.parametrize("split", list(SPLITS))
def test_operands_drawn_in_another_way_are_asked_for_at_each_problems_length_until_they_fit(
    split: Split,
) -> None:
    """Numbers of the full length only, so that the length of each problem can be seen."""
    asked: list[int] = []

    def full_length(length: Tensor, most: int, generator: torch.Generator) -> Tensor:
        assert most == 4
        asked.append(len(length))
        low = 10 ** (length - 1)
        return low + uniform_operands(length, most, generator) % (9 * low)

    a, b = draw(3_000, (2, 4), split, torch.Generator().manual_seed(8), full_length)
    assert bool(in_split(a, b, split).all())
    written = [[len(str(x)) for x in operand.tolist()] for operand in (a, b)]
    assert written[0] == written[1]
    assert_as_expected(torch.tensor(written[0]).bincount()[2:], torch.full((3,), 1_000.0))
    assert asked[0] == 3_000
    assert asked[1:] == sorted(asked[1:], reverse=True), "only those that fell outside are drawn again"


# Different problems


def pairs_of(problems: tuple[Tensor, Tensor]) -> list[tuple[int, int]]:
    return list(zip(*(operand.tolist() for operand in problems), strict=True))


@pytest.mark.parametrize("split", list(SPLITS))
@pytest.mark.parametrize(("count", "digits"), [(1, 1), (4_000, 2), (20_000, 4), (5_000, 18)])
def test_different_problems_are_different_of_their_part_and_as_many_as_asked(
    split: Split, count: int, digits: int
) -> None:
    """Of two digits half of all that there are, 4,000 or 500: the most that may be asked for."""
    count = min(count, 100**digits // (2 if split == "train" else 20))
    a, b = distinct(count, digits, split, seed=1)
    assert a.shape == b.shape == (count,)
    assert a.dtype == b.dtype == torch.int64
    assert len(set(pairs_of((a, b)))) == count
    assert bool(in_split(a, b, split).all())
    assert min(a.min(), b.min()) >= 0
    assert max(a.max(), b.max()) < 10**digits


def test_different_problems_are_decided_by_their_seed() -> None:
    first, again, other = (pairs_of(distinct(500, 3, "train", seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert set(first) != set(other)


def test_different_problems_come_in_no_order_of_their_own() -> None:
    """If they were sorted, the first half would have the smaller first operands.

    The means of random halves differ with a standard deviation of 58: by 410 for one in 10**12 seeds.
    """
    a, _ = distinct(10_000, 4, "train", seed=1)
    first, second = a.double().view(2, -1).mean(1).tolist()
    assert abs(first - second) < 410


@pytest.mark.parametrize("digits", [2, 3, 6])
def test_different_problems_are_drawn_as_they_are_asked_to_be(digits: int) -> None:
    for carries in range(digits + 1):
        a, b = distinct(300, digits, "train", seed=1, operands=partial(operands_with, carries))
        assert len(set(pairs_of((a, b)))) == 300
        assert carries_in(a, b, digits).tolist() == [carries] * 300
        assert bool(in_split(a, b, "train").all())


# Held-out problems


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("digits", [3, 4, 10])
def test_held_out_problems_are_distinct_of_their_part_and_as_many_as_asked(split: str, digits: int) -> None:
    """20,000 of the some 10 million four-digit problems: about 20 are drawn twice, so that distinctness
    is not given by itself (chance of no repetition: one in half a billion)."""
    a, b = held_out(20_000, digits, split, seed=6)
    assert len(a) == len(b) == 20_000
    assert len(set(zip(a.tolist(), b.tolist(), strict=True))) == 20_000
    assert bool(in_split(a, b, split).all())
    assert min(a.min(), b.min()) >= 0
    assert max(a.max(), b.max()) < 10**digits


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("digits", [1, 2])
def test_a_small_space_gives_all_its_held_out_problems(split: str, digits: int) -> None:
    a, b = held_out(5_000, digits, split, seed=6)
    every_a, every_b = every_pair(digits)
    kept = in_split(every_a, every_b, split)
    assert len(a) < 5_000
    assert set(zip(a.tolist(), b.tolist(), strict=True)) == set(
        zip(every_a[kept].tolist(), every_b[kept].tolist(), strict=True)
    )
    assert len(a) == int(kept.sum())


@pytest.mark.parametrize("digits", [3, 10])
def test_held_out_problems_are_decided_by_their_seed(digits: int) -> None:
    first, again, other = (held_out(200, digits, "test", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.stack(first), torch.stack(again))
    assert not torch.equal(torch.stack(first), torch.stack(other))


@pytest.mark.parametrize("digits", [3, 4])
def test_held_out_problems_are_uniform_over_those_that_exist(digits: int) -> None:
    """By leading digit of the first operand, of listed (3 digits) and of drawn problems (4 digits)."""
    a, _ = held_out(20_000, digits, "test", seed=7)
    seen = torch.bincount(a // 10 ** (digits - 1), minlength=10).double()
    assert_as_expected(seen, torch.full((10,), 2_000.0))


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize(("digits", "count"), [(1, 10), (4, 50), (10, 50), (18, 50)])
def test_fewer_held_out_problems_are_returned_as_asked_and_never_repeated(
    split: Split, digits: int, count: int
) -> None:
    """One digit has two test problems and four validation problems."""
    problems = pairs_of(held_out(count, digits, split, seed=3))
    assert len(problems) == len(set(problems)) <= count
    assert len(problems) == count or digits == 1
