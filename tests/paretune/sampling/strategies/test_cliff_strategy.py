"""The cliff's strategy on simulated outcomes: where trials go, when it ends, what a resumption does."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from helpers.plans import bound
from helpers.simulated import run_queue

from analysis.files.layout import ESTIMATES, SELECTS, TrialEnding
from paretune.plan.binding import BoundPlan
from paretune.sampling.history import PastTrial, TrialSpec
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue
from search_spaces.parts.search import MAX_SEEDS

SPACE = {
    "d_model": {"type": "int", "low": 4, "high": 24, "step": 2},
    "d_ff": {"type": "int", "low": 8, "high": 40, "step": 8},
    "activation": {"type": "choice", "values": ["gelu", "relu"]},
    "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
}


def asking(trials: int = 200, within: float = 0.3, **changes: object) -> BoundPlan:
    content: dict[str, object] = {
        "target": {"exact_match": 0.99},
        "space": SPACE,
        "question": {"cliff": {"within": within}},
        "search": {"trials": trials, "seed": 3},
    }
    return bound(**{**content, **changes})


def log_odds(spec: TrialSpec) -> float:
    rate = math.log10(float(spec.values.get("lr", 0.01)) / 0.01)
    return 8 * math.log(spec.params / 1000) - 8 * rate**2 - 1.5 * (spec.values.get("activation") == "relu")


def outcome(spec: TrialSpec) -> SeedOutcome:
    """Return the outcome of a trial: always the same of the same configuration and seed."""
    rng = np.random.default_rng([spec.params, spec.seed % MAX_SEEDS, len(str(spec.values))])
    solved = rng.random() < 1 / (1 + math.exp(-log_odds(spec)))
    return SeedOutcome(ending=TrialEnding.SOLVED if solved else TrialEnding.FINISHED, step=1)


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


def test_the_search_ends_with_an_answer_as_sharp_as_was_asked(searched):
    queue, done = searched
    progress = queue.progress
    assert progress.is_answered
    assert queue.exhausted
    assert len(done) < 200
    size = queue.strategy.answer(queue.history).size
    assert size.low > 700
    assert size.high < 1500
    assert progress.sentence.startswith(f"half of the seeds learn at {size.value:,.0f} parameters (")


def test_what_chooses_does_not_estimate(searched):
    queue, done = searched
    roles = [trial.spec.role for trial in done]
    assert set(roles) == {SELECTS, ESTIMATES}
    assert roles == sorted(roles, key=[SELECTS, ESTIMATES].index), "all that chooses comes first"
    assert queue.strategy.answer(queue.history).trials == roles.count(ESTIMATES)


def test_a_good_recipe_is_chosen_and_kept(searched):
    _, done = searched
    recipes = {(t.spec.values["lr"], t.spec.values["activation"]) for t in done if t.spec.role == ESTIMATES}
    ((rate, activation),) = recipes
    assert 0.003 < rate < 0.03
    assert activation == "gelu"


def test_trials_go_to_where_the_cliff_is(searched):
    _, done = searched
    sizes = [trial.spec.params for trial in done if trial.spec.role == ESTIMATES]
    assert 600 < np.median(sizes) < 1600


def test_no_trial_is_run_twice(searched):
    _, done = searched
    assert len({trial.spec.label for trial in done}) == len(done)
    numbers = {}
    for trial in done:
        assert numbers.setdefault(trial.spec.configuration, trial.spec.values) == trial.spec.values


def test_the_family_waits_for_the_last_trials_that_choose():
    queue = TrialQueue(asking())
    running = []
    while (spec := queue.next()) is not None:
        running.append(spec)
        if len(running) == 8:
            first = running.pop(0)
            queue.ended(first.label, outcome(first))
    assert not queue.exhausted, "there is more to come"
    assert all(spec.role == SELECTS for spec in running)
    for spec in running:
        assert queue.next() is None
        queue.ended(spec.label, outcome(spec))
    assert queue.next().role == ESTIMATES


def test_where_there_is_nothing_to_choose_every_trial_estimates():
    plan = asking(space={"d_model": SPACE["d_model"]}, fixed={"digits": 3, "d_ff": 16, "lr": 0.01})
    done = run(TrialQueue(plan))
    assert {trial.spec.role for trial in done} == {ESTIMATES}


def test_baselines_come_first_and_choose():
    first = {"d_model": 12, "d_ff": 16, "activation": "relu", "lr": 0.02}
    queue = TrialQueue(asking(baselines={"published": first}))
    spec = queue.next()
    assert {name: spec.values[name] for name in first} == first
    assert spec.role == SELECTS


def test_unknown_outcomes_do_not_count():
    def lost(spec: TrialSpec) -> SeedOutcome:
        return SeedOutcome(ending=TrialEnding.FAILED, step=0) if spec.seed_index % 2 else outcome(spec)

    queue = TrialQueue(asking())
    done = run(queue, ends=lost)
    known = sum(t.outcome.ending != TrialEnding.FAILED and t.spec.role == ESTIMATES for t in done)
    assert queue.strategy.answer(queue.history).trials == known


@pytest.mark.parametrize("ending", [TrialEnding.SOLVED, TrialEnding.FINISHED])
def test_a_cliff_beyond_the_space_ends_with_the_trials(ending: TrialEnding):
    queue = TrialQueue(asking(trials=60))
    done = run(queue, ends=lambda spec: SeedOutcome(ending=ending, step=1))
    assert len(done) <= 60
    assert queue.exhausted


def test_the_space_runs_out():
    plan = asking(
        space={"d_model": {"type": "choice", "values": [8, 12]}},
        fixed={"digits": 3, "d_ff": 16, "lr": 0.01},
        question={"cliff": {"within": 0.01}},
    )
    queue = TrialQueue(plan)
    done = run(queue)
    assert len(done) == 32, "16 seeds of each"
    assert queue.exhausted
    assert not queue.progress.is_answered


@pytest.mark.parametrize(
    ("ending", "says"),
    [
        (TrialEnding.SOLVED, "more than half of the seeds learn at {least:,} parameters already"),
        (TrialEnding.FINISHED, "fewer than half of the seeds learn at up to {most:,} parameters"),
    ],
)
def test_a_cliff_beyond_the_space_is_not_made_up_from_the_prior(ending: TrialEnding, says: str):
    plan = asking(space={"d_model": SPACE["d_model"]}, fixed={"digits": 3, "d_ff": 16, "lr": 0.01})
    queue = TrialQueue(plan)
    done = run(queue, ends=lambda spec: SeedOutcome(ending=ending, step=1))
    assert len(done) < 40, "it ends once that is clear"
    assert not queue.progress.is_answered
    sizes = [plan.params({**plan.plan.fixed, "d_model": width}) for width in (4, 24)]
    assert queue.progress.sentence.startswith(says.format(least=sizes[0], most=sizes[1]))
