"""Learning rates as functions of the step."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from trainables.config import TrainingConfig
from trainables.optim.schedules import rate_at


def rates(**fields: object) -> list[float]:
    config = TrainingConfig.model_validate(fields)
    return [rate_at(step, config) for step in range(1, config.steps + 1)]


def test_the_published_schedule_of_27_000_steps() -> None:
    """Warm-up over 5 % of the steps, then a cosine down to a tenth of the peak."""
    config = TrainingConfig(steps=27_000, lr=0.02, warmup=0.05, final_lr=0.1)
    assert rate_at(1, config) == pytest.approx(0.02 / 1350)
    assert rate_at(675, config) == pytest.approx(0.01)
    assert rate_at(1350, config) == pytest.approx(0.02)
    # Half-way down the cosine is the mean of peak and end; a quarter is nearer to the peak.
    assert rate_at(1350 + 25_650 // 2, config) == pytest.approx(0.011)
    quarter = 0.002 + 0.018 * 0.5 * (1 + math.cos(math.pi / 4))
    assert rate_at(1350 + 6_412, config) == pytest.approx(quarter, rel=1e-4)
    assert rate_at(27_000, config) == pytest.approx(0.002)


@settings(max_examples=150)
@given(
    steps=st.integers(1, 400),
    lr=st.floats(1e-6, 10),
    warmup=st.floats(0, 0.9),
    final_lr=st.floats(0, 1),
)
def test_the_rate_rises_in_a_line_then_falls_to_its_share_of_the_peak(
    steps: int, lr: float, warmup: float, final_lr: float
) -> None:
    along = rates(steps=steps, lr=lr, warmup=warmup, final_lr=final_lr)
    rising = round(warmup * steps)
    assert along[:rising] == pytest.approx([lr * step / rising for step in range(1, rising + 1)])
    falling = along[max(rising - 1, 0) :]
    tolerance = 1e-12 * lr
    assert all(later <= earlier + tolerance for earlier, later in pairwise(falling))
    assert all(0 <= rate <= lr + tolerance for rate in along)
    if rising < steps:
        assert along[-1] == pytest.approx(lr * final_lr, abs=tolerance)
        assert all(rate >= lr * final_lr - tolerance for rate in along[rising:])


def test_without_warm_up_the_first_step_is_next_to_the_peak() -> None:
    along = rates(steps=1000, lr=1.0, warmup=0.0)
    assert 0.9999 < along[0] < 1


def test_a_constant_rate_is_the_peak_from_the_first_step_to_the_last() -> None:
    assert rates(steps=50, lr=0.3, schedule="constant", warmup=0.5, final_lr=0.0) == [0.3] * 50


def test_a_final_share_of_one_stays_at_the_peak_after_warm_up() -> None:
    assert rates(steps=10, lr=0.5, warmup=0.2, final_lr=1.0) == pytest.approx([0.25] + [0.5] * 9)


def test_a_final_share_of_zero_ends_at_zero() -> None:
    along = rates(steps=10, lr=0.5, warmup=0.2, final_lr=0.0)
    assert along[-1] == pytest.approx(0, abs=1e-12)
    assert along[-2] > 0.01


def test_a_single_step_has_a_rate() -> None:
    assert rates(steps=1, lr=0.5, final_lr=0.1) == pytest.approx([0.05])
    assert rates(steps=1, lr=0.5, warmup=0.9) == pytest.approx([0.5])


@pytest.mark.parametrize("step", [-1, 0, 11])
def test_a_step_outside_the_budget_is_our_own_mistake(step: int) -> None:
    with pytest.raises(AssertionError, match=f"1 <= step <= 10 must hold, but got {step}"):
        rate_at(step, TrainingConfig(steps=10))


# Plateau and cooldown


def test_a_linear_schedule_rises_stays_and_falls_to_its_share_at_the_last_step() -> None:
    along = rates(steps=10, lr=2.0, schedule="constant_linear", warmup=0.2, cooldown=0.4, final_lr=0.1)
    assert along == pytest.approx([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.55, 1.1, 0.65, 0.2])


def test_a_cooldown_of_all_steps_falls_from_the_first_step_on() -> None:
    along = rates(steps=5, lr=1.0, schedule="constant_linear", warmup=0.0, cooldown=1.0, final_lr=0.0)
    assert along == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0])


def test_a_cooldown_too_short_for_a_step_has_the_last_one() -> None:
    along = rates(steps=10, lr=1.0, schedule="constant_linear", warmup=0.1, cooldown=0.01, final_lr=0.25)
    assert along == pytest.approx([1.0] * 9 + [0.25])


def test_warm_up_and_cooldown_may_share_all_steps() -> None:
    along = rates(steps=4, lr=1.0, schedule="constant_linear", warmup=0.5, cooldown=0.5, final_lr=0.5)
    assert along == pytest.approx([0.5, 1.0, 0.75, 0.5])


def test_a_linear_schedule_of_a_thousand_steps_has_its_peak_in_the_middle() -> None:
    config = TrainingConfig(steps=1000, lr=0.3, schedule="constant_linear", warmup=0.1, cooldown=0.4)
    assert rate_at(50, config) == pytest.approx(0.15)
    assert {rate_at(step, config) for step in range(100, 601)} == {0.3}
    assert rate_at(800, config) == pytest.approx((0.3 + 0.03) / 2)
    assert rate_at(1000, config) == pytest.approx(0.03)


# A second pass


def test_a_second_pass_begins_its_own_schedule_at_its_first_step() -> None:
    along = rates(
        steps=10,
        lr=1.0,
        warmup=0.0,
        final_lr=0.5,
        second_pass={
            "share": 0.4,
            "lr": 0.25,
            "schedule": "constant_linear",
            "warmup": 0.5,
            "cooldown": 0.5,
            "final_lr": 0.2,
        },
    )
    assert along[:6] == rates(steps=6, lr=1.0, warmup=0.0, final_lr=0.5)
    assert along[5] == pytest.approx(0.5)
    assert along[6:] == pytest.approx([0.125, 0.25, 0.15, 0.05])


def test_a_second_pass_has_defaults_of_its_own() -> None:
    """No warm-up, and a cosine down to a tenth, whatever the first pass does."""
    first = {"schedule": "constant", "warmup": 0.3, "final_lr": 0.9}
    along = rates(steps=20, lr=1.0, **first, second_pass={"share": 0.5, "lr": 0.5})
    assert along[:10] == [1.0] * 10
    assert along[10:] == rates(steps=10, lr=0.5, warmup=0.0, final_lr=0.1)


STRETCHES = st.fixed_dictionaries(
    {
        "lr": st.floats(1e-6, 10),
        "schedule": st.sampled_from(["warmup_cosine", "constant_linear", "constant"]),
        "warmup": st.floats(0, 0.9),
        "cooldown": st.floats(0.01, 1),
        "final_lr": st.floats(0.001, 1),
    }
)
"""A schedule with all of its knobs, whichever of them its kind looks at."""


def fits(stretch: dict[str, Any]) -> bool:
    return stretch["schedule"] != "constant_linear" or stretch["warmup"] + stretch["cooldown"] <= 1


def ends_low(stretch: dict[str, Any], steps: int) -> bool:
    return stretch["schedule"] != "constant" and round(stretch["warmup"] * steps) < steps


@settings(max_examples=150)
@given(steps=st.integers(1, 300), stretch=STRETCHES.filter(fits))
def test_every_schedule_stays_between_zero_and_its_peak_and_ends_at_its_share(
    steps: int, stretch: dict[str, Any]
) -> None:
    along = rates(steps=steps, **stretch)
    peak = stretch["lr"]
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in along)
    assert along[-1] == pytest.approx(peak * (stretch["final_lr"] if ends_low(stretch, steps) else 1))


@settings(max_examples=150)
@given(steps=st.integers(2, 300), stretch=STRETCHES.filter(fits))
def test_a_linear_schedule_never_moves_by_more_than_a_step_of_its_ramps(
    steps: int, stretch: dict[str, Any]
) -> None:
    """So rounding leaves no jump between the stretches, but where a cooldown has to share its one step."""
    stretch = {**stretch, "schedule": "constant_linear"}
    assume(fits(stretch))
    rising, falling = (round(stretch[share] * steps) for share in ("warmup", "cooldown"))
    assume(rising + falling <= steps)
    along = rates(steps=steps, **stretch)
    steepest = stretch["lr"] / max(1, min(rising or steps, falling))
    assert all(abs(later - earlier) <= steepest * (1 + 1e-9) for earlier, later in pairwise(along))
    plateau = along[max(0, rising - 1) : steps - max(1, falling)]
    assert plateau == pytest.approx([stretch["lr"]] * len(plateau))


@settings(max_examples=150)
@given(
    steps=st.integers(2, 300),
    first=STRETCHES.filter(fits),
    second=STRETCHES.filter(fits),
    share=st.floats(0.01, 0.99),
)
def test_two_passes_are_two_schedules_one_after_the_other(
    steps: int, first: dict[str, Any], second: dict[str, Any], share: float
) -> None:
    in_second = round(steps * share)
    assume(0 < in_second < steps)
    along = rates(steps=steps, **first, second_pass={"share": share, **second})
    alone = rates(steps=steps - in_second, **first) + rates(steps=in_second, **second)
    assert along == alone


@settings(max_examples=100)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=2, max_size=5),
    stretches=st.lists(STRETCHES.filter(fits), min_size=5, max_size=5),
)
def test_passes_are_schedules_one_after_the_other(
    lengths: list[int], stretches: list[dict[str, Any]]
) -> None:
    steps = sum(lengths)
    passes = [
        {"share": length / steps, **own} for length, own in zip(lengths[1:], stretches[1:], strict=False)
    ]
    along = rates(steps=steps, **stretches[0], passes=passes)
    alone = [rates(steps=length, **own) for length, own in zip(lengths, stretches, strict=False)]
    assert along == [rate for one in alone for rate in one]


def test_a_second_pass_is_a_list_of_one() -> None:
    second = {"share": 0.3, "lr": 0.2, "batch": 9, "weight_decay": 0.7, "grokfast_lamb": 3.0}
    one = TrainingConfig.model_validate({"steps": 50, "second_pass": second})
    listed = TrainingConfig.model_validate({"steps": 50, "passes": [second]})
    assert one.pass_ends == listed.pass_ends == [35, 50]
    for step in (1, 35, 36, 50):
        for told in ("batch_at", "weight_decay_at", "grokfast_lamb_at", "samples_before"):
            assert getattr(one, told)(step) == getattr(listed, told)(step)
        assert rate_at(step, one) == rate_at(step, listed)


@settings(max_examples=50)
@given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=5), step=st.integers(1, 101))
def test_samples_before_a_step_are_the_batches_of_all_before(lengths: list[int], step: int) -> None:
    steps = sum(lengths)
    passes = [
        {"share": length / steps, "lr": 0.1, "batch": None if index == 1 else 10 + index}
        for index, length in enumerate(lengths[1:])
    ]
    config = TrainingConfig.model_validate({"steps": steps, "batch": 3, "passes": passes})
    step = min(step, steps + 1)
    assert config.samples_before(step) == sum(config.batch_at(before) for before in range(1, step))


# What cannot be


def test_second_pass_and_passes_exclude_each_other() -> None:
    one = {"share": 0.5, "lr": 0.1}
    with pytest.raises(ValidationError, match="second_pass is a list of one in passes; state one of them"):
        TrainingConfig.model_validate({"second_pass": one, "passes": [one]})


@pytest.mark.parametrize(
    ("steps", "shares"), [(2, [0.5, 0.5]), (100, [0.001, 0.5]), (100, [0.5, 0.5]), (100, [0.9, 0.9])]
)
def test_passes_that_leave_one_without_steps_are_refused(steps: int, shares: list[float]) -> None:
    with pytest.raises(ValidationError, match="passes must leave steps to each of them and to those before"):
        TrainingConfig.model_validate(
            {"steps": steps, "passes": [{"share": share, "lr": 0.1} for share in shares]}
        )


@pytest.mark.parametrize(("warmup", "cooldown"), [(0.7, 0.4), (0.01, 1.0), (0.5, 0.5000001)])
def test_a_warm_up_that_reaches_into_the_cooldown_is_refused(warmup: float, cooldown: float) -> None:
    overlapping = {"schedule": "constant_linear", "warmup": warmup, "cooldown": cooldown}
    expected = rf"warmup \+ cooldown <= 1 must hold, but got \(warmup={warmup}, cooldown={cooldown}\)"
    with pytest.raises(ValidationError, match=expected):
        TrainingConfig.model_validate(overlapping)
    with pytest.raises(ValidationError, match=expected):
        TrainingConfig.model_validate({"second_pass": {"share": 0.5, "lr": 0.1, **overlapping}})


@pytest.mark.parametrize("schedule", ["warmup_cosine", "constant"])
def test_other_schedules_have_no_cooldown_that_could_overlap(schedule: str) -> None:
    rates(steps=10, schedule=schedule, warmup=0.9, cooldown=1.0)


@pytest.mark.parametrize(
    ("steps", "share"), [(1, 0.5), (1, 0.99), (100, 0.001), (100, 0.999), (2, 0.2), (2, 0.8), (4, 0.1)]
)
def test_a_second_pass_that_leaves_one_of_the_two_without_steps_is_refused(steps: int, share: float) -> None:
    with pytest.raises(
        ValidationError,
        match=rf"second_pass must leave steps to both passes, but got \(share={share}, steps={steps}\)",
    ):
        TrainingConfig.model_validate({"steps": steps, "second_pass": {"share": share, "lr": 0.1}})


@pytest.mark.parametrize(("steps", "share", "first"), [(2, 0.5, 1), (100, 0.01, 99), (420, 0.0476, 400)])
def test_passes_may_be_as_short_as_a_step(steps: int, share: float, first: int) -> None:
    config = TrainingConfig.model_validate({"steps": steps, "second_pass": {"share": share, "lr": 0.1}})
    assert config.pass_ends[0] == first


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("share", 0.0),
        ("share", 1.0),
        ("lr", 0.0),
        ("warmup", 1.0),
        ("warmup", -0.1),
        ("cooldown", 0.0),
        ("cooldown", 1.1),
        ("final_lr", 1.1),
        ("batch", 0),
        ("weight_decay", -0.1),
        ("colour", "blue"),
    ],
)
def test_a_second_pass_is_as_strict_as_the_first(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        TrainingConfig.model_validate({"second_pass": {"share": 0.5, "lr": 0.1, field: value}})


@pytest.mark.parametrize("needed", ["share", "lr"])
def test_a_second_pass_needs_its_share_and_its_rate(needed: str) -> None:
    given = {"share": 0.5, "lr": 0.1}
    del given[needed]
    with pytest.raises(ValidationError, match=needed):
        TrainingConfig.model_validate({"second_pass": given})
