"""Learning rates as functions of the step."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.config import TrainingConfig
from trainables.schedules import rate_at


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


@settings(deadline=None, max_examples=150)
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
