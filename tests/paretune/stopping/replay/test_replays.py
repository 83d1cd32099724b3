"""A rule on recorded curves: what is replayed fast is what an obvious walk through the reports finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.curves import search_of

from paretune.stopping.bands import band_of
from paretune.stopping.replay.choosing import Trials
from paretune.stopping.replay.curves import Population, population_of
from paretune.stopping.replay.measuring import measured
from paretune.stopping.replay.rules import Rule, grid
from paretune.stopping.replay.running import Fates, Replay
from paretune.stopping.replay.screening import screened


def random_population(seed: int, trials: int = 24) -> Population:
    """Curves that rise, fall and tie, of several sizes; some win, some diverge, some lack a value."""
    rng = np.random.default_rng(seed)
    rows = search_of(
        rng.integers(100, 1000, trials),
        rng.random(trials) < 0.3,
        lambda number, step, is_won, rng: float("nan") if rng.random() < 0.1 else round(rng.random(), 1),
        seed=seed,
        steps=int(rng.choice([400, 1000])),
    )
    diverged = rows.trials.sample(2, random_state=seed).query("ending == 'finished'")["trial"]
    rows.trials.loc[rows.trials["trial"].isin(diverged), "ending"] = "diverged"
    early = rows.reports["trial"].isin(diverged) & (rows.reports["step"] > 250)
    rows.__dict__["reports"] = rows.reports[~early].reset_index(drop=True)
    return population_of(rows)


class Obvious:
    """A rule, trial after trial and report by report, with everything computed anew each time."""

    def __init__(self, population: Population, rule: Rule) -> None:
        self.people, self.rule = population, rule
        self.edges = rule.edges(population)
        self.rungs: dict[tuple[int, int], dict[int, float]] = {}
        self.paused: dict[int, tuple[int, int]] = {}
        self.place = [0] * len(population)
        self.steps = [0] * len(population)
        self.ran_on = [False] * len(population)

    def run(self, order: list[int]) -> Fates:
        waiting = list(order)
        while True:
            above = [number for number in self.paused if not self.is_below(number, self.paused[number])]
            if above:
                number = min(above, key=self.turn)
                del self.paused[number]
            elif waiting:
                number = waiting.pop(0)
            else:
                break
            self.go_on(number)
        nothing = np.full(len(self.people), np.nan)
        return Fates(ran_on=np.array(self.ran_on), steps=np.array(self.steps), kept_chance=nothing)

    def go_on(self, number: int) -> None:
        curve = self.people.curves[number]
        band = band_of(curve.params, self.edges)
        at = self.rule.report_at(curve)
        sign = 1 if self.rule.direction == "max" else -1
        values = curve.values[self.rule.metric]
        while self.place[number] < len(curve.at) - 1:
            place = self.place[number]
            self.place[number] += 1
            self.steps[number] = int(curve.at[place])
            passed = [rung for rung, step in enumerate(at) if step <= curve.at[place]]
            if not passed or np.isnan(values[place]):
                continue
            where = passed[-1], band
            if number in self.rungs.get(where, {}):
                continue
            self.rungs.setdefault(where, {})[number] = sign * float(values[place])
            if self.is_below(number, where) and not curve.held[place]:
                if self.rule.below_cut == "pause":
                    self.paused[number] = where
                return
        self.steps[number] = curve.steps
        self.ran_on[number] = True
        if curve.is_solved and not np.isnan(values[-1]):
            for rung in range(len(at)):
                self.rungs.setdefault((rung, band), {}).setdefault(number, sign * float(values[-1]))

    def is_below(self, number: int, where: tuple[int, int]) -> bool:
        here = self.rungs[where]
        others = [worth for other, worth in here.items() if other != number]
        return bool(others) and here[number] < np.percentile(others, (1 - 1 / self.rule.factor) * 100)

    def turn(self, number: int) -> tuple[float, float, str]:
        where = self.paused[number]
        here = self.rungs[where]
        worths = [worth for other, worth in here.items() if other != number]
        beaten = sum((here[number] > worth) + (here[number] == worth) / 2 for worth in worths)
        return -where[0], -beaten / max(len(worths), 1), self.people.curves[number].label


@pytest.mark.parametrize("below_cut", ["stop", "pause"])
@pytest.mark.parametrize("is_banded", [False, True])
@pytest.mark.parametrize("rungs", [(0.2,), (0.1, 0.5), (300,)])
def test_a_replay_is_what_an_obvious_walk_through_the_reports_finds(below_cut, is_banded, rungs):
    ended = 0
    for seed in range(12):
        people = random_population(seed)
        rule = Rule(
            metric="train_loss",
            direction="min",
            rungs=rungs,
            factor=[1.5, 2.0, 3.0][seed % 3],
            below_cut=below_cut,
            is_banded=is_banded,
        )
        order = np.random.default_rng(seed).permutation(len(people)).tolist()
        fast, slow = Replay(people, rule).run(order), Obvious(people, rule).run(order)
        np.testing.assert_array_equal(fast.ran_on, slow.ran_on)
        np.testing.assert_array_equal(fast.steps, slow.steps)
        ended += int((~fast.ran_on).sum())
    assert ended > 30, "where nobody is ended, nothing is compared"


def test_trials_side_by_side_are_judged_in_the_order_in_which_they_come_to_a_rung():
    """With one rung for all, that is the order in which they began, however many run at a time."""
    people = random_population(3)
    rule = Rule(metric="exact_match", direction="max", rungs=(0.5,), factor=2.0)
    loss = replace(rule, metric="train_loss", direction="min")
    order = list(range(len(people)))
    for one in (rule, loss):
        alone, together = (Replay(people, one).run(order, slots=slots) for slots in (1, 4))
        whole = Replay(people, one).run(order, slots=len(people))
        assert alone.steps.sum() <= people.steps.sum()
        assert together.ran_on.sum() > 0
        assert whole.ran_on.sum() > 0


def test_a_trial_that_began_earlier_is_not_compared_with_one_that_comes_to_the_rung_later():
    """Alone, the third is compared with both others. Side by side the second has not come there yet."""
    losses = {0: 0.5, 1: 0.1, 2: 0.4}
    rows = search_of([100, 100, 100], [False, False, True], lambda n, *_: losses[n], seeds=1)
    rows.__dict__["reports"] = rows.reports[
        ~((rows.reports["trial"] == "c001-s0") & (rows.reports["step"] < 800))
    ].reset_index(drop=True)
    people = population_of(rows)
    rule = Rule(metric="train_loss", direction="min", rungs=(0.5,), factor=3.0)
    assert Replay(people, rule).run([0, 1, 2]).ran_on.tolist() == [True, True, False]
    assert Replay(people, rule).run([0, 1, 2], slots=3).ran_on.tolist() == [True, True, True]


def test_a_paused_trial_goes_on_before_a_new_one_begins_and_costs_no_step_twice():
    losses = {0: 0.5, 1: 0.6, 2: 0.9, 3: 0.95}
    rows = search_of([100] * 4, [False, True, False, False], lambda n, *_: losses[n], seeds=1)
    people = population_of(rows)
    stop = Rule(metric="train_loss", direction="min", rungs=(0.2,), factor=2.0)
    pause = replace(stop, below_cut="pause")
    stopped, paused = (Replay(people, rule).run([0, 1, 2, 3]) for rule in (stop, pause))
    assert stopped.ran_on.tolist() == [True, False, False, False]
    assert stopped.steps.tolist() == [1000, 200, 200, 200]
    # The third is worse than the second, which so is above the median of the others, and solves.
    assert paused.ran_on.tolist() == [True, True, False, False]
    assert paused.steps.tolist() == [1000, 900, 200, 200]


def test_a_rung_without_a_report_takes_the_next_one():
    people = population_of(search_of([100] * 3, [True, False, False], lambda n, *_: float(n), seeds=1))
    rule = Rule(metric="train_loss", direction="min", rungs=(0.23,), factor=2.0)
    assert Replay(people, rule).run([0, 1, 2]).steps.tolist() == [900, 250, 250]


def test_those_kept_by_lot_run_on_and_say_with_which_chance():
    people = random_population(5, trials=60)
    rule = Rule(metric="train_loss", direction="min", rungs=(0.2,), factor=3.0)
    order = list(range(len(people)))
    without, half = (Replay(people, rule, reserve).run(order) for reserve in (0.0, 0.5))
    assert np.isnan(without.kept_chance).all()
    kept = ~np.isnan(half.kept_chance)
    assert kept.sum() > 5
    assert (half.kept_chance[kept] == 0.5).all()
    assert half.ran_on[kept].all()
    assert half.ran_on.sum() > without.ran_on.sum()
    other = Replay(people, rule, 0.5).run(order, seed=1)
    assert (other.ran_on != half.ran_on).any(), "the lots depend on the seed"


def test_a_first_look_is_about_what_replays_come_to():
    """On curves that say little, where many are near the cut, with bands and without."""
    rng = np.random.default_rng(0)
    worth = rng.random(200)
    wins = rng.random(200) < np.clip(1 - worth, 0, 1) ** 2
    people = population_of(
        search_of(rng.integers(100, 1000, 200), wins, lambda n, step, *_: worth[n] + 0.2 * (step * n % 7))
    )
    trials = Trials([people], 1)
    rules = list(grid({"train_loss": "min"}, shares=(0.2, 0.5)))
    assert {rule.below_cut for rule in rules} == {"stop", "pause"}
    looked = screened([people], rules)
    replayed = measured([people], rules, 12)
    for rule in rules:
        seen = trials.losses(looked[rule], trials.all)
        found = trials.losses([one.spent for one in replayed[rule]], trials.all)
        assert seen.lost.value == pytest.approx(found.lost.value, abs=0.06), rule
        assert seen.ratio == pytest.approx(found.ratio, rel=0.12), rule
    assert max(trials.losses(looked[rule], trials.all).lost.value for rule in rules) > 0.3


def test_the_grid_has_rungs_alone_and_in_pairs_with_bands_and_without():
    rules = list(grid({"train_loss": "min", "val_loss": "min"}, shares=(0.5, 0.1, 0.2), factors=(2.0, 3.0)))
    assert len(set(rules)) == len(rules) == 2 * (3 + 3) * 2 * 2 * 2
    assert {rule.rungs for rule in rules} >= {(0.1,), (0.1, 0.5)}
    at_steps = list(grid({"train_loss": "min"}, steps=(300, 600), factors=(2.0,)))
    assert {rule.rungs for rule in at_steps} == {(300,), (600,)}


@pytest.mark.parametrize("rungs", [(0.1, 0.5), (400,)])
def test_the_lines_of_a_rule_are_those_of_a_space_file(rungs):
    from ruamel.yaml import YAML

    from search_spaces.parts.early_stopping import EarlyStopping

    rule = Rule(
        metric="train_loss", direction="min", rungs=rungs, factor=1.5, below_cut="pause", is_banded=True
    )
    stated = YAML(typ="safe").load(rule.yaml())["early_stopping"]
    model = EarlyStopping.model_validate(stated)
    assert model == EarlyStopping.model_validate(rule.block())
    assert (model.below_cut, model.within, model.reduction_factor) == ("pause", "params", 1.5)
    assert model.at == ([0.1, 0.5] if rungs[0] < 1 else None)
