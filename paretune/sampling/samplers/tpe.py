"""Optuna's TPE sampler, with what does not change between proposals kept, and a limit on what it looks at.

Up to the limit it proposes what Optuna's own proposes, from the same random numbers;
``tests/paretune/sampling/test_tpe.py`` compares them. Optuna reads and sorts all trials for each proposal,
and fits its estimators again for each that is refused.
"""

from __future__ import annotations

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
_Fit = tuple[ColumnwiseEstimator, ColumnwiseEstimator]
"""The estimators of the good configurations and of the others."""


class KeptTPESampler(TPESampler):
    """Multivariate TPE that groups conditional parameters, and counts running trials as not good.

    For one study in memory, whose trials are asked for one after the other and told once.

    Args:
        seed: of all that it draws.
        most_others: a limit in place of :data:`MOST_OTHERS`; None for no limit, as in Optuna.
        options: others of Optuna's sampler.
    """

    def __init__(self, seed: int, most_others: int | None = MOST_OTHERS, **options: Any) -> None:
        super().__init__(seed=seed, multivariate=True, group=True, constant_liar=True, **options)
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
        best = self._compare(samples, self._compute_acquisition_func(samples, good, others))
        return {name: space.to_external_repr(best[name]) for name, space in search_space.items()}

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
            gamma = default_gamma_multiobjective if is_multi else default_gamma
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
