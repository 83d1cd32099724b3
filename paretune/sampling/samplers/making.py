"""The samplers of Optuna that plans name, made so that a resumed search proposes as it would have."""

from __future__ import annotations

import copy
import hashlib
import math
import warnings
from bisect import insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna import Study, samplers
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from paretune.plan.samplers import SAMPLERS, start_up_trials
from paretune.sampling.samplers.encoding import encode
from search_spaces.dimensions import Choice, FloatRange
from search_spaces.parts.search import Options, SamplerName
from search_spaces.plan import Plan

_KNOWN_OPTUNA = "5.0."
"""Versions whose TPE sampler ours extends; any other proposes by its own, more slowly."""

_REFUSALS, _COSTLY_REFUSALS = 50, 4
"""How often a sampler may propose what must not be trained before a uniform draw takes over.

A Gaussian process takes a third of a second for each proposal, and proposes near its last one again."""

_SUCCESSES = 2
"""So many configurations must have done what is asked for before larger ones are passed over."""

_NEEDS_ONLY_RESULTS = frozenset({"tpe", "gp", "random"})
"""Samplers that keep nothing beside what they were told: a configuration that an earlier session handed out
can be put into the study without asking them for one."""


class SamplerOfNumber:
    """Makes the sampler that proposes configuration number so and so.

    Its random numbers depend on the search's seed and on that number alone, not on how many were drawn
    before. So a search that was interrupted needs no random state to go on as it would have.

    Args:
        plan: the plan, with a space.
        cost_of: returns what a configuration costs, as in :class:`KnownCosts`, if that alone is to be small.
    """

    def __init__(self, plan: Plan, cost_of: Callable[[dict[str, Any]], float | None] | None = None) -> None:
        self._plan = plan
        self._cost_of = cost_of
        self._name = plan.search.sampler_name
        self._lasting = self._make(plan.search.seed) if self._name in ("grid", "qmc") else None
        self._tpe: Any = None
        self._costs: Any = None
        self._found: list[float] = []

    @property
    def most_refusals(self) -> int:
        """How often it may propose what must not be trained before a uniform draw takes over."""
        return _COSTLY_REFUSALS if self._name == "gp" else _REFUSALS

    @property
    def needs_only_results(self) -> bool:
        """Whether what it proposes depends on nothing but configurations and how they ended."""
        return self._name in _NEEDS_ONLY_RESULTS

    def of(self, number: int) -> samplers.BaseSampler:
        """Return the sampler for a configuration."""
        seed = self.seed_of(number)
        if self._lasting is not None:
            # Their order of points is one for the whole search.
            return self._lasting
        if self._name == "tpe" and optuna.__version__.startswith(_KNOWN_OPTUNA):
            return self._kept_tpe(seed)
        return self._make(seed)

    def found(self, cost: float) -> None:
        """Take note that a configuration of this cost does what is asked for.

        One alone may have done so by luck. With a second one, what costs more than both is known to do.
        """
        insort(self._found, cost)
        if self._costs is not None:
            self._costs.below = self._below

    @property
    def _below(self) -> float:
        return self._found[_SUCCESSES - 1] if len(self._found) >= _SUCCESSES else math.inf

    def seed_of(self, number: int) -> int:
        """Return the seed of all that is drawn for a configuration."""
        text = f"{self._plan.search.seed}/{number}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")

    def _kept_tpe(self, seed: int) -> samplers.BaseSampler:
        if self._tpe is None:
            # What is private to Optuna is imported only where it is known.
            from paretune.sampling.samplers.tpe import CANDIDATES, KeptTPESampler, KnownCosts

            options = self._options()
            if self._cost_of is not None:
                self._costs = KnownCosts(self._cost_of, self._below)
                options = {"costs": self._costs, "gamma": _good, "n_ei_candidates": CANDIDATES} | options
            with _as_it_is():
                self._tpe = KeptTPESampler(seed, **options)
        self._tpe.reseed(seed)
        kept: samplers.BaseSampler = self._tpe
        return kept

    @property
    def defaults(self) -> Options:
        """The options that have another default than Optuna's."""
        return _defaults(self._plan)

    def _options(self) -> dict[str, Any]:
        return {**self.defaults, **self._plan.search.sampler_options}

    def _make(self, seed: int) -> samplers.BaseSampler:
        with _as_it_is():
            return _MAKERS[self._name](self._plan, seed, self._options())


@contextmanager
def _as_it_is() -> Iterator[None]:
    """Hear nothing of what Optuna calls experimental, or will drop in a later version than we allow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _defaults(plan: Plan) -> Options:
    """Return the options that go by the number of configurations, where Optuna has one number for all."""
    name = plan.search.sampler_name
    if name in ("tpe", "gp"):
        return {"n_startup_trials": start_up_trials(plan)}
    if name in ("nsga2", "nsga3"):
        # Optuna's 50 are more than most searches have: all of them would be the first, random generation.
        return {"population_size": max(4, min(50, plan.configurations // 4))}
    return {"scramble": True} if name == "qmc" else {}


def _good(finished: int) -> int:
    """Return how many of the finished configurations count as good where cost alone is to be small.

    Three times as many as by default: of the few cheapest that reached the target, some did so by luck.
    """
    return min(math.ceil(0.3 * finished), 25)


def _tpe(plan: Plan, seed: int, options: Options) -> samplers.BaseSampler:
    return samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True, **options)  # type: ignore[arg-type]


def _quiet(make: Callable[..., samplers.BaseSampler]) -> Callable[[Plan, int, Options], samplers.BaseSampler]:
    def made(plan: Plan, seed: int, options: Options) -> samplers.BaseSampler:
        independent = samplers.RandomSampler(seed=seed)
        return make(seed=seed, independent_sampler=independent, warn_independent_sampling=False, **options)

    return made


class _CmaEs(samplers.CmaEsSampler):
    """CMA-ES whose draws do not depend on how many proposals were refused before."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        # Optuna adds the trial's number to the seed; refused proposals have numbers too.
        unnumbered = copy.copy(trial)
        unnumbered.number = 0
        return super().sample_relative(study, unnumbered, search_space)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Say nothing of constraints, as Optuna would: which plans need them is checked before."""


class _Grid(samplers.GridSampler):
    """The grid, asked and told instead of run by Optuna."""

    def __init__(self, values: Mapping[str, Sequence[Any]], seed: int) -> None:
        super().__init__(values, seed=seed)
        self._open = samplers.RandomSampler(seed=seed)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Leave it to the proposer to notice that nothing is left; Optuna would stop its own loop."""

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return the value of the grid's point; of a configuration that is stated in part, any value."""
        if "grid_id" in trial.system_attrs:
            return super().sample_independent(study, trial, param_name, param_distribution)
        return self._open.sample_independent(study, trial, param_name, param_distribution)


def _grid(plan: Plan, seed: int, options: Options) -> samplers.BaseSampler:
    values: dict[str, list[Any]] = {}
    for name, dimension in plan.space.items():
        if isinstance(dimension, Choice):
            values[name] = [encode(dimension, value) for value in dimension.values]
        elif isinstance(dimension, FloatRange):
            assert dimension.step is not None, "checked: a grid has no continuous range"
            steps = round((dimension.high - dimension.low) / dimension.step)
            values[name] = [dimension.snap(dimension.low + k * dimension.step) for k in range(steps + 1)]
        else:
            values[name] = list(dimension.values())
    return _Grid(values, seed=seed)


_MAKERS: Mapping[SamplerName, Callable[[Plan, int, Options], samplers.BaseSampler]] = {
    "tpe": _tpe,
    "gp": _quiet(samplers.GPSampler),
    "cma_es": _quiet(_CmaEs),
    "nsga2": lambda plan, seed, options: samplers.NSGAIISampler(seed=seed, **options),  # type: ignore[arg-type]
    "nsga3": lambda plan, seed, options: samplers.NSGAIIISampler(seed=seed, **options),  # type: ignore[arg-type]
    "qmc": _quiet(samplers.QMCSampler),
    "random": lambda plan, seed, options: samplers.RandomSampler(seed=seed),
    "grid": _grid,
}
assert _MAKERS.keys() == SAMPLERS.keys()
