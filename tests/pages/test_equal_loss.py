"""Costs at equal loss from runs of several horizons: what is crossed, what is not, and a known ratio."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from equal_loss import at_equal_steps, cost_at, costs_by_seed, ratio

from analysis.confirmation.changes import mean_estimate

HORIZONS = (100, 200, 400)


def test_a_curve_is_crossed_between_two_runs_on_the_scale_of_logarithms() -> None:
    assert cost_at(2.5, [100, 400], [3.0, 2.0]) == pytest.approx(200)
    assert cost_at(2.0, [100, 400], [3.0, 2.0]) == pytest.approx(400)


@pytest.mark.parametrize("losses", [[2.4, 2.0], [3.0, 2.6]], ids=["begins below", "stays above"])
def test_nothing_is_extrapolated(losses: list[float]) -> None:
    assert math.isnan(cost_at(2.5, [100, 400], losses))


def runs(scatter: float) -> pd.DataFrame:
    """Return runs of two sides: the second comes to the first's loss in half of the steps."""
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "side": side,
            "seed": seed,
            "horizon": steps,
            "step": float(steps),
            "loss": 5 - 0.4 * math.log(steps * speed) + rng.normal(0, scatter),
        }
        for side, speed in (("slow", 1), ("fast", 2))
        for seed in range(8)
        for steps in HORIZONS
    )


def test_a_known_ratio_is_found_and_lies_within_its_interval() -> None:
    table = runs(0.01)
    loss = 5 - 0.4 * math.log(300)
    spent = [costs_by_seed(table, side, loss, "loss", "step") for side in ("slow", "fast")]
    seeds, (value, low, high) = ratio(*spent)
    assert seeds == 8
    assert low < 0.5 < high
    assert value == pytest.approx(0.5, rel=0.05)
    assert high / low < 1.2


def test_a_seed_that_does_not_cross_is_left_out() -> None:
    seeds, (value, low, high) = ratio({1: 10.0, 2: math.nan, 3: 20.0}, {1: 5.0, 2: 7.0, 4: 1.0})
    assert seeds == 1
    assert value == pytest.approx(0.5)
    assert (low, high) == (0.0, math.inf)


def test_a_difference_at_equal_steps_is_paired_by_seed() -> None:
    lines = at_equal_steps(runs(0.0), "slow", "fast", "loss")
    assert len(lines) == len(HORIZONS)
    assert all(
        line.startswith(f"| fast | {steps} | 8 |") for line, steps in zip(lines, HORIZONS, strict=True)
    )
    assert all(line.endswith("| -0.277 (-0.277 to -0.277) |") for line in lines)


def test_an_interval_is_students() -> None:
    mean = mean_estimate([1.0, 2.0, 3.0])
    assert (mean.value, mean.low, mean.high) == pytest.approx((2.0, 2 - 2.4841, 2 + 2.4841), abs=1e-3)
