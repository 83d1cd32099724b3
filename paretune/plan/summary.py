"""What a plan means before anything is trained: dimensions, sizes, budget, needs."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Literal

from paretune.plan.binding import PARAMS, BoundPlan, written
from paretune.plan.budget import largest_budget, largest_given_up
from paretune.plan.checks.misleading import warnings_of
from paretune.plan.preparing import missing
from paretune.plan.rungs import rungs_at_steps
from search_spaces.parts.early_stopping import EarlyStopping
from search_spaces.parts.resources import Resources
from search_spaces.plan import Values
from search_spaces.sampling import corners, draws, fill, listing

_LIST_AT_MOST = 100_000
_DRAW = 20_000
_NAMES = {"flops_per_token": "FLOPs per token"}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The parameter counts that a space can produce within its constraints."""

    smallest: int
    largest: int
    exact: bool
    """True when every combination was counted, False when they were drawn."""
    feasible_share: float
    """Share of the configurations that may be trained; of all, or of those drawn."""
    limited: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Smallest and largest of whatever else the plan limits, such as the memory, by the key of its limits."""


@dataclass(frozen=True, kw_only=True)
class PlanSummary:
    """What a plan means, as ``paretune check`` tells it.

    >>> import paretune
    >>> what = paretune.summary(paretune.check("search_spaces/quickstart.yaml"))
    >>> what.trials == what.configurations * what.seeds
    True
    >>> dict(what.sentences)["a trial needs"]
    '1 CPU, no GPU'
    """

    name: str
    task: str
    dimensions: int
    sizes: Sizes
    configurations: int
    """At most, where seeds race or a question places trials."""
    seeds: int
    """Of each configuration, or the first ones of it."""
    most_seeds: int
    """The most that one of them can get."""
    trials: int
    steps_per_trial: int
    steps_in_all: int
    """Without those of attempts that are given up."""
    rungs: list[int]
    """Steps at which trials are compared; empty without early stopping, and with rungs at shares."""
    rung_shares: list[float]
    """Shares of each trial's own steps at which it is compared; empty with rungs at steps."""
    below_cut: list[str]
    """What happens to trials below the cut, in words; empty without early stopping."""
    cpu: float
    gpu: float | Literal["auto"]
    not_here: list[str]
    """Data that the trials need and that are not on this machine, with what to do about it."""
    steps_given_up: int = 0
    """The most that a trial can take beyond its budget, where it may begin again."""
    memory: int | None = None
    """Most bytes of the machine's memory for a trial; None if that is not limited."""
    question: str | None = None
    """What is asked, in words; None if nothing is."""
    learns_from: list[str] = field(default_factory=list)
    """What the sampler knows from each earlier search that the plan names; see :func:`check`."""
    warnings: list[str] = field(default_factory=list)
    """What should be known of the plan's early stopping before it is relied on; no mistakes."""

    @property
    def sentences(self) -> list[tuple[str, str]]:
        """What the summary says, as pairs of a name and a text."""
        sizes = self.sizes
        how = "counted exactly" if sizes.exact else "from 20,000 draws and the space's corners"
        return [
            ("search", f"{self.name}, task {self.task}"),
            *([] if self.question is None else [("question", self.question)]),
            ("dimensions", str(self.dimensions)),
            ("parameters", f"{sizes.smallest:,} to {sizes.largest:,} ({how})"),
            *(
                (
                    _NAMES.get(name, name),
                    " to ".join(dict.fromkeys((written(name, low), written(name, high)))),
                )
                for name, (low, high) in sizes.limited.items()
            ),
            ("may be trained", f"{100 * sizes.feasible_share:.1f} % of the space; the rest is never trained"),
            (
                "trials",
                self._told_trials,
            ),
            ("budget", f"{self.steps_per_trial:,} steps a trial, at most {self.steps_in_all:,} in all"),
            *self._told_restarts,
            ("early stopping", self._told_rungs),
            *(("learns from", text) for text in self.learns_from),
            ("a trial needs", self._told_needs),
        ]

    @property
    def _told_restarts(self) -> list[tuple[str, str]]:
        if not self.steps_given_up:
            return []
        further = f"up to {self.steps_given_up:,} further steps a trial, in attempts that are given up"
        return [("restarts", further)]

    @property
    def _told_needs(self) -> str:
        gpu = Resources(gpu=self.gpu).told_gpu
        memory = "" if self.memory is None else f", {written('memory', self.memory)} of memory at most"
        return f"{self.cpu:g} CPU, {gpu}{memory}"

    @property
    def _told_trials(self) -> str:
        if self.question is not None:
            return f"at most {self.trials:,}, placed one by one; fewer if the answer is as sharp as was asked"
        seeds = f"{self.most_seeds} seed{'s' * (self.most_seeds > 1)} each"
        if self.seeds == self.most_seeds:
            return f"{self.trials:,}: {self.configurations:,} configurations, {seeds}"
        return (
            f"up to {self.trials:,}: up to {self.configurations:,} configurations, {self.seeds} to {seeds}, "
            "more where it is undecided whether more than half of them solve"
        )

    @property
    def _told_rungs(self) -> str:
        if self.rung_shares:
            shares = ", ".join(f"{100 * share:g} %" for share in self.rung_shares)
            where = f"at {shares} of each trial's own steps"
        elif self.rungs:
            where = f"at steps {', '.join(f'{rung:,}' for rung in self.rungs)}"
        else:
            return "none"
        return "; ".join([where, *self.below_cut])


def summarise(bound: BoundPlan, not_here: list[str] | None = None) -> PlanSummary:
    """Compute what a plan without mistakes means.

    Args:
        bound: the plan.
        not_here: what :func:`paretune.plan.preparing.missing` found of it, if that was asked already.
    """
    plan = bound.plan
    longest = largest_budget(bound)
    shares = [] if plan.early_stopping is None else plan.early_stopping.at or []
    return PlanSummary(
        name=plan.name,
        task=plan.task,
        question=None if plan.question is None else plan.question.sentence,
        dimensions=len(plan.searched_names),
        sizes=sizes_of(bound),
        configurations=plan.configurations,
        seeds=plan.search.first_seeds,
        most_seeds=plan.search.most_seeds,
        trials=plan.trials,
        steps_per_trial=longest,
        steps_in_all=longest * plan.trials,
        steps_given_up=largest_given_up(bound),
        rungs=[] if shares else rungs_at_steps(bound),
        rung_shares=shares,
        below_cut=[] if plan.early_stopping is None else _below_cut(plan.early_stopping),
        cpu=plan.resources.cpu,
        gpu=plan.resources.gpu,
        memory=plan.resources.memory_bytes,
        not_here=missing(bound) if not_here is None else not_here,
        learns_from=[] if bound.learned is None else [source.sentence for source in bound.learned.sources],
        warnings=warnings_of(bound),
    )


def _below_cut(rule: EarlyStopping) -> list[str]:
    halted = "is stopped" if rule.below_cut == "stop" else "waits, and goes on once it is among them"
    factor = rule.reduction_factor
    best = f"1/{factor:g}" if factor.is_integer() else f"{100 / factor:.0f} %"
    among = f"the best {best}{' of about its size' if rule.within else ''}"
    told = [f"what is not among {among} {halted}"]
    if rule.reserve:
        told.append(f"{100 * rule.reserve:g} % of the trials, by lot, run on wherever they stand")
    return told


def sizes_of(bound: BoundPlan) -> Sizes:
    """Count the parameters of every combination that matters, or of a large sample of them."""
    plan = bound.plan
    listed = listing(plan, bound.deciding, _LIST_AT_MOST)
    beyond: Iterable[Values] = ()
    if listed is None:
        rng = random.Random(0)
        drawn = list(islice(draws(plan, rng), _DRAW))
        beyond = chain(
            corners(plan, bound.deciding, rng, _DRAW // 10),
            (fill(plan, given, rng) for given in plan.tried_first.values()),
        )
    else:
        drawn = listed
    allowed = _measured(bound, drawn)
    counted = [*allowed, *_measured(bound, beyond)]
    assert counted, "a plan without mistakes has something to train"
    ranges = {
        name: (min(found), max(found))
        for name in dict.fromkeys(name for one in counted for name in one)
        if (found := [one[name] for one in counted if name in one])
    }
    smallest, largest = ranges.pop(PARAMS.name)
    return Sizes(
        smallest=int(smallest),
        largest=int(largest),
        exact=listed is not None,
        feasible_share=len(allowed) / len(drawn),
        limited=ranges,
    )


def _measured(bound: BoundPlan, configurations: Iterable[Values]) -> list[dict[str, float]]:
    """Return the parameter counts, and what is limited, of the configurations that may be trained."""
    measured = (bound.measured(values) for values in configurations)
    return [found for found in measured if found is not None]
