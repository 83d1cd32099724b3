"""The training stream: a batch from a step, the curriculum, chosen carries, training sets; and refusals."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
import torch
from helpers.carries import columns_by_hand, longest_by_hand
from helpers.problems import every_pair, operands_in
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import chisquare
from torch import Tensor

from trainables.addition.carries import carries_in, longest_chain
from trainables.addition.config import AdditionConfig
from trainables.addition.formats import make_format
from trainables.addition.layout import layout_of
from trainables.addition.problems import held_out, in_split
from trainables.addition.stream import TrainingStream, training_set

CPU = torch.device("cpu")
ODDS = 1e-6
"""How rarely a right generator fails a test of chance, over seeds. The seeds are fixed: a test that
passes once goes on passing until the code or PyTorch's generator changes."""

Settings = dict[str, Any]

TWO_PHASES = [{"digits": [1, 2], "share": 1}, {"digits": [1, 3], "share": 2}]
SETTINGS: dict[str, Settings] = {
    "no curriculum": {"digits": 3},
    "curriculum": {"digits": 3, "curriculum": TWO_PHASES},
    "ten digits": {
        "digits": 10,
        "format": "aligned",
        "curriculum": [
            {"digits": [1, 3], "share": 1},
            {"digits": [1, 6], "share": 1},
            {"digits": [1, 10], "share": 1},
        ],
    },
    "balanced": {"digits": 3, "carries": "balanced", "format": "base100"},
    "chains": {"digits": 3, "chain_share": 0.8, "curriculum": TWO_PHASES, "format": "undelimited"},
    "second pass": {
        "digits": 3,
        "chain_share": 0.5,
        "curriculum": TWO_PHASES,
        "second_pass": {"share": 0.4, "lr": 0.001, "batch": 12},
    },
    "training set": {"digits": 3, "train_problems": 700, "format": "characters"},
    "balanced training set in two passes": {
        "digits": 3,
        "train_problems": 700,
        "carries": "balanced",
        "second_pass": {"share": 0.4, "lr": 0.001, "batch": 12},
    },
}
every_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())


def config_of(**settings: object) -> AdditionConfig:
    return AdditionConfig.model_validate(settings)


def stream_of(**settings: object) -> TrainingStream:
    config = config_of(**settings)
    return TrainingStream(config, make_format(config.layout), CPU)


def operands_of(config: AdditionConfig, *steps: int) -> tuple[Tensor, Tensor]:
    """Return the operands of the batches of some steps, in order."""
    stream = TrainingStream(config, make_format(config.layout), CPU)
    return operands_in(torch.cat([stream(step) for step in steps]), config.layout)


def pairs_of(problems: tuple[Tensor, Tensor]) -> list[tuple[int, int]]:
    return list(zip(*(operand.tolist() for operand in problems), strict=True))


@cache
def held_out_of_three_digits() -> Tensor:
    """Mark all validation and test problems of three digits, and their mirror images, by operands."""
    marked = torch.zeros(1000, 1000, dtype=torch.bool)
    for split in ("validation", "test"):
        x, y = held_out(10**6, 3, split, seed=0)
        assert len(x) > 90_000
        marked[x, y] = marked[y, x] = True
    return marked


# A batch is a function of seed and step


@every_setting
@pytest.mark.parametrize("seed", [0, 1])
def test_the_training_stream_never_holds_a_held_out_problem(settings: Settings, seed: int) -> None:
    """Of the 24,576 problems drawn some 4,900 would be held-out ones if the stream ignored the split."""
    config = config_of(**settings, steps=96, batch=256, seed=seed)
    a, b = operands_of(config, *range(1, 97))
    assert len(a) == sum(config.batch_at(step) for step in range(1, 97))
    assert bool(in_split(a, b, "train").all())
    assert not in_split(a, b, "validation").any()
    assert not in_split(a, b, "test").any()
    if config.digits == 3:
        # Here the held-out problems can all be listed: the same claim without trusting the hash.
        assert not held_out_of_three_digits()[a, b].any()


@every_setting
def test_a_batch_holds_whole_sequences_as_its_format_writes_them(settings: Settings) -> None:
    config = config_of(**settings, steps=10, batch=64)
    stream, form = stream_of(**settings, steps=10, batch=64), make_format(config.layout)
    for step in (1, 10):
        batch = stream(step)
        assert batch.shape == (config.batch_at(step), config.layout.length)
        assert batch.dtype == torch.int64
        a, b = operands_in(batch, config.layout)
        assert torch.equal(batch, form.encode(a, b))
        assert max(a.max(), b.max()) < 10**config.digits


@every_setting
def test_a_step_gives_the_same_batch_in_whatever_order_steps_are_asked_for(settings: Settings) -> None:
    settings = {**settings, "steps": 150, "batch": 8, "seed": 3}
    forward = stream_of(**settings)
    batches = {step: forward(step).clone() for step in range(1, 151)}
    order = list(batches)
    random.Random(0).shuffle(order)
    jumping = stream_of(**settings)
    for step in order:
        assert torch.equal(jumping(step), batches[step]), f"step {step} differs"


@every_setting
@pytest.mark.parametrize("begin", [2, 33, 51, 91, 97, 150])
def test_a_resumed_stream_goes_on_as_the_uninterrupted_one_would_have(settings: Settings, begin: int) -> None:
    settings = {**settings, "steps": 150, "batch": 8, "seed": 3}
    uninterrupted = stream_of(**settings)
    batches = [uninterrupted(step).clone() for step in range(1, 151)]
    resumed = stream_of(**settings)
    for step in range(begin, 151):
        assert torch.equal(resumed(step), batches[step - 1]), f"step {step} differs"


@every_setting
def test_no_two_steps_and_no_two_seeds_share_a_batch(settings: Settings) -> None:
    """Of 12 problems or more, two batches are alike for less than one pair of seeds in 10**25."""
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


def test_a_second_pass_has_its_own_batch_and_new_problems() -> None:
    second = {"share": 0.25, "lr": 0.001, "batch": 48}
    stream = stream_of(digits=6, steps=100, batch=16, second_pass=second)
    batches = [stream(step).clone() for step in range(1, 101)]
    assert [len(batch) for batch in batches] == [16] * 75 + [48] * 25
    problems = torch.cat(batches)
    # Two of 2,400 six-digit problems are the same for one seed in 250,000.
    assert len(torch.unique(problems, dim=0)) == len(problems) == 75 * 16 + 25 * 48


def test_a_second_pass_does_not_disturb_the_curriculum() -> None:
    """It begins after step 60, within the phase of five digits. Fewer digits in all operands of one of
    these batches have less than one seed in 10**60."""
    config = config_of(
        digits=5,
        steps=100,
        batch=64,
        curriculum=[{"digits": [1, 1], "share": 4}, {"digits": [5, 5], "share": 6}],
        second_pass={"share": 0.4, "lr": 0.001, "batch": 32},
    )
    for step, longest in ((1, 1), (40, 1), (41, 5), (60, 5), (61, 5), (100, 5)):
        largest = max(int(x.max()) for x in operands_of(config, step))
        assert 10 ** (longest - 1) <= largest < 10**longest, f"step {step}"


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
    layout = layout_of("delimited", 10)
    for step, longest in ((1, 3), (2_000, 3), (2_001, 6), (7_000, 6), (7_001, 10), (27_000, 10)):
        largest = max(int(x.max()) for x in operands_in(stream(step), layout))
        assert 10 ** (longest - 1) <= largest < 10**longest, f"step {step}"


def test_a_phase_of_one_length_draws_up_to_that_length_only() -> None:
    stream = stream_of(
        digits=4,
        steps=20,
        batch=512,
        curriculum=[{"digits": [2, 2], "share": 1}, {"digits": [4, 4], "share": 1}],
    )
    layout = layout_of("delimited", 4)
    early, late = (max(int(x.max()) for x in operands_in(stream(step), layout)) for step in (10, 11))
    assert 10 <= early < 100
    assert 1000 <= late < 10_000


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 64, 65])
def test_a_phase_of_any_number_of_steps_has_its_operands_from_its_first_step_to_its_last(length: int) -> None:
    """16 problems of five digits all fit one digit for less than one seed in 10**120."""
    config = config_of(
        digits=5,
        steps=2 * length,
        batch=16,
        curriculum=[{"digits": [1, 1], "share": 1}, {"digits": [5, 5], "share": 1}],
    )
    for step in {1, length, length + 1, 2 * length}:
        is_short = max(int(x.max()) for x in operands_of(config, step)) < 10
        assert is_short == (step <= length), f"step {step}"


def test_without_a_curriculum_all_steps_draw_full_length_operands() -> None:
    assert AdditionConfig(digits=7, steps=50).phases() == [(50, (7, 7))]


@settings(max_examples=200)
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
    layout = layout_of("delimited", 5)
    for step in range(1, 5):
        assert max(int(x.max()) for x in operands_in(stream(step), layout)) < 10


@pytest.mark.parametrize(
    ("steps", "phases", "changes"),
    [
        (27, [([1, 3], 2), ([1, 6], 5), ([1, 10], 20)], [3, 8]),
        (27, [([1, 3], 2), ([1, 3], 5), ([1, 10], 20)], [8]),
        (10, [([1, 10], 1), ([1, 10], 1)], []),
        (4, [([1, 3], 1), ([1, 6], 1000)], []),
        (4, [([1, 3], 1000), ([1, 6], 1), ([1, 3], 1000)], []),
        (4, [([1, 3], 1), ([1, 6], 1), ([1, 3], 2)], [2, 3]),
    ],
)
def test_the_data_change_where_a_phase_with_other_lengths_begins(
    steps: int, phases: list[tuple[list[int], float]], changes: list[int]
) -> None:
    """Not where a phase has no steps, nor where only its weight decay is another."""
    curriculum = [{"digits": digits, "share": share} for digits, share in phases]
    config = AdditionConfig.model_validate({"digits": 10, "steps": steps, "curriculum": curriculum})
    assert config.data_changes_at == changes
    assert AdditionConfig(digits=10, steps=steps).data_changes_at == []


def test_longer_operands_are_drawn_from_the_stated_step_on() -> None:
    config = config_of(digits=10, steps=270, batch=512, curriculum=PUBLISHED)
    for step, before, after in zip(config.data_changes_at, (3, 6), (6, 10), strict=True):
        assert max(int(x.max()) for x in operands_of(config, step - 1)) < 10**before
        assert max(int(x.max()) for x in operands_of(config, step)) >= 10 ** (after - 1)


# Chosen carries


@cache
def chance_of_a_chain(digits: int) -> float:
    """Of a chain of two carries or more in a training problem, uniform over all."""
    a, b = every_pair(digits)
    chained = longest_chain(a, b, digits) >= 2
    return chained[in_split(a, b, "train")].double().mean().item()


@pytest.mark.parametrize(
    ("fade", "shares"),
    [
        ([0.1, 0.8], {1: 0.8, 10: 0.8, 11: 0.8 * 69 / 70, 45: 0.4, 79: 0.8 / 70, 80: 0.0, 100: 0.0}),
        ([0.0, 1.0], {1: 0.8 * 0.99, 50: 0.4, 100: 0.0}),
        ([0.0, 0.0], {1: 0.0, 100: 0.0}),
        ([0.5, 0.5], {1: 0.8, 50: 0.8, 51: 0.0, 100: 0.0}),
        ([1.0, 1.0], {1: 0.8, 50: 0.8, 100: 0.8}),
    ],
)
def test_the_share_of_chains_falls_linearly_between_its_two_moments(
    fade: list[float], shares: dict[int, float]
) -> None:
    config = config_of(steps=100, chain_share=0.8, chain_fade=fade)
    assert {step: config.chain_share_at(step) for step in shares} == pytest.approx(shares)


def test_the_published_fade_of_chains_is_written_as_shares_of_its_steps() -> None:
    config = config_of(digits=10, steps=100_000, chain_share=0.8)
    shares = {step: config.chain_share_at(step) for step in (1, 10_000, 45_000, 80_000, 100_000)}
    assert shares == pytest.approx({1: 0.8, 10_000: 0.8, 45_000: 0.4, 80_000: 0.0, 100_000: 0.0})


@pytest.mark.parametrize("step", [1, 9_984, 10_000, 27_500, 45_000, 62_501, 80_032, 100_000])
def test_a_batch_has_the_share_of_chains_of_its_step(step: int) -> None:
    """4,096 problems: what is made to have a chain, and of the others those that have one by chance.

    Five standard deviations are allowed, and that the share is as much as 32 steps old.
    """
    config = config_of(digits=3, steps=100_000, batch=4096, chain_share=0.8, chain_fade=[0.1, 0.8])
    made = config.chain_share_at(step)
    expected = made + (1 - made) * chance_of_a_chain(3)
    seen = (longest_chain(*operands_of(config, step), 3) >= 2).double().mean().item()
    deviation = (expected * (1 - expected) / 4096) ** 0.5
    assert seen == pytest.approx(expected, abs=5 * deviation + 0.8 * 32 / 70_000)


def test_chains_can_be_asked_for_to_the_end() -> None:
    config = config_of(digits=10, steps=64, batch=32, chain_share=1.0, chain_fade=[1.0, 1.0])
    a, b = operands_of(config, *range(1, 65))
    assert int(longest_chain(a, b, 10).min()) == 2
    for x, y in pairs_of((a[:100], b[:100])):
        assert longest_by_hand(columns_by_hand(x, y, 10)) >= 2


def test_chains_stay_within_the_lengths_of_a_phase() -> None:
    settings = {**SETTINGS["chains"], "chain_share": 1.0, "chain_fade": [1.0, 1.0]}
    config = config_of(**settings, steps=96, batch=64)
    early, late = operands_of(config, *range(1, 33)), operands_of(config, *range(33, 97))
    assert max(int(x.max()) for x in early) < 100 <= max(int(x.max()) for x in late)
    # A problem of one digit can have no chain; it has its one carry.
    assert int(carries_in(*early, 3).min()) == 1


@pytest.mark.parametrize("digits", [3, 10])
def test_a_balanced_stream_has_each_number_of_carries_equally_often(digits: int) -> None:
    """8,192 problems. That some numbers of carries lose more problems to the held-out parts shows only
    with operands of one or two digits."""
    config = config_of(digits=digits, steps=32, batch=256, carries="balanced")
    seen = torch.bincount(carries_in(*operands_of(config, *range(1, 33)), digits))
    assert len(seen) == digits + 1
    assert chisquare(seen.numpy()).pvalue > ODDS


def test_a_balanced_stream_with_chains_has_them_beside_balanced_problems() -> None:
    """Balanced over three columns, five problems in twelve have a chain: all of three carries, and two
    in three of two. With a share of a half made to have one: 17 in 24."""
    settings = {"digits": 3, "carries": "balanced", "chain_share": 0.5, "chain_fade": [1.0, 1.0]}
    config = config_of(**settings, steps=32, batch=512)
    chained = longest_chain(*operands_of(config, *range(1, 33)), 3) >= 2
    deviation = (17 / 24 * 7 / 24 / len(chained)) ** 0.5
    assert chained.double().mean().item() == pytest.approx(17 / 24, abs=5 * deviation)


# Training sets


@pytest.mark.parametrize("carries", ["uniform", "balanced"])
@pytest.mark.parametrize(("count", "batch"), [(300, 32), (256, 64), (10, 32), (1000, 8), (1, 4)])
def test_each_problem_of_a_training_set_is_seen_exactly_once_an_epoch(
    count: int, batch: int, carries: str
) -> None:
    """And in another order: two epochs of ten problems have the same for one seed in 3 million."""
    config = config_of(digits=3, steps=200, batch=batch, train_problems=count, carries=carries)
    seen = pairs_of(operands_of(config, *range(1, 201)))
    whole = set(pairs_of(training_set(config)))
    assert len(whole) == count
    epochs = [seen[begin : begin + count] for begin in range(0, len(seen), count)]
    for epoch in epochs[:-1]:
        assert len(epoch) == count
        assert set(epoch) == whole
    assert set(epochs[-1]) <= whole
    assert len(set(epochs[-1])) == len(epochs[-1])
    if count > 1 and len(epochs) > 1:
        assert epochs[0] != epochs[1]


def test_an_epoch_goes_on_into_a_second_pass_with_another_batch() -> None:
    config = config_of(
        digits=3,
        steps=100,
        batch=32,
        train_problems=500,
        second_pass={"share": 0.3, "lr": 0.001, "batch": 48},
    )
    seen = pairs_of(operands_of(config, *range(1, 101)))
    assert len(seen) == 70 * 32 + 30 * 48
    for begin in range(0, len(seen) - 500, 500):
        assert len(set(seen[begin : begin + 500])) == 500, f"samples from {begin} on are no epoch"


def test_a_training_set_is_the_same_for_all_seeds_but_not_its_order() -> None:
    """One epoch each; 600 problems are in the same order for no two seeds."""
    settings = {"digits": 3, "steps": 10, "batch": 60, "train_problems": 600}
    first, again, other = (
        pairs_of(operands_of(config_of(**settings, seed=seed), *range(1, 11))) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert set(first) == set(other)
    assert len(set(first)) == 600


@pytest.mark.parametrize(
    ("digits", "count", "carries"),
    [
        (1, 25, "uniform"),
        (1, 25, "balanced"),
        (2, 2_500, "uniform"),
        (2, 2_500, "balanced"),
        (3, 1_001, "balanced"),
        (3, 250_000, "balanced"),
        (10, 5_000, "uniform"),
        (10, 5_000, "balanced"),
        (18, 500, "balanced"),
    ],
)
def test_a_training_set_has_different_problems_of_the_training_part(
    digits: int, count: int, carries: str
) -> None:
    """The largest sets that a configuration may ask for among them: a quarter of all problems."""
    a, b = training_set(config_of(digits=digits, train_problems=count, carries=carries))
    assert len(a) == len(b) == count
    assert len(torch.unique(torch.stack([a, b]), dim=1)[0]) == count
    assert bool(in_split(a, b, "train").all())
    assert max(a.max(), b.max()) < 10**digits
    if carries == "balanced":
        counts = torch.bincount(carries_in(a, b, digits), minlength=digits + 1)
        assert len(counts) == digits + 1
        assert int(counts.max()) - int(counts.min()) <= 1


def test_training_sets_of_different_settings_are_not_taken_for_each_other() -> None:
    sets = [
        pairs_of(training_set(config_of(digits=digits, train_problems=count, carries=carries)))
        for digits in (2, 3)
        for count in (100, 200)
        for carries in ("uniform", "balanced")
    ]
    assert [len(each) for each in sets] == [100, 100, 200, 200] * 2
    assert len({frozenset(each) for each in sets}) == 8
    assert max(max(pair) for pair in sets[0]) < 100 <= max(max(pair) for pair in sets[4])


# The batch of a finish


@every_setting
def test_a_sample_is_of_the_training_part_and_decided_by_the_seed(settings: Settings) -> None:
    settings = {**settings, "steps": 50, "batch": 8}
    config, stream = config_of(**settings), stream_of(**settings)
    sample = stream.sample(3_000)
    assert sample.shape == (3_000, config.layout.length)
    a, b = operands_in(sample, config.layout)
    assert torch.equal(sample, make_format(config.layout).encode(a, b))
    assert bool(in_split(a, b, "train").all())
    stream(7)
    assert torch.equal(stream.sample(3_000), sample), "a sample should not depend on what was asked before"
    assert torch.equal(stream_of(**settings).sample(3_000), sample)
    assert not torch.equal(stream_of(**settings, seed=1).sample(3_000), sample)


def test_a_sample_is_drawn_as_the_last_step_draws() -> None:
    settings = {"digits": 10, "steps": 64, "batch": 100, "chain_share": 1.0, "chain_fade": [1.0, 1.0]}
    config = config_of(
        **settings, curriculum=[{"digits": [1, 2], "share": 1}, {"digits": [10, 10], "share": 1}]
    )
    stream = TrainingStream(config, make_format(config.layout), CPU)
    sample = operands_in(stream.sample(1_000), config.layout)
    assert int(longest_chain(*sample, 10).min()) >= 2
    assert max(int(x.max()) for x in sample) >= 10**9


@pytest.mark.parametrize("count", [32, 100, 1_024, 3_200, 6_400])
def test_a_sample_has_problems_that_no_step_has(count: int) -> None:
    """Two of 12,800 problems of ten digits are alike for one seed in 10**12. The counts are those that a
    stream may draw at once: the same generator would give the same problems."""
    config = config_of(digits=10, steps=64, batch=100)
    sample = pairs_of(operands_in(stream_of(digits=10, steps=64, batch=100).sample(count), config.layout))
    assert not set(sample) & set(pairs_of(operands_of(config, *range(1, 65))))


# Configurations that are refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"train_problems": 100, "curriculum": [{"digits": [1, 2], "share": 1}]},
            "train_problems and curriculum exclude each other, but got both",
        ),
        (
            {"train_problems": 100, "chain_share": 0.5},
            "train_problems and chain_share exclude each other, but got both",
        ),
        (
            {"train_problems": 2_501, "digits": 2},
            "train_problems must be at most 2,500, a quarter of all with digits=2, but got 2,501",
        ),
        ({"train_problems": 10_000_001, "digits": 9}, r"less than or equal to 10000000.*10000001"),
        ({"train_problems": 0}, r"greater than or equal to 1.*input_value=0"),
        (
            {"chain_share": 0.5, "chain_fade": [0.8, 0.1]},
            r"chain_fade must be in order, but got \[0.8, 0.1\]",
        ),
        ({"chain_share": 0.5, "chain_fade": [0.1, 1.5]}, r"less than or equal to 1.*1\.5"),
        ({"chain_share": 1.5}, r"less than or equal to 1.*1\.5"),
        (
            {"answer_order": "forward"},
            "answer_order=forward needs format characters, but got format=delimited",
        ),
        (
            {"answer_order": "forward", "format": "base100"},
            "answer_order=forward needs format characters, but got format=base100",
        ),
        (
            {"answer_length": "variable", "format": "aligned"},
            "answer_length=variable needs format characters, but got format=aligned",
        ),
        (
            {"pad_token": False, "format": "characters"},
            "pad_token=False needs format delimited, but got format=characters",
        ),
        (
            {"position_rows": 32, "digits": 10},
            r"position_rows must be at least 33,.*format delimited and digits=10, but got 32",
        ),
        (
            {"position_rows": 14, "format": "characters", "answer_length": "variable", "digits": 4},
            r"position_rows must be at least 15,.*format characters and digits=4, but got 14",
        ),
        (
            {"digits": 2, "curriculum": [{"digits": [1, 3], "share": 1}]},
            r"curriculum digits must be at most digits=2, but got \[1, 3\]",
        ),
        (
            {"curriculum": [{"digits": [3, 1], "share": 1}]},
            r"1 <= fewest <= most must hold in digits, but got \[3, 1\]",
        ),
        (
            {"curriculum": [{"digits": [0, 1], "share": 1}]},
            r"1 <= fewest <= most must hold in digits, but got \[0, 1\]",
        ),
        ({"digits": 19}, r"less than or equal to 18.*19"),
    ],
)
def test_what_cannot_be_is_refused_with_the_value_that_was_given(settings: Settings, message: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){message}"):
        config_of(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"train_problems": 2_500, "digits": 2},
        {"train_problems": 10_000_000, "digits": 9},
        {"train_problems": 100, "chain_fade": [0.2, 0.3]},
        {"chain_share": 1.0, "chain_fade": [0.5, 0.5]},
        {"answer_order": "forward", "answer_length": "variable", "format": "characters"},
        {"pad_token": False, "format": "delimited"},
        {"position_rows": 33, "digits": 10},
        {"position_rows": 15, "format": "characters", "answer_length": "variable", "digits": 4},
        {"digits": 2, "curriculum": [{"digits": [2, 2], "share": 1}]},
        {"digits": 18},
    ],
)
def test_what_is_just_within_the_bounds_is_accepted(settings: Settings) -> None:
    config_of(**settings)


def test_a_finish_sees_problems_of_the_training_set_only() -> None:
    config = AdditionConfig(digits=3, train_problems=1000, finish="lbfgs")
    form = make_format(config.layout)
    own = set(map(tuple, form.encode(*training_set(config)).tolist()))
    sample = TrainingStream(config, form, torch.device("cpu")).sample(500)
    assert set(map(tuple, sample.tolist())) <= own
