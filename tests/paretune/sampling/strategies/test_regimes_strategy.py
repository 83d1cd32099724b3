"""The strategy of the regimes on simulated outcomes: where trials go, when it ends, how it resumes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from helpers.plans import bound
from helpers.simulated import run_queue

from analysis.files.layout import ESTIMATES, TrialEnding
from paretune.plan.binding import BoundPlan
from paretune.sampling.history import PastTrial, TrialSpec
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue
from paretune.sampling.strategies.regimes import rates_of
from paretune.sampling.strategies.strategy import MOST_SEEDS
from search_spaces.dimensions import FloatRange, IntRange
from search_spaces.parts.search import MAX_SEEDS

EDGES = {8: (0.004, 0.06), 16: (0.002, 0.03)}
"""The rates at which half of the seeds learn, by width; of a narrower model none does."""


def asking(
    trials: int = 300, within: float = 0.3, widths: tuple[int, ...] = (8, 16), **changes: object
) -> BoundPlan:
    content: dict[str, object] = {
        "target": {"exact_match": 0.99},
        "space": {
            "d_model": {"type": "choice", "values": list(widths)},
            "lr": {"type": "float", "low": 0.0005, "high": 0.3, "log": True},
        },
        "question": {"regimes": {"by": "d_model", "within": within}},
        "search": {"trials": trials, "seed": 3},
    }
    return bound(**{**content, **changes})


def outcome(spec: TrialSpec) -> SeedOutcome:
    """Return the outcome of a trial: always the same of the same configuration and seed."""
    low, high = EDGES.get(spec.values["d_model"], (1.0, 1.0))
    rate = spec.values["lr"]
    rng = np.random.default_rng([spec.params, spec.seed % MAX_SEEDS, round(1e6 * rate)])
    steep = 20.0
    chance = 1 / (1 + (low / rate) ** (steep / math.log(10))) / (1 + (rate / high) ** (steep / math.log(10)))
    if rng.random() < chance:
        return SeedOutcome(ending=TrialEnding.SOLVED, step=1)
    return SeedOutcome(ending=TrialEnding.DIVERGED if rate > high else TrialEnding.FINISHED, step=1)


def run(
    queue: TrialQueue,
    at_a_time: int = 2,
    trials: int = 1000,
    ends: Callable[[TrialSpec], SeedOutcome] = outcome,
) -> list[PastTrial]:
    return run_queue(queue, ends, at_a_time, trials)


@pytest.fixture(scope="module")
def searched() -> tuple[TrialQueue, list[PastTrial]]:
    queue = TrialQueue(asking())
    return queue, run(queue)


def test_the_search_ends_with_every_edge_as_sharp_as_was_asked(searched):
    queue, done = searched
    assert queue.exhausted
    assert queue.progress.is_answered
    assert queue.progress.trials_left == 0
    assert queue.progress.aim == "to ±0.3 decades"
    assert queue.progress.sentence == f"4 of 4 edges of lr known to ±0.3 decades, {len(done)} trials"
    assert len(done) < 80


def test_trials_go_to_the_edges(searched):
    _, done = searched
    for width, edges in EDGES.items():
        rates = [trial.spec.values["lr"] for trial in done if trial.spec.values["d_model"] == width]
        assert len(rates) > 8
        near = [any(abs(math.log10(rate / edge)) < 0.35 for edge in edges) for rate in rates]
        assert np.mean(near[4:]) > 0.6


def test_sizes_take_turns(searched):
    _, done = searched
    widths = [trial.spec.values["d_model"] for trial in done[:12]]
    assert widths.count(8) == 6


def test_all_trials_estimate_and_none_is_run_twice(searched):
    _, done = searched
    assert {trial.spec.role for trial in done} == {ESTIMATES}
    assert len({trial.spec.label for trial in done}) == len(done)


@pytest.mark.parametrize("at_a_time", [1, 3])
def test_a_resumed_search_decides_as_an_uninterrupted_one(at_a_time: int):
    whole = run(TrialQueue(asking()), at_a_time)
    begun = run(TrialQueue(asking()), at_a_time, trials=len(whole) // 2)
    past = sorted(begun, key=lambda trial: (trial.spec.configuration, trial.spec.seed_index))
    rest = run(TrialQueue(asking(), past), at_a_time)
    labels = [trial.spec.label for trial in begun if trial.outcome is not None]
    assert labels + [trial.spec.label for trial in rest] == [trial.spec.label for trial in whole]


def test_a_size_at_which_nothing_works_is_left_alone_once_that_is_clear():
    queue = TrialQueue(asking(widths=(4, 8)))
    done = run(queue)
    assert queue.progress.is_answered
    assert queue.progress.sentence.startswith(
        "2 of 2 edges of lr known to ±0.3 decades, no rate works at 1 of 2 values of d_model"
    )
    narrow = [trial for trial in done if trial.spec.values["d_model"] == 4]
    assert 6 <= len(narrow) < 50


def test_edges_beyond_the_space_are_not_looked_for():
    works = SeedOutcome(ending=TrialEnding.SOLVED, step=1)
    queue = TrialQueue(asking())
    done = run(queue, ends=lambda spec: works)
    assert queue.progress.is_answered
    assert len(done) < 60


def test_what_is_tried_first_comes_first_and_counts():
    plan = asking(trials=6, baselines={"usual": {"d_model": 16, "lr": 0.01234}}, try_first=[{"d_model": 8}])
    queue = TrialQueue(plan)
    done = run(queue, at_a_time=1)
    assert done[0].spec.values["lr"] == 0.01234
    assert done[1].spec.values["d_model"] == 8
    assert len(done) == 6
    assert ", 6 trials" in queue.progress.sentence
    assert not queue.progress.is_answered


def test_a_failed_trial_tells_nothing():
    failed = SeedOutcome(ending=TrialEnding.FAILED, step=1)
    queue = TrialQueue(asking(trials=4))
    run(queue, ends=lambda spec: failed)
    assert queue.progress.sentence == "0 of 4 edges of lr known to ±0.3 decades, 0 trials"


def test_what_the_limits_exclude_is_never_tried():
    queue = TrialQueue(
        asking(widths=(8, 64), constraints={"params": {"max": 5000}}, fixed={"digits": 3, "d_ff": 16})
    )
    done = run(queue)
    assert {trial.spec.values["d_model"] for trial in done} == {8}
    assert queue.progress.is_answered


def test_few_rates_run_out():
    space = {
        "d_model": {"type": "choice", "values": [8]},
        "lr": {"type": "float", "low": 0.01, "high": 0.02, "step": 0.01},
    }
    queue = TrialQueue(asking(space=space, within=0.02))
    every_other = (TrialEnding.SOLVED, TrialEnding.FINISHED)
    done = run(queue, ends=lambda spec: SeedOutcome(ending=every_other[spec.seed_index % 2], step=1))
    assert len(done) == 2 * MOST_SEEDS
    assert queue.exhausted
    assert not queue.progress.is_answered


def test_rates_are_those_of_the_range():
    fine = rates_of(FloatRange(low=0.001, high=0.1, log=True), 0.15)
    assert (fine[0], fine[-1]) == (0.001, 0.1)
    assert 20 < len(fine) < 40
    assert all(float(f"{rate:.3g}") == rate for rate in fine)
    assert rates_of(FloatRange(low=0.01, high=0.05, step=0.01), 0.15) == [0.01, 0.02, 0.03, 0.04, 0.05]
    assert rates_of(IntRange(low=1, high=9, step=4), 0.15) == [1, 5, 9]
    assert len(rates_of(FloatRange(low=1e-6, high=1.0, log=True), 0.02)) <= 83
