"""Optuna's Parzen estimator, with its densities computed column by column.

The estimators, and so what is proposed, are Optuna's: kernels, widths and weights are made by its class. Its
densities take most of the time of a proposal where there are thousands of kernels: everything is computed for
every pair of a sample and a kernel, in the tails by one Python call each. Here, what depends on the kernel
alone is computed once for all samples, and tails by SciPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.probability_distributions import _BatchedCategoricalDistributions
from scipy.special import log_ndtr, ndtr

Floats = npt.NDArray[np.float64]

_Density = Callable[[Floats], Floats]

_LOG_SQRT_2_PI = 0.5 * math.log(2 * math.pi)


class ColumnwiseEstimator(_ParzenEstimator):
    """A mixture of products of one kernel per parameter."""

    def __init__(
        self,
        observations: dict[str, Floats],
        search_space: dict[str, BaseDistribution],
        parameters: _ParzenEstimatorParameters,
        predetermined_weights: Floats | None = None,
    ) -> None:
        super().__init__(observations, search_space, parameters, predetermined_weights)
        mixture = self._mixture_distribution
        self._columns = [_density_of(kernels) for kernels in mixture.distributions]
        self._log_weights = np.log(mixture.weights)

    def log_pdf(self, samples_dict: dict[str, Floats]) -> Floats:
        """Return the logarithm of the density at each sample, given one column for each parameter."""
        columns = [samples_dict[name] for name in self._search_space]
        logs = np.tile(self._log_weights, (len(columns[0]), 1))  # (samples, kernels)
        for density, samples in zip(self._columns, columns, strict=True):
            logs += density(samples)
        most = logs.max(axis=1)
        most[np.isneginf(most)] = 0.0
        logs -= most[:, None]
        with np.errstate(divide="ignore"):
            densities: Floats = np.log(np.exp(logs, out=logs).sum(axis=1)) + most
        return densities


def log_mass(a: Floats, b: Floats) -> Floats:
    """Return the logarithm of the standard normal probability between ``a`` and ``b``, where ``a < b``."""
    is_right = a > 0  # of the two tails, the left one is precise
    a, b = np.where(is_right, -b, a), np.where(is_right, -a, b)
    is_tail = b <= 0
    with np.errstate(divide="ignore"):
        mass = np.log1p(-ndtr(a) - ndtr(-b))
        upper = log_ndtr(b[is_tail])
        mass[is_tail] = upper + np.log1p(-np.exp(log_ndtr(a[is_tail]) - upper))
    return mass


def _density_of(kernels: Any) -> _Density:
    """Return the function from samples of one parameter to log densities of shape (samples, kernels)."""
    if isinstance(kernels, _BatchedCategoricalDistributions):
        return _choices(kernels.weights)
    bounds = (kernels.adapted_low, kernels.adapted_high)
    if kernels.step:
        return _grid(kernels.mu, kernels.sigma, bounds, kernels.step, is_log=kernels.is_log)
    return _normal(kernels.mu, kernels.sigma, bounds, is_log=kernels.is_log)


def _choices(weights: Floats) -> _Density:
    logs = np.log(weights.T)  # (choices, kernels)
    return lambda samples: logs[samples.astype(np.int64)]


def _normal(mu: Floats, sigma: Floats, bounds: tuple[float, float], *, is_log: bool) -> _Density:
    scale = math.sqrt(0.5) / sigma
    constant = -np.log(sigma) - _LOG_SQRT_2_PI - _mass_within(mu, sigma, bounds)

    def density(samples: Floats) -> Floats:
        distance = np.subtract.outer(np.log(samples) if is_log else samples, mu)
        distance *= scale
        distance *= distance
        return np.subtract(constant, distance, out=distance)

    return density


def _grid(mu: Floats, sigma: Floats, bounds: tuple[float, float], step: float, *, is_log: bool) -> _Density:
    # Kernels of a grid are often the same: of equal values, with the least width.
    kernels, which = np.unique(mu + 1j * sigma, return_inverse=True)
    mu, sigma = kernels.real, kernels.imag
    constant = _mass_within(mu, sigma, bounds)

    def density(samples: Floats) -> Floats:
        values, index = np.unique(samples, return_inverse=True)
        below, above = values - step / 2, values + step / 2
        if is_log:
            below, above = np.log(below), np.log(above)
        masses = log_mass(np.subtract.outer(below, mu) / sigma, np.subtract.outer(above, mu) / sigma)
        masses -= constant
        return masses.take(which, axis=1).take(index, axis=0)

    return density


def _mass_within(mu: Floats, sigma: Floats, bounds: tuple[float, float]) -> Floats:
    low, high = bounds
    return log_mass((low - mu) / sigma, (high - mu) / sigma)
