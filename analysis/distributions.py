"""Quantiles and tails of the usual distributions: numbers of :mod:`scipy.stats` without its import.

``scipy.stats`` takes half a second to import, which is most of the time of a command that prints a table. The
functions behind it lie in ``scipy.special``, which is imported here when a number is asked for. Arguments
are numbers or arrays that broadcast, as there; ``freedom`` is degrees of freedom.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating[Any]]


def _floats(*numbers: ArrayLike) -> list[NDArray[np.float64]]:
    return [np.asarray(number, dtype=np.float64) for number in numbers]


class _Student:
    """Student's t."""

    def ppf(self, share: ArrayLike, freedom: ArrayLike) -> Array:
        """Return what the given share lies below."""
        from scipy.special import stdtrit

        return stdtrit(*_floats(freedom, share))

    def isf(self, share: ArrayLike, freedom: ArrayLike) -> Array:
        """Return what the given share lies above."""
        return -self.ppf(share, freedom)

    def sf(self, value: ArrayLike, freedom: ArrayLike) -> Array:
        """Return the share above a value."""
        from scipy.special import stdtr

        return stdtr(*_floats(freedom, np.negative(value)))


class _Normal:
    """The standard normal distribution."""

    def ppf(self, share: ArrayLike) -> Array:
        """Return what the given share lies below."""
        from scipy.special import ndtri

        return ndtri(*_floats(share))

    def isf(self, share: ArrayLike) -> Array:
        """Return what the given share lies above."""
        return -self.ppf(share)


class _Fisher:
    """Fisher's F, of two degrees of freedom: the numerator's, then the denominator's."""

    def ppf(self, share: ArrayLike, above: ArrayLike, below: ArrayLike) -> Array:
        """Return what the given share lies below."""
        from scipy.special import fdtri

        return fdtri(*_floats(above, below, share))

    def sf(self, value: ArrayLike, above: ArrayLike, below: ArrayLike) -> Array:
        """Return the share above a value."""
        from scipy.special import fdtrc

        return fdtrc(*_floats(above, below, value))


class _ChiSquared:
    """Chi squared."""

    def sf(self, value: ArrayLike, freedom: ArrayLike) -> Array:
        """Return the share above a value."""
        from scipy.special import chdtrc

        return chdtrc(*_floats(freedom, value))


student = _Student()
normal = _Normal()
fisher = _Fisher()
chi_squared = _ChiSquared()
