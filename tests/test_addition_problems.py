"""Addition problems: the split, the draws from it, the training stream and the curriculum."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2
from torch import Tensor

from trainables.addition.config import MAX_DIGITS, AdditionConfig
from trainables.addition.problems import SPLITS, carries_in, draw, held_out, in_split, seeded_generator
from trainables.addition.stream import TrainingStream

CPU = torch.device("cpu")
ODDS = 1e-6
"""How rarely a right generator fails a test of chance, over seeds. The seeds are fixed: a test that
passes once goes on passing until the code or PyTorch's generator changes."""


def every_pair(digits: int) -> tuple[Tensor, Tensor]:
    every = torch.arange(100**digits)
    return every // 10**digits, every % 10**digits


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


# The training stream


def operands_in(batch: Tensor, digits: int) -> tuple[Tensor, Tensor]:
    """Read both operands of each sequence, most significant digit first, without the format's help."""
    powers = torch.tensor([10**place for place in reversed(range(digits))])
    return (batch[:, :digits] * powers).sum(1), (batch[:, digits + 1 : 2 * digits + 1] * powers).sum(1)


CURRICULA = {
    "no curriculum": {"digits": 3},
    "curriculum": {
        "digits": 3,
        "curriculum": [{"digits": [1, 2], "share": 1}, {"digits": [1, 3], "share": 2}],
    },
    "ten digits": {
        "digits": 10,
        "curriculum": [
            {"digits": [1, 3], "share": 1},
            {"digits": [1, 6], "share": 1},
            {"digits": [1, 10], "share": 1},
        ],
    },
}


def stream_of(**settings: object) -> TrainingStream:
    return TrainingStream(AdditionConfig.model_validate(settings), CPU)


@pytest.mark.parametrize("settings", CURRICULA.values(), ids=CURRICULA.keys())
@pytest.mark.parametrize("seed", [0, 1])
def test_the_training_stream_never_holds_a_held_out_problem(settings: dict, seed: int) -> None:
    """Of the 24,576 problems drawn some 4,900 would be held-out ones if the stream ignored the split."""
    digits = settings["digits"]
    stream = stream_of(**settings, steps=96, batch=256, seed=seed)
    a, b = operands_in(torch.cat([stream(step) for step in range(1, 97)]), digits)
    assert len(a) == 96 * 256
    assert not in_split(a, b, "validation").any()
    assert not in_split(a, b, "test").any()
    if digits == 3:
        # Here the held-out problems can all be listed: the same claim without trusting the hash.
        for split in ("validation", "test"):
            x, y = held_out(10**6, 3, split, seed=0)
            assert len(x) > 90_000
            mirrored_too = torch.cat([x * 1000 + y, y * 1000 + x])
            assert not torch.isin(a * 1000 + b, mirrored_too).any()


def test_a_batch_holds_whole_sequences_with_their_right_sums() -> None:
    stream = stream_of(digits=3, steps=10, batch=64)
    batch = stream(1)
    assert batch.shape == (64, 2 * 3 + 2 + 3 + 2)
    assert batch.dtype == torch.int64
    a, b = operands_in(batch, 3)
    total = (batch[:, 8:12] * torch.tensor([1, 10, 100, 1000])).sum(1)
    assert torch.equal(total, a + b)


@pytest.mark.parametrize("settings", CURRICULA.values(), ids=CURRICULA.keys())
def test_a_step_gives_the_same_batch_in_whatever_order_steps_are_asked_for(settings: dict) -> None:
    settings = {**settings, "steps": 150, "batch": 8, "seed": 3}
    forward = stream_of(**settings)
    batches = {step: forward(step) for step in range(1, 151)}
    order = list(batches)
    random.Random(0).shuffle(order)
    jumping = stream_of(**settings)
    for step in order:
        assert torch.equal(jumping(step), batches[step]), f"step {step} differs"
    assert torch.equal(stream_of(**settings)(97), batches[97]), "a fresh stream should not need a past"


@pytest.mark.parametrize("settings", CURRICULA.values(), ids=CURRICULA.keys())
def test_no_two_steps_and_no_two_seeds_share_a_batch(settings: dict) -> None:
    """With 32 problems a batch, two are alike by chance less than once in 10**60."""
    batches = {
        tuple(stream(step).flatten().tolist())
        for stream in (stream_of(**settings, steps=100, batch=32, seed=seed) for seed in (0, 1))
        for step in range(1, 101)
    }
    assert len(batches) == 200


def test_phases_of_the_same_lengths_draw_different_problems() -> None:
    """Chance of two alike batches as above; a stream that forgot the phase would repeat the first."""
    phase = {"digits": [1, 3], "share": 1}
    stream = stream_of(digits=3, steps=80, batch=32, curriculum=[phase, phase])
    assert len({tuple(stream(step).flatten().tolist()) for step in range(1, 81)}) == 80


def test_a_step_beyond_the_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="step must be at most 10, but got 11"):
        stream_of(steps=10, batch=4)(11)


# The curriculum


PUBLISHED = [
    {"digits": [1, 3], "share": 2000},
    {"digits": [1, 6], "share": 5000},
    {"digits": [1, 10], "share": 20000},
]


def test_the_published_curriculum_ends_its_phases_at_exactly_the_published_steps() -> None:
    config = AdditionConfig.model_validate({"digits": 10, "steps": 27_000, "curriculum": PUBLISHED})
    assert config.phases() == [(2_000, (1, 3)), (7_000, (1, 6)), (27_000, (1, 10))]


def test_operands_grow_exactly_where_a_phase_begins() -> None:
    """512 problems of 1 to 6 digits: that none has more than 3 happens less than once in 10**150."""
    stream = stream_of(digits=10, steps=27_000, batch=512, curriculum=PUBLISHED)
    for step, longest in ((1, 3), (2_000, 3), (2_001, 6), (7_000, 6), (7_001, 10), (27_000, 10)):
        largest = max(int(x.max()) for x in operands_in(stream(step), 10))
        assert 10 ** (longest - 1) <= largest < 10**longest, f"step {step}"


def test_a_phase_of_one_length_draws_up_to_that_length_only() -> None:
    stream = stream_of(
        digits=4,
        steps=20,
        batch=512,
        curriculum=[{"digits": [2, 2], "share": 1}, {"digits": [4, 4], "share": 1}],
    )
    early, late = (max(int(x.max()) for x in operands_in(stream(step), 4)) for step in (10, 11))
    assert 10 <= early < 100
    assert 1000 <= late < 10_000


def test_without_a_curriculum_all_steps_draw_full_length_operands() -> None:
    assert AdditionConfig(digits=7, steps=50).phases() == [(50, (7, 7))]


@settings(deadline=None, max_examples=200)
@given(
    steps=st.integers(1, 100_000),
    shares=st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=6),
)
@example(steps=3, shares=[1.0, 1.0, 1000.0])
@example(steps=1, shares=[0.1] * 6)
def test_phases_follow_their_shares_and_fill_the_budget(steps: int, shares: list[float]) -> None:
    config = AdditionConfig.model_validate(
        {"steps": steps, "curriculum": [{"digits": [1, 2], "share": share} for share in shares]}
    )
    ends = [end for end, _ in config.phases()]
    assert ends[-1] == steps
    assert ends == sorted(ends)
    for index, end in enumerate(ends):
        exact = steps * sum(shares[: index + 1]) / sum(shares)
        assert abs(end - exact) <= 0.5 + 1e-6 * steps


def test_phases_that_the_budget_is_too_short_for_are_passed_over() -> None:
    stream = stream_of(
        digits=5,
        steps=4,
        batch=256,
        curriculum=[{"digits": [5, 5], "share": 1}, {"digits": [1, 1], "share": 1000}],
    )
    for step in range(1, 5):
        assert max(int(x.max()) for x in operands_in(stream(step), 5)) < 10


# Carries


def carries_by_hand(a: int, b: int, digits: int) -> int:
    carry = count = 0
    for _ in range(digits):
        carry = int(a % 10 + b % 10 + carry >= 10)
        count += carry
        a, b = a // 10, b // 10
    return count


@st.composite
def problems(draw: st.DrawFn) -> tuple[int, int, int]:
    digits = draw(st.integers(1, MAX_DIGITS))
    operand = st.integers(0, 10**digits - 1)
    a = draw(operand)
    # Uniform operands rarely make long chains; complements are all chain.
    b = draw(st.one_of(operand, st.just(10**digits - 1 - a), st.just(min(10**digits - a, 10**digits - 1))))
    return a, b, digits


@settings(deadline=None, max_examples=400)
@given(problem=problems())
@example((0, 0, 1))
@example((10**18 - 1, 1, 18))
@example((10**18 - 1, 10**18 - 1, 18))
@example((55, 45, 2))
def test_carries_are_counted_as_in_writing(problem: tuple[int, int, int]) -> None:
    a, b, digits = problem
    assert carries_in(torch.tensor([a]), torch.tensor([b]), digits).tolist() == [
        carries_by_hand(a, b, digits)
    ]


def test_carries_are_counted_for_each_problem_of_a_batch() -> None:
    a, b = torch.tensor([999, 500, 0, 194]), torch.tensor([1, 500, 0, 7])
    assert carries_in(a, b, 3).tolist() == [3, 1, 0, 2]
