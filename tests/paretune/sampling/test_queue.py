"""From configurations to trials and back, without Ray."""

from __future__ import annotations

from helpers.plans import bound

from paretune.sampling.history import PastTrial
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue, outcome_of
from search_spaces.parts.search import MAX_SEEDS


def outcome(ending: str = "finished") -> SeedOutcome:
    return SeedOutcome(ending=ending, step=10, metrics={"exact_match": 0.5})


def test_every_configuration_is_trained_with_all_of_its_seeds():
    queue = TrialQueue(bound(search={"trials": 7, "seeds": 3, "seed": 2}))
    specs = []
    while not queue.exhausted:
        specs.append(queue.next())
        queue.ended(specs[-1].label, outcome())
    assert [spec.label for spec in specs] == [
        "c000-s0",
        "c000-s1",
        "c000-s2",
        "c001-s0",
        "c001-s1",
        "c001-s2",
    ]
    assert [spec.seed for spec in specs] == [2000, 2001, 2002] * 2
    assert specs[0].values == specs[1].values != specs[3].values


def test_seeds_of_search_and_retraining_never_meet():
    plan = bound(search={"trials": 7, "seed": 3}).plan
    search = {plan.trial_seed(index) for index in range(MAX_SEEDS)}
    retraining = {plan.trial_seed(MAX_SEEDS + index) for index in range(MAX_SEEDS)}
    other = {bound(search={"seed": 4}).plan.trial_seed(index) for index in range(2 * MAX_SEEDS)}
    assert not search & retraining
    assert not (search | retraining) & other


def test_earlier_sessions_are_taken_over():
    plan = bound(search={"trials": 6, "seeds": 2})
    old = TrialQueue(plan)
    specs = [old.next() for _ in range(4)]
    past = [
        PastTrial(spec=specs[0], outcome=outcome()),
        PastTrial(spec=specs[1], outcome=outcome("stopped early")),
        PastTrial(spec=specs[2], outcome=outcome()),
        PastTrial(spec=specs[3], outcome=None),
    ]
    queue = TrialQueue(plan, past)
    again = queue.next()
    assert again.label == specs[3].label
    assert again.values == specs[3].values
    rest = []
    queue.ended(again.label, outcome())
    while not queue.exhausted:
        rest.append(queue.next())
        queue.ended(rest[-1].label, outcome())
    assert [spec.label for spec in rest] == ["c002-s0", "c002-s1"]


def test_finished_search_has_nothing_left():
    plan = bound(search={"trials": 2})
    queue = TrialQueue(plan)
    specs = [queue.next(), queue.next()]
    assert queue.exhausted
    assert TrialQueue(plan, [PastTrial(spec=spec, outcome=outcome()) for spec in specs]).exhausted


def test_outcomes_hold_numbers_only():
    row = {"step": 300, "exact_match": 0.5, "val_loss": None, "ending": "finished", "trial": "c000-s0"}
    assert outcome_of("finished", row, {"exact_match", "val_loss"}) == SeedOutcome(
        ending="finished", step=300, metrics={"exact_match": 0.5}
    )
