"""Costs as objectives: what Optuna is told, and that it looks for what is cheap and reaches the target."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import asdict

import pandas as pd
import pytest
from helpers.plans import bound

from analysis.configurations import configurations
from analysis.rows import SearchRows
from paretune.plan.binding import BoundPlan
from paretune.sampling.outcomes import SeedOutcome, has_constraint, objective_values, violation
from paretune.sampling.proposals import Proposer
from paretune.sampling.queue import TrialQueue
from paretune.terminal.board import Board

STEPS = {"metric": "steps_to_target", "direction": "min"}
PARAMS = {"metric": "params", "direction": "min"}
ACCURACY = {"metric": "exact_match", "direction": "max"}


def plan(*objectives: dict[str, str], seeds: int = 1, **changes: object) -> BoundPlan:
    search = {"trials": 200, "seeds": seeds}
    return bound(
        **{"objectives": list(objectives), "target": {"exact_match": 0.9}, "search": search, **changes}
    )


def solved(cost: int, *, step: int = 999) -> SeedOutcome:
    return SeedOutcome(
        ending="solved", step=step, metrics={"exact_match": 0.95, "steps_to_target": float(cost)}
    )


def missed(exact_match: float, step: int = 500, ending: str = "finished") -> SeedOutcome:
    return SeedOutcome(ending=ending, step=step, metrics={"exact_match": exact_match, "cpu_seconds": 7.0})


DIVERGED = SeedOutcome(ending="diverged", step=50, metrics={"cpu_seconds": 0.1})
FAILED = SeedOutcome(ending="failed", step=0)


@pytest.mark.parametrize(
    ("outcomes", "value", "distance"),
    [
        pytest.param([solved(100), solved(300), solved(200)], 200, 0, id="all reached it"),
        pytest.param([solved(100), solved(300), missed(0.5, step=800)], 600, 0, id="most reached it"),
        pytest.param([solved(100), solved(300), DIVERGED], 225, 0, id="one diverged after 50 steps"),
        pytest.param([solved(100), missed(0.55), missed(0.6)], 1100, 0.2, id="too few"),
        pytest.param([solved(100), FAILED, FAILED], 100, 1e-9, id="of all seeds, failed ones too"),
        pytest.param([missed(0.5), missed(0.1, 50, "stopped early")], 550, 0.6, id="stopped early"),
        pytest.param([missed(0.6), DIVERGED, DIVERGED], 600, 0.7, id="diverged ones have the worst value"),
        pytest.param([DIVERGED] * 3, 150, 0.9, id="all diverged"),
        pytest.param([missed(0.93)] * 3, 1500, 1e-9, id="as good as the target, but not held"),
    ],
)
def test_cost_of_the_target_is_all_that_was_spent_over_the_successes(
    outcomes: list[SeedOutcome], value: float, distance: float
):
    """Without a success it is all that was spent, and infeasible."""
    three = plan(STEPS, seeds=3)
    assert objective_values(three, outcomes, params=100) == [pytest.approx(value)]
    assert violation(three, outcomes) == pytest.approx(distance)


def test_the_sampler_is_told_what_tables_show():
    """One definition: on drawn outcomes of every kind, tables and the sampler have the same number."""
    rng = random.Random(0)
    cost = plan({"metric": "cpu_seconds_to_target", "direction": "min"}, STEPS, seeds=4)
    configured = [[drawn(rng) for _ in range(4)] for _ in range(60)]
    trials = pd.DataFrame(
        [
            {"configuration": number, "seed_index": seed, "params": 100, "values": {}}
            | {"ending": outcome.ending, "step": outcome.step, **outcome.metrics}
            for number, outcomes in enumerate(configured)
            for seed, outcome in enumerate(outcomes)
        ]
    )
    metrics = [asdict(metric) for metric in cost.metrics.values()]
    table = configurations(SearchRows.of_frames(cost.plan, metrics, trials))
    table = table[table["solved"] > 0].set_index("configuration")
    assert len(table) > 20
    for number, row in table[["cpu_seconds_to_target", "steps_to_target"]].iterrows():
        assert objective_values(cost, configured[number], params=100) == pytest.approx(row.tolist())


def drawn(rng: random.Random) -> SeedOutcome:
    """Draw how a seed ended; one that diverged may have had the target before."""
    ending = rng.choice(["solved", "finished", "stopped early", "diverged", "failed", "interrupted"])
    metrics = {"cpu_seconds": rng.uniform(5, 9), "exact_match": rng.random()}
    if ending == "solved" or (ending == "diverged" and rng.random() < 0.5):
        metrics |= {"cpu_seconds_to_target": rng.uniform(1, 5), "steps_to_target": float(rng.randint(1, 400))}
    return SeedOutcome(ending=ending, step=rng.randint(400, 900), metrics=metrics)


def test_distance_from_a_loss_is_how_much_too_large_it_is():
    loss = plan(STEPS, target={"val_loss": 0.5})
    trial = SeedOutcome(ending="finished", step=500, metrics={"val_loss": 0.8})
    assert violation(loss, [trial]) == pytest.approx(0.3)
    assert violation(loss, [DIVERGED]) == pytest.approx(loss.metrics["val_loss"].worst - 0.5)


def test_other_costs_are_what_was_spent_and_only_diverging_is_infeasible():
    """Without that, what diverges at once would be the cheapest of all."""
    spent = plan(ACCURACY, {"metric": "cpu_seconds", "direction": "min"}, target=None)
    assert objective_values(spent, [missed(0.5)], params=100) == [0.5, 7.0]
    assert violation(spent, [missed(0.5)]) == 0
    assert violation(spent, [DIVERGED]) == 1


def test_with_a_target_what_was_spent_without_reaching_it_is_infeasible_too():
    """Without that, what early stopping ended first would be the cheapest of all."""
    spent = plan(ACCURACY, {"metric": "cpu_seconds", "direction": "min"})
    assert violation(spent, [missed(0.5, 50, "stopped early")]) == pytest.approx(0.4)
    assert violation(spent, [solved(100)]) == 0


def test_nothing_is_infeasible_where_only_size_and_accuracy_are_objectives():
    proposer = Proposer(plan(ACCURACY, PARAMS))
    proposal = proposer.propose()
    proposer.tell(proposal.number, [missed(0.1)])
    assert not has_constraint(plan(ACCURACY, PARAMS))
    assert proposer._study.trials[-1].constraints == {}


def test_all_seeds_failed_says_nothing():
    proposer = Proposer(plan(STEPS))
    proposal = proposer.propose()
    proposer.tell(proposal.number, [FAILED])
    assert proposer._study.trials[-1].state.name == "FAIL"


def trained(values: dict[str, object]) -> SeedOutcome:
    """Stand in for training: only fast learners reach the target, narrow ones sooner.

    35 % of the space (learning rates from 0.02 on) reach it, and what does not diverges after 20 steps.
    """
    rate, width = float(values["lr"]), int(values["d_model"])
    if rate < 0.02:
        return SeedOutcome(ending="diverged", step=20)
    return solved(50 * width)


def is_cheap_and_reaches(values: dict[str, object]) -> bool:
    """True for 13 % of the space: 3 of 8 widths, 35 % of the learning rates."""
    return trained(values).ending == "solved" and int(values["d_model"]) <= 12


def late_proposals(
    searched: BoundPlan, train: Callable[[dict[str, object]], SeedOutcome], proposer: Proposer | None = None
) -> list[dict[str, object]]:
    proposer = proposer or Proposer(searched)
    proposed = []
    for _ in range(60):
        proposal = proposer.propose()
        proposed.append(proposal.values)
        proposer.tell(proposal.number, [train(proposal.values)])
    return proposed[30:]


@pytest.mark.parametrize("objectives", [(STEPS,), (STEPS, PARAMS)], ids=["one objective", "two"])
@pytest.mark.parametrize("seed", range(3))
def test_search_goes_to_what_is_cheap_among_what_reaches_the_target(objectives, seed: int):
    """At random, 13 % of 30 proposals would be such: 13 or more with odds below 1 in 10,000.

    Without the constraint the sampler would go to what diverges, which spends least.
    """
    searched = plan(*objectives, search={"trials": 60, "seed": seed})
    late = late_proposals(searched, trained)
    assert sum(map(is_cheap_and_reaches, late)) >= 13


def test_uniform_draws_find_it_as_often_as_they_should():
    """The share that the odds above stand on; six standard deviations wide."""
    rng = random.Random(0)
    drawn = [{"lr": math.exp(rng.uniform(math.log(1e-3), math.log(0.1))), "d_model": 4 * rng.randint(1, 8)}
             for _ in range(10_000)]  # fmt: skip
    assert sum(map(is_cheap_and_reaches, drawn)) / 10_000 == pytest.approx(0.131, abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_search_goes_nearer_to_the_target_as_long_as_nothing_reaches_it(seed: int):
    """Accuracy is best where the rate is smallest, and spends most there.

    At random 30 % of the rates are below 0.004: 19 or more of 30 with odds below 1 in 4,000.
    """

    def train(values: dict[str, object]) -> SeedOutcome:
        rate = float(values["lr"])
        return missed(0.5 - rate, step=round(1 / rate))

    searched = plan(STEPS, search={"trials": 60, "seed": seed})
    late = late_proposals(searched, train)
    assert sum(float(values["lr"]) < 0.004 for values in late) >= 19


def test_resumed_search_knows_what_was_infeasible():
    searched = plan(STEPS, PARAMS)
    old, new = Proposer(searched), Proposer(searched)
    for _ in range(12):
        proposal = old.propose()
        outcomes = [trained(proposal.values)]
        old.tell(proposal.number, outcomes)
        new.replay(proposal.number, proposal.values)
        new.tell(proposal.number, outcomes)
    told = [[(t.params, t.values, t.constraints) for t in p._study.trials if t.values] for p in (old, new)]
    assert told[0] == told[1]
    assert {t[2]["feasible"] > 0 for t in told[0]} == {True, False}


def test_board_shows_the_quality_as_best_and_a_cost_only_where_it_is_all_there_is():
    assert Board(plan(STEPS, ACCURACY), []).objective.metric == "exact_match"
    cheapest = plan(STEPS, PARAMS)
    board, queue = Board(cheapest, []), TrialQueue(cheapest)
    for cost in (None, 300.0, 200.0):
        spec = queue.next()
        board.started(spec)
        row = {"step": 400, "exact_match": 0.5} | ({} if cost is None else {"steps_to_target": cost})
        board.ended(spec, "finished" if cost is None else "solved", row, None)
    assert board.best.value == 200.0
