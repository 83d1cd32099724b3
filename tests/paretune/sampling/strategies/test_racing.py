"""Seeds that race: who gets another seed, who waits, what the sampler is told, and a resumed search."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.plans import bound
from untrained import Shape, bound_of

import paretune
from paretune.plan.binding import BoundPlan
from paretune.sampling.history import PastTrial, TrialSpec
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue
from search_spaces.plan import Plan

TARGET = {
    "objectives": [{"metric": "exact_match", "direction": "max"}, {"metric": "params", "direction": "min"}],
    "target": {"exact_match": 0.99},
}


def racing(only: Sequence[int] = (4, 8, 12, 16), **search: object) -> BoundPlan:
    listed = [{"d_model": width} for width in only]
    return bound(**TARGET, space={}, only=listed, search={"seeds": {"from": 2, "to": 8}, **search})


def outcome(solved: bool, ending: str = "finished") -> SeedOutcome:
    return SeedOutcome(ending="solved" if solved else ending, step=10, metrics={"exact_match": float(solved)})


def play(queue: TrialQueue, solves: dict[int, str], ending: str = "finished") -> list[TrialSpec]:
    """Run trials one at a time; of each width, a text says which seeds solve: 1 for those that do."""
    handed_out = []
    while not queue.exhausted:
        spec = queue.next()
        handed_out.append(spec)
        seeds = solves[spec.values["d_model"]]
        queue.ended(spec.label, outcome(seeds[spec.seed_index % len(seeds)] == "1", ending))
    return handed_out


def counts(specs: list[TrialSpec]) -> dict[int, int]:
    widths = [spec.values["d_model"] for spec in specs]
    return {width: widths.count(width) for width in sorted(set(widths))}


def test_what_solves_is_decided_by_four_seeds_and_what_is_larger_needs_no_more() -> None:
    specs = play(TrialQueue(racing(only=(12, 8, 16))), {8: "1", 12: "1", 16: "1"})
    assert counts(specs) == {8: 4, 12: 4, 16: 2}
    assert [spec.label for spec in specs[:4]] == ["c000-s0", "c000-s1", "c000-s2", "c000-s3"], (
        "promising, and nothing smaller is known"
    )


def test_the_hopeless_wait_until_nothing_else_is_left() -> None:
    specs = play(TrialQueue(racing()), {4: "0", 8: "01", 12: "1", 16: "0"})
    assert counts(specs) == {4: 4, 8: 8, 12: 4, 16: 2}
    labels = [spec.label for spec in specs]
    assert labels.index("c000-s2") > labels.index("c003-s1"), "0 of 2 waits for all that is new"


def test_trials_are_an_end_in_all() -> None:
    specs = play(TrialQueue(racing(trials=7)), {4: "0", 8: "01", 12: "1", 16: "0"})
    assert len(specs) == 7


def test_what_early_stopping_ended_gets_no_more() -> None:
    specs = play(TrialQueue(racing(only=(4, 8))), {4: "0", 8: "0"}, ending="stopped early")
    assert counts(specs) == {4: 2, 8: 2}


def test_seeds_that_no_decision_can_need_are_not_begun() -> None:
    queue = TrialQueue(racing(only=(4,)))
    first = [queue.next(), queue.next()]
    assert queue.next() is None
    assert not queue.exhausted
    for spec in first:
        queue.ended(spec.label, outcome(True))
    assert [queue.next() is not None for _ in range(3)] == [True, True, False], (
        "2 more decide at the earliest"
    )


@pytest.mark.parametrize("cut", [3, 11, 24, 37])
def test_a_resumed_search_decides_as_an_uninterrupted_one(cut: int) -> None:
    """Whatever was under way is run again first."""

    def uninterrupted(queue: TrialQueue, most: int) -> list[tuple[TrialSpec, SeedOutcome]]:
        done = []
        while len(done) < most and (spec := queue.next()) is not None:
            result = outcome(spec.params % 7 + spec.seed_index % 3 > 3)
            queue.ended(spec.label, result)
            done.append((spec, result))
        return done

    plan = bound_of(search={"trials": 48, "seeds": {"from": 2, "to": 8}, "sampler": "random"})
    whole = uninterrupted(TrialQueue(plan), 48)
    past = [PastTrial(spec=spec, outcome=result) for spec, result in whole[:cut]]
    past.sort(key=lambda one: (one.spec.configuration, one.spec.seed_index))
    rest = uninterrupted(TrialQueue(plan, past), 48)
    assert [spec for spec, _ in rest] == [spec for spec, _ in whole[cut:]]


def test_the_sampler_is_told_once_of_each() -> None:
    plan = bound_of(search={"trials": 40, "seeds": {"from": 2, "to": 8}})
    queue = TrialQueue(plan)
    told: list[tuple[int, int]] = []
    proposer = queue.strategy._proposer
    tell = proposer.tell
    proposer.tell = lambda number, seeds: (told.append((number, len(seeds))), tell(number, seeds))
    shape = Shape(8.0, 0.5, 1000.0, np.random.default_rng(1))
    while not queue.exhausted:
        spec = queue.next()
        queue.ended(spec.label, outcome(shape.ends(spec)[0]))
    numbers = [number for number, _ in told]
    assert len(numbers) == len(set(numbers))
    assert all(2 <= seeds <= 8 for _, seeds in told)
    assert any(seeds == 2 for _, seeds in told)
    assert any(seeds >= 4 for _, seeds in told)


# What a file says


def test_a_race_is_told_and_written_as_it_was_stated() -> None:
    plan = racing(trials=20).plan
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    assert "seeds: {to: 8}" in plan.to_yaml(), "what is as by default is left out"
    assert (plan.trials, plan.configurations) == (20, 4)
    assert racing().plan.trials == 32, "all that they can need"
    told = dict(paretune.summary(paretune.check(plan)).sentences)["trials"]
    assert told.startswith("up to 20: up to 4 configurations, 2 to 8 seeds each")


def test_a_number_on_the_command_line_replaces_a_race() -> None:
    plan = paretune.check(racing().plan, seeds=3)
    assert (plan.search.race, plan.trials) == (None, 12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": None}, "search.seeds: race for a target"),
        ({"search": {"seeds": {"from": 5, "to": 4}}}, "from <= to must hold"),
        ({"search": {"seeds": {"to": 3}}}, "to must be at least 4, the fewest seeds that decide"),
        ({"search": {"seeds": {"too": 3}}}, "search.seeds.too: is not a key here"),
        ({"search": {"seeds": "many"}}, "accepted: a whole number, or seeds that race"),
        ({"search": {"seeds": {"from": 3}, "trials": 2}}, "trials must be at least seeds.from"),
        ({"search": {"seeds": {"from": 2, "to": 8}, "trials": 33}}, "of up to 8 seeds each"),
        ({"search": {"seeds": {"from": 2, "error": 0.5}}}, "a number of at most 0.25"),
    ],
)
def test_what_cannot_race_is_said(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(json.dumps({**racing().plan.stated(), **changes}))  # JSON is YAML too
    with pytest.raises(paretune.Error, match=re.escape(message)):
        paretune.check(path)
