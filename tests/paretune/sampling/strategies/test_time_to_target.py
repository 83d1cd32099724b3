"""The strategy of the time to the target: racing, then sharp costs, an end, and a search that is resumed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import question_time
from untrained import bound_of, run

import paretune
from analysis.files.layout import ESTIMATES
from analysis.questions.asked import asked
from paretune.plan.binding import BoundPlan
from paretune.sampling.history import PastTrial, TrialSpec
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue

QUICK = {"from": 2, "to": 8}


def asking(trials: int = 120, **changes: object) -> BoundPlan:
    return bound_of(
        **{
            "objectives": [
                {"metric": "exact_match", "direction": "max"},
                {"metric": "params", "direction": "min"},
                {"metric": "cpu_seconds_to_target", "direction": "min"},
            ],
            "question": {"time_to_target": {"within": 0.5}},
            "search": {"trials": trials, "seeds": QUICK, "sampler": "random"},
            **changes,
        }
    )


def ends(spec: TrialSpec) -> tuple[bool, float]:
    """Return how a trial ends: by its configuration and seed only."""
    drawn = np.random.default_rng([spec.params, spec.seed_index])
    return bool(drawn.random() < 1 / (1 + (800 / spec.params) ** 6)), spec.params * (
        0.9 + 0.2 * drawn.random()
    )


def test_it_ends_when_the_frontier_is_found_and_its_costs_are_known() -> None:
    rows = run(asking(300), ends)
    found = asked(rows)
    assert found is not None
    assert found.is_sharp
    assert len(rows.trials) < 300
    first, *points = found.sentences
    assert first.startswith("The frontier of processor time per success against size: ")
    assert re.match(
        r"Configuration \d+ with [\d,]+ parameters: .* a success, \d+ of \d+ further seeds", points[0]
    )
    (table,) = found.tables
    assert (table.frame["high"] / table.frame["cost"] <= 1.5).all()
    assert len(found.pictures) == 1
    json.dumps(found.as_json(), allow_nan=False)


def test_costs_are_of_seeds_that_did_not_choose() -> None:
    rows = run(asking(80), ends)
    found = asked(rows)
    assert found is not None
    for row in found.tables[0].frame.to_dict("records"):
        seeds = rows.trials[rows.trials["configuration"] == row["configuration"]]
        assert (seeds["role"] == ESTIMATES).sum() == row["seeds"]
        assert len(seeds) == row["seeds"] + row["raced"]


def test_a_search_without_a_success_has_no_frontier_and_ends_with_its_trials() -> None:
    rows = run(asking(trials=20), lambda spec: (False, 1.0))
    found = asked(rows)
    assert found is not None
    assert len(rows.trials) == 20
    assert found.sentences == [
        "The frontier has no point yet: no configuration of 10 was found to solve more often than not."
    ]


def test_a_resumed_search_decides_as_an_uninterrupted_one() -> None:
    def play(queue: TrialQueue) -> list[tuple[TrialSpec, SeedOutcome]]:
        done = []
        while not queue.exhausted:
            spec = queue.next()
            solved, seconds = ends(spec)
            metrics = {"cpu_seconds": seconds} | ({"cpu_seconds_to_target": seconds} if solved else {})
            result = SeedOutcome(ending="solved" if solved else "finished", step=10, metrics=metrics)
            queue.ended(spec.label, result)
            done.append((spec, result))
        return done

    plan = asking(trials=60)
    whole = play(TrialQueue(plan))
    for cut in (5, 23, 44):
        past = [PastTrial(spec=spec, outcome=result) for spec, result in whole[:cut]]
        past.sort(key=lambda one: (one.spec.configuration, one.spec.seed_index))
        assert [spec for spec, _ in play(TrialQueue(plan, past))] == [spec for spec, _ in whole[cut:]]


def test_the_frontier_is_near_the_truth() -> None:
    """A random one would be several times as dear as the best; benchmarks/README.md has many searches."""
    assert question_time.search(3, 80)["dearer"] < 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"question": {"time_to_target": {"cost": "cpu_second"}}}, "did you mean cpu_seconds?"),
        ({"question": {"time_to_target": {"by": "d_model"}}}, "by: got 'd_model'; accepted: params"),
        ({"search": {"seeds": 3}}, "search.seeds: got 3, but with question.time_to_target seeds race"),
        ({"target": None}, "question.time_to_target: needs a target"),
    ],
)
def test_what_cannot_be_asked_is_said(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(json.dumps({**asking().plan.stated(), **changes}))
    with pytest.raises(paretune.Error) as caught:
        paretune.check(path)
    assert message in str(caught.value)
