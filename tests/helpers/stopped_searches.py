"""Searches with early stopping whose every outcome is known: the queue, the rule and the turns are the real
ones, and only how a trial goes is made up."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import pandas as pd

from analysis.files.layout import TrialEnding
from analysis.rows import SearchRows
from paretune.plan.binding import BoundPlan, bind
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue
from paretune.stopping.making import entrant_of, stopper_of
from paretune.stopping.stopper import Verdict
from paretune.tune.schedulers.turns import Turns
from search_spaces.plan import Plan

STEPS = 1000
HALF = 1500
"""The size at which half of the trials solve, in parameters."""

SIZES = tuple(range(4, 34, 2))
"""Values of ``d_model``: from 100 to 4,000 parameters."""


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A search, with what would have become of its every trial."""

    rows: SearchRows
    would_solve: pd.Series[bool]
    """By the trial's name."""

    @property
    def lost(self) -> int:
        """How many of the halted trials would have solved."""
        trials = self.rows.trials
        halted = trials.loc[trials["ending"] == "stopped early", "trial"]
        return int(self.would_solve[halted].sum())


def plan_of(configurations: int, seeds: int = 2, seed: int = 0, **rule: Any) -> BoundPlan:
    """Return a plan of small adders with a rule of early stopping; ``seed`` is that of the lots."""
    return bind(
        Plan.model_validate(
            {
                "name": "simulated",
                "task": "addition",
                "objectives": [
                    {"metric": "exact_match", "direction": "max"},
                    {"metric": "params", "direction": "min"},
                ],
                "target": {"exact_match": 0.99},
                "fixed": {"digits": 2, "steps": STEPS, "eval_every": 50, "d_ff": 16},
                "only": [
                    {"d_model": SIZES[number % len(SIZES)], "lr": 0.001 * (1 + number)}
                    for number in range(configurations)
                ],
                "search": {"trials": configurations * seeds, "seeds": seeds, "seed": seed},
                "early_stopping": {"metric": "train_loss", "direction": "min", **rule},
            }
        )
    )


def simulate(bound: BoundPlan, rng: np.random.Generator, slots: int = 1, late: float = 0.3) -> Simulated:
    """Run a search in which larger models solve more often, and seeds of a configuration are alike.

    Args:
        bound: the plan.
        rng: random numbers.
        slots: trials at a time.
        late: share of the winners that look like the others at the rungs.
    """
    queue, stopper = TrialQueue(bound), stopper_of(bound)
    assert stopper is not None
    turns = Turns(stopper, queue, slots)
    luck = rng.normal(0, 1, len(bound.plan.only))
    events: list[tuple[float, int, str, int]] = []
    order = count()
    specs: dict[str, Any] = {}
    stops: dict[str, list[int]] = {}
    """Steps at which a trial reports."""
    speed: dict[str, float] = {}
    solves: dict[str, bool] = {}
    shows: dict[str, bool] = {}
    rows: dict[str, dict[str, Any]] = {}
    now = 0.0

    def goes_to(label: str, place: int) -> None:
        before = stops[label][place - 1] if place else 0
        due = now + (stops[label][place] - before) * speed[label]
        heapq.heappush(events, (due, next(order), label, place))

    def begin() -> bool:
        waiting = turns.next()
        if waiting is not None:
            turns.goes_on(waiting)
            goes_to(waiting, specs[waiting][1] + 1)
            return True
        spec = queue.next()
        if spec is None:
            turns.found_nothing = True
            return False
        entrant = entrant_of(bound, spec)
        stopper.enter(entrant)
        odds = 4 * np.log(spec.params / HALF) + luck[spec.configuration]
        solves[spec.label] = bool(rng.random() < 1 / (1 + np.exp(-odds)))
        shows[spec.label] = solves[spec.label] and bool(rng.random() > late)
        speed[spec.label] = rng.uniform(0.7, 1.3) * spec.params**0.3
        stops[spec.label] = [*entrant.report_at, STEPS]
        specs[spec.label] = [spec, 0]
        goes_to(spec.label, 0)
        return True

    while True:
        while queue.running < slots and begin():
            pass
        if not events:
            break
        now, _, label, place = heapq.heappop(events)
        specs[label][1] = place
        loss = rng.normal(0, 0.7) - 1.5 * shows[label] - 0.3 * np.log(specs[label][0].params)
        row: dict[str, Any] = {"step": stops[label][place], "train_loss": float(loss)}
        verdict = Verdict.CONTINUE
        ending = None
        if place == len(stops[label]) - 1:
            ending = TrialEnding.SOLVED if solves[label] else TrialEnding.FINISHED
        else:
            verdict = stopper.reported(label, row)
            ending = TrialEnding.STOPPED_EARLY if verdict == Verdict.STOP else None
        rows[label] = row
        if ending is not None:
            stopper.ended(label, {**row, "ending": ending})
            queue.ended(label, SeedOutcome(ending=ending, step=row["step"], metrics={}))
            row["ending"] = ending
        elif verdict == Verdict.PAUSE:
            queue.pauses(label, SeedOutcome(ending=TrialEnding.STOPPED_EARLY, step=row["step"], metrics={}))
        else:
            goes_to(label, place + 1)
    trials = []
    for label, (spec, _) in specs.items():
        standing = stopper.standing(label)
        trials.append(
            {
                "trial": label,
                "configuration": spec.configuration,
                "seed_index": spec.seed_index,
                "seed": spec.seed,
                "params": spec.params,
                "values": spec.values,
                "role": spec.role,
                # What still waits ends with the search.
                "ending": str(rows[label].get("ending", TrialEnding.STOPPED_EARLY)),
                "step": rows[label]["step"],
                "below_cut_at": list(standing.below_cut_at) or None,
                "kept_chance": np.nan if standing.kept_chance is None else standing.kept_chance,
            }
        )
    metrics = [
        {"name": "exact_match", "direction": "max", "unit": "share", "description": "answers right"},
        {"name": "params", "direction": "min", "unit": "parameters", "description": "count"},
    ]
    frame = pd.DataFrame(trials)
    return Simulated(rows=SearchRows.of_frames(bound.plan, metrics, frame), would_solve=pd.Series(solves))
