"""What a sampler is told of configurations whose trials early stopping paused, and let go on later."""

from __future__ import annotations

import random

import pytest
from helpers.plans import bound

from analysis.files.layout import TrialEnding
from paretune.plan.binding import BoundPlan
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.proposals import Proposer
from paretune.sampling.queue import TrialQueue

RULE = {"metric": "train_loss", "direction": "min", "at": [0.3], "below_cut": "pause"}
SIZE = {"metric": "params", "direction": "min"}
ACCURACY = {"metric": "exact_match", "direction": "max"}
OBJECTIVES = {"accuracy": [ACCURACY], "accuracy and size": [ACCURACY, SIZE], "size": [SIZE]}
SAMPLERS = ["tpe", "nsga2", "random"]


def plan(objectives: list[dict[str, str]], sampler: str = "tpe", **changes: object) -> BoundPlan:
    return bound(
        objectives=objectives,
        target={"exact_match": 0.9},
        fixed={"digits": 3, "steps": 1000},
        early_stopping=RULE,
        search={"trials": 60, "seed": 3, "sampler": sampler},
        **changes,
    )


def outcome(ending: TrialEnding, number: int) -> SeedOutcome:
    rng = random.Random(f"{number} {ending == TrialEnding.STOPPED_EARLY}")
    step = 300 if ending == TrialEnding.STOPPED_EARLY else 1000
    value = 0.95 if ending == TrialEnding.SOLVED else 0.8 * rng.random()
    return SeedOutcome(ending=ending, step=step, metrics={"exact_match": value, "train_loss": 1.0})


def final(number: int) -> SeedOutcome:
    return outcome(random.Random(number).choice([TrialEnding.SOLVED, TrialEnding.FINISHED]), number)


@pytest.mark.parametrize("objectives", OBJECTIVES.values(), ids=OBJECTIVES)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_ends_after_a_pause_counts_as_if_it_had_never_paused(objectives, sampler):
    changed = plan(objectives, sampler)
    paused, straight = Proposer(changed), Proposer(changed)
    for number in range(20):
        one, other = paused.propose(), straight.propose()
        assert one == other
        # Every third waits, and has ended before the next is asked for.
        if number % 3 == 0:
            paused.tell(number, [outcome(TrialEnding.STOPPED_EARLY, number)])
        paused.tell(number, [final(number)])
        straight.tell(number, [final(number)])
    for _ in range(6):
        assert paused.propose() == straight.propose()


@pytest.mark.parametrize("objectives", OBJECTIVES.values(), ids=OBJECTIVES)
def test_a_sampler_that_has_looked_at_a_paused_trial_forgets_what_it_was(objectives):
    """Trials of the three kinds change places; a sampler that keeps what it sorted has to notice."""
    changed = plan(objectives)
    paused = Proposer(changed)
    proposals = []
    for number in range(24):
        proposals.append(paused.propose())
        is_paused = number % 2 == 0
        paused.tell(number, [outcome(TrialEnding.STOPPED_EARLY, number) if is_paused else final(number)])
    for number in range(0, 24, 2):
        paused.tell(number, [final(number)])
    # A session that resumes knows only how they ended.
    resumed = Proposer(changed)
    for number, proposal in enumerate(proposals):
        resumed.replay(number, proposal.values)
        resumed.tell(number, [final(number)])
    for _ in range(6):
        assert paused.propose() == resumed.propose()


def test_a_configuration_is_told_once_more_only_after_a_pause():
    changed = plan([ACCURACY])
    proposer, other = Proposer(changed), Proposer(changed)
    for number in range(15):
        proposer.propose()
        other.propose()
        proposer.tell(number, [final(number)])
        other.tell(number, [final(number)])
        other.tell(number, [outcome(TrialEnding.DIVERGED, number)])
    assert [proposer.propose() for _ in range(4)] == [other.propose() for _ in range(4)]


@pytest.mark.parametrize("seeds", [2, {"from": 2, "to": 6}], ids=["fixed", "racing"])
def test_the_queue_tells_of_a_trial_that_waited_when_it_has_ended(seeds):
    changed = bound(
        objectives=[ACCURACY, SIZE],
        target={"exact_match": 0.9},
        fixed={"digits": 3, "steps": 1000},
        early_stopping=RULE,
        search={"trials": 40, "seeds": seeds},
    )
    queue = TrialQueue(changed)
    first, second = queue.next(), queue.next()
    queue.pauses(first.label, outcome(TrialEnding.STOPPED_EARLY, 0))
    assert list(queue.paused) == [first.label]
    assert queue.running == 1
    queue.ended(second.label, outcome(TrialEnding.SOLVED, 0))
    assert list(queue.history.configurations[0].endings()) == ["stopped early", "solved"]
    third = queue.next()
    assert (third.configuration, third.seed_index) in {(1, 0), (0, 2)}
    assert queue.goes_on(first.label) == first
    queue.ended(first.label, outcome(TrialEnding.SOLVED, 0))
    assert list(queue.history.configurations[0].endings()) == ["solved", "solved"]
    assert not queue.paused
