"""The strategy of the question of effects: who gets the seeds, when it ends, and a search that is resumed."""

from __future__ import annotations

import numpy as np
import question_effects
from untrained import bound_of

from paretune.plan.binding import BoundPlan
from paretune.sampling.history import PastTrial, TrialSpec
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue

WIDTHS = (8, 12, 16, 20)


def asking(within: float = 0.3, trials: int = 300) -> BoundPlan:
    return bound_of(
        space={},
        constraints={},
        only=[{"d_model": width} for width in WIDTHS],
        baselines={"base": {"d_model": 12}},
        question={"effects": {"of": "base", "within": within}},
        search={"trials": trials},
    )


def play(
    queue: TrialQueue, rates: dict[int, float], ending: str = "finished"
) -> list[tuple[TrialSpec, SeedOutcome]]:
    """Run trials one at a time; which seeds solve depends on the configuration and the seed only."""
    done = []
    while not queue.exhausted:
        spec = queue.next()
        drawn = np.random.default_rng([spec.configuration, spec.seed_index]).random()
        solved = drawn < rates[spec.values["d_model"]]
        result = SeedOutcome(ending="solved" if solved else ending, step=10, metrics={})
        queue.ended(spec.label, result)
        done.append((spec, result))
    return done


def counts_of(done: list[tuple[TrialSpec, SeedOutcome]]) -> dict[int, int]:
    widths = [spec.values["d_model"] for spec, _ in done]
    return {width: widths.count(width) for width in WIDTHS}


def test_the_base_gets_most_and_what_is_clear_gets_least() -> None:
    counts = counts_of(play(TrialQueue(asking()), {8: 0.5, 12: 1.0, 16: 0.0, 20: 1.0}))
    assert counts[12] > counts[16], "the baseline is in all of the differences"
    assert counts[8] > counts[16], "half and half is the hardest to know"
    assert sum(counts.values()) < 120


def test_every_configuration_gets_the_same_seeds_in_the_same_order() -> None:
    done = play(TrialQueue(asking(trials=16)), dict.fromkeys(WIDTHS, 0.5))
    assert counts_of(done) == dict.fromkeys(WIDTHS, 4)
    assert [spec.label for spec, _ in done[:5]] == ["c000-s0", "c001-s0", "c002-s0", "c003-s0", "c000-s1"]


def test_a_configuration_that_only_fails_is_given_up() -> None:
    done = play(TrialQueue(asking()), {8: 1.0, 12: 1.0, 16: 0.0, 20: 1.0}, ending="failed")
    assert counts_of(done)[16] == 4


def test_progress_names_the_widest() -> None:
    queue = TrialQueue(asking(trials=16))
    play(queue, {8: 1.0, 12: 1.0, 16: 0.0, 20: 1.0})
    progress = queue.progress
    assert progress is not None
    assert progress.sentence.startswith("0 of 3 differences known to ±0.3, the widest d_model ")
    assert progress.trials_left is not None
    assert progress.trials_left > 0


def test_a_resumed_search_decides_as_an_uninterrupted_one() -> None:
    rates = {8: 0.5, 12: 0.9, 16: 0.1, 20: 1.0}
    whole = play(TrialQueue(asking()), rates)
    for cut in (3, 17, 40):
        past = [PastTrial(spec=spec, outcome=result) for spec, result in whole[:cut]]
        past.sort(key=lambda one: (one.spec.configuration, one.spec.seed_index))
        rest = play(TrialQueue(asking(), past), rates)
        assert [spec for spec, _ in rest] == [spec for spec, _ in whole[cut:]]


def test_intervals_hold_the_truth_with_fewer_trials_than_alike() -> None:
    """Of 6 searches with 12 differences each, whose intervals hold the truth 95 times in a hundred."""
    base, changes = question_effects.TRUTHS["most changes break it"]
    asked = [question_effects.placed(number, base, changes, 0.4) for number in range(6)]
    alike = [question_effects.evenly(number, base, changes, 0.4) for number in range(6)]
    assert np.mean([trials for trials, _ in asked]) < 0.9 * np.mean([trials for trials, _ in alike])
    assert np.mean([held for _, held in asked]) > 0.85
