"""Optuna's TPE sampler, with what does not change between proposals kept, and a limit on what it looks at.

Up to the limit it proposes what Optuna's own proposes, from the same random numbers;
``tests/paretune/sampling/test_tpe.py`` compares them. Optuna reads and sorts all trials for each proposal,
and fits its estimators again for each that is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.sampler import default_gamma, default_gamma_multiobjective
from optuna.trial import FrozenTrial

from paretune.sampling.samplers.observations import Observations
from paretune.sampling.samplers.parzen import ColumnwiseEstimator

MOST_OTHERS = 1000
"""So many of the trials that are not good are looked at, the latest.

Candidates are drawn near the good ones, so the density of the others matters only there. The latest lie
there, and Optuna lets older ones count less anyway. ``benchmarks/sampler.py`` measures what the limit costs.
"""

_Space = dict[str, BaseDistribution]

CANDIDATES = 48
"""Candidates of a proposal whose costs are known: twice Optuna's, since some are left out."""


@dataclass
class KnownCosts:
    """What a configuration costs, where that is known before it is trained.

    With it, no configuration is proposed that may not be trained, nor one that costs as much as what is known
    to do, as long as there are others among the candidates.
    """

    cost_of: Callable[[dict[str, Any]], float | None]
    """Returns the cost of parameters as Optuna writes them; None for what may not be trained, or was."""
    below: float = math.inf
    """What is known to do costs so much."""

    def best(self, candidates: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the first candidate that costs less than what is known to do; else the cheapest; else the
        first."""
        cheapest, least = candidates[0], math.inf
        for candidate in candidates:
            cost = self.cost_of(candidate)
            if cost is not None and cost < self.below:
                return candidate
            if cost is not None and cost < least:
                cheapest, least = candidate, cost
        return cheapest


_Fit = tuple[ColumnwiseEstimator, ColumnwiseEstimator]
"""The estimators of the good configurations and of the others."""


class KeptTPESampler(TPESampler):
    """Multivariate TPE that groups conditional parameters, and counts running trials as not good.

    For one study in memory, whose trials are asked for one after the other and told once.

    Args:
        seed: of all that it draws.
        most_others: a limit in place of :data:`MOST_OTHERS`; None for no limit, as in Optuna.
        costs: what configurations cost, if that is what is to be small and no dimension is conditional.
        options: others of Optuna's sampler.
    """

    def __init__(
        self,
        seed: int,
        most_others: int | None = MOST_OTHERS,
        costs: KnownCosts | None = None,
        **options: Any,
    ) -> None:
        super().__init__(seed=seed, multivariate=True, group=True, constant_liar=True, **options)
        self._costs = costs
        self._most_others = most_others
        self._observed = Observations()
        self._fits: dict[tuple[str, ...], _Fit] = {}
        self._fitted_to: object = None

    def reseed(self, seed: int) -> None:
        """Draw from these random numbers from now on."""
        self._rng.rng.seed(seed)
        self._random_sampler._rng.rng.seed(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> _Space:
        """Return the parameters that finished trials have had, but for those with a single value."""
        self._observed.update(study)
        self._search_space_group = self._observed.groups
        return {
            name: distribution
            for group in self._search_space_group.search_spaces
            for name, distribution in sorted(group.items())
            if not distribution.single()
        }

    def _sample_relative(self, study: Study, trial: FrozenTrial, search_space: _Space) -> dict[str, Any]:
        if not search_space or self._observed.finished < self._n_startup_trials:
            return {}
        return self._sample(study, trial, search_space)

    def _sample(self, study: Study, trial: FrozenTrial, search_space: _Space) -> dict[str, Any]:
        good, others = self._fit(study, trial, search_space)
        samples = good.sample(self._rng.rng, self._n_ei_candidates)
        worth = self._compute_acquisition_func(samples, good, others)
        if self._costs is None:
            return _external(self._compare(samples, worth), search_space)
        order = np.argsort(-worth, kind="stable")
        return self._costs.best(
            [
                _external({name: column[index] for name, column in samples.items()}, search_space)
                for index in order
            ]
        )

    def _fit(self, study: Study, trial: FrozenTrial, search_space: _Space) -> _Fit:
        """Return the estimators; those of the last proposal if no trial has begun or finished since."""
        observed = self._observed
        running = [other for other in observed.running if other.number != trial.number]
        fitted_to = (observed.finished, [other.number for other in running])
        if fitted_to != self._fitted_to:
            self._fits.clear()
            self._fitted_to = fitted_to
        names = tuple(search_space)
        if names not in self._fits:
            is_multi = study._is_multi_objective()
            gamma = self._gamma or (default_gamma_multiobjective if is_multi else default_gamma)
            good, others = observed.split(study, gamma(observed.finished))
            for other in running:
                # Optuna counts what was sampled for a running trial, even where no condition asked for it.
                observed.note(
                    other.number, self._get_params(other, study), other.distributions | search_space
                )
            others = sorted([*others, *(other.number for other in running)])
            if self._most_others is not None:
                others = others[-self._most_others :]
            columns = observed.columns(good, names)
            weights = np.ones(len(columns[names[0]])) if is_multi else None
            self._fits[names] = (
                ColumnwiseEstimator(columns, search_space, self._parzen_estimator_parameters, weights),
                ColumnwiseEstimator(
                    observed.columns(others, names), search_space, self._parzen_estimator_parameters
                ),
            )
        return self._fits[names]


def _external(values: Mapping[str, Any], search_space: _Space) -> dict[str, Any]:
    return {name: space.to_external_repr(values[name]) for name, space in search_space.items()}
