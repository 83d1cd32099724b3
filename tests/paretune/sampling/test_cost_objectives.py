"""Costs as objectives: what Optuna is told, and that it looks for what is cheap and reaches the target."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import asdict

import pandas as pd
import pytest
from helpers.plans import bound
from optuna.trial import TrialState

from analysis.configurations import configurations
from analysis.rows import SearchRows
from paretune.plan.binding import BoundPlan
from paretune.sampling.outcomes import SeedOutcome, is_out_of_memory, objective_values
from paretune.sampling.proposals import Proposer
from paretune.sampling.queue import TrialQueue
from paretune.sampling.told import Told, told_of
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


def told(searched: BoundPlan, *outcomes: SeedOutcome) -> Told:
    return told_of(searched, outcomes, {"digits": 3, "d_model": 8, "lr": 0.01}, params=100)


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
        pytest.param([missed(0.5), missed(0.1, 50, "stopped early")], 550, 0.4, id="one stopped early"),
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
    assert told(three, *outcomes).violation == pytest.approx(distance)


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
    assert told(loss, trial).violation == pytest.approx(0.3)
    assert told(loss, DIVERGED).violation == pytest.approx(loss.metrics["val_loss"].worst - 0.5)


def test_other_costs_are_what_was_spent_and_only_diverging_is_infeasible():
    """Without that, what diverges at once would be the cheapest of all."""
    spent = plan(ACCURACY, {"metric": "cpu_seconds", "direction": "min"}, target=None)
    assert objective_values(spent, [missed(0.5)], params=100) == [0.5, 7.0]
    assert told(spent, missed(0.5)).violation == 0
    assert told(spent, DIVERGED).violation == 1


def test_with_a_target_what_was_spent_without_reaching_it_is_infeasible_too():
    """Without that, what early stopping ended first would be the cheapest of all."""
    spent = plan(ACCURACY, {"metric": "cpu_seconds", "direction": "min"})
    assert told(spent, missed(0.5, 50, "stopped early")).violation == pytest.approx(0.4)
    assert told(spent, solved(100)).violation == 0


def test_of_accuracy_and_size_with_a_target_the_size_alone_is_made_small_among_what_reaches_it():
    both = plan(ACCURACY, PARAMS)
    assert told(both, missed(0.5)) == Told(
        state=TrialState.COMPLETE, values=[100.0], violation=pytest.approx(0.4), reason="missed the target"
    )
    assert told(both, solved(100)).violation == 0
    # A cost beside the size stays an objective.
    assert told(plan(ACCURACY, PARAMS, STEPS), solved(300)).values == [100, 300]


@pytest.mark.parametrize(
    "searched",
    [
        pytest.param(plan(ACCURACY, PARAMS, search={"trials": 9, "aim": "frontier"}), id="as asked for"),
        pytest.param(plan(ACCURACY, PARAMS, target=None), id="without a target"),
        pytest.param(plan(ACCURACY, PARAMS, target={"token_accuracy": 0.9}), id="of another metric"),
    ],
)
def test_the_frontier_of_accuracy_and_size_needs_no_success(searched: BoundPlan):
    assert told(searched, missed(0.5)).values == [0.5, 100]
    assert told(searched, missed(0.5)).violation == 0
    assert told(searched, DIVERGED).violation == 1


@pytest.mark.parametrize(
    ("searched", "state", "violation"),
    [
        pytest.param(plan(ACCURACY), "PRUNED", None, id="one objective"),
        pytest.param(plan(ACCURACY, PARAMS), "PRUNED", 0.7, id="smallest that reaches the target"),
        pytest.param(plan(STEPS, PARAMS), "COMPLETE", 0.7, id="two costs"),
        pytest.param(plan(ACCURACY, PARAMS, target=None), "COMPLETE", 1.0, id="two objectives, no target"),
    ],
)
def test_what_early_stopping_ended_is_not_told_as_a_result(
    searched: BoundPlan, state: str, violation: float | None
):
    heard = told(searched, missed(0.2, 300, "stopped early"))
    assert heard.state.name == state
    assert heard.violation == (None if violation is None else pytest.approx(violation))
    assert "unknown" in heard.reason
    # A pruned trial of one objective is compared by how far it came.
    assert (heard.came_to is None) == (violation is not None)


@pytest.mark.parametrize(
    ("outcomes", "violation"),
    [
        pytest.param([solved(1), solved(1), missed(0.2, 9, "stopped early")], 0.0, id="enough solved"),
        pytest.param([solved(1), missed(0.4), missed(0.0, 9, "stopped early")], None, id="open"),
        pytest.param([missed(0.7), missed(0.5), missed(0.0, 9, "stopped early")], 0.3, id="cannot any more"),
    ],
)
def test_seeds_that_were_stopped_count_only_where_they_decide_nothing(
    outcomes: list[SeedOutcome], violation: float | None
):
    heard = told(plan(PARAMS, ACCURACY, seeds=3), *outcomes)
    assert (heard.state == TrialState.PRUNED) == (violation is None)
    if violation is not None:
        assert heard.violation == pytest.approx(violation)


def out_of_memory() -> SeedOutcome:
    return SeedOutcome(ending="failed", step=0, out_of_memory=True)


@pytest.mark.parametrize("objectives", [(ACCURACY,), (ACCURACY, PARAMS), (STEPS,), (STEPS, PARAMS)])
def test_a_configuration_for_which_memory_does_not_suffice_is_infeasible(objectives):
    searched = plan(*objectives, seeds=2)
    heard = told(searched, out_of_memory(), out_of_memory())
    assert heard.state == (TrialState.PRUNED if STEPS in objectives else TrialState.COMPLETE)
    assert heard.violation > 0.5
    assert heard.reason == "out of memory"
    # One seed may have had a large neighbour.
    assert told(searched, out_of_memory(), FAILED).state == TrialState.FAIL
    assert told(searched, out_of_memory(), solved(100)).reason != "out of memory"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", True),
        ("RuntimeError: [enforce fail] . DefaultCPUAllocator: can't allocate memory", True),
        ("MemoryError", True),
        ("ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.", True),
        ("(1) The process is killed by SIGKILL by OOM killer due to high memory usage. (2) ray stop", False),
        ("the worker process ended without a word; was it there?", False),
        ("ValueError: d_model must be divisible by n_heads", False),
        (None, False),
    ],
)
def test_want_of_memory_is_recognised_by_what_the_error_says(error: str | None, expected: bool):
    assert is_out_of_memory(error) == expected


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
