"""Quantiles and tails agree with :mod:`scipy.stats`, whose import they spare."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from analysis.statistics.distributions import chi_squared, fisher, log_beta, normal, student

SHARES = np.array([1e-12, 1e-4, 0.025, 0.3, 0.5, 0.8, 0.95, 0.975, 0.99999])
VALUES = np.array([-40.0, -2.0, -0.1, 0.0, 0.7, 1.96, 12.0, 300.0])


@pytest.mark.parametrize("freedom", [1, 2, 3, 4.5, 10, 61, 1000, 1e6])
def test_student(freedom: float):
    np.testing.assert_allclose(student.ppf(SHARES, freedom), stats.t.ppf(SHARES, freedom), rtol=1e-9)
    np.testing.assert_allclose(student.isf(SHARES, freedom), stats.t.isf(SHARES, freedom), rtol=1e-9)
    np.testing.assert_allclose(student.sf(VALUES, freedom), stats.t.sf(VALUES, freedom), rtol=1e-9)


def test_student_of_intervals_over_a_few_seeds():
    freedom = np.array([1, 2, 30.0, 29, 7])
    np.testing.assert_allclose(student.ppf(0.975, freedom), stats.t.ppf(0.975, freedom), rtol=1e-12)
    every = [float(student.ppf(0.975, each)) for each in range(1, 33)]
    np.testing.assert_allclose(every, stats.t.ppf(0.975, np.arange(1, 33)), rtol=1e-12)


def test_student_of_many_degrees_at_once():
    freedom = np.array([1, 2, 30])
    assert student.ppf(0.975, freedom).tolist() == pytest.approx(stats.t.ppf(0.975, freedom).tolist())


def test_student_without_a_degree_of_freedom_is_not_known():
    assert np.isnan(student.ppf(0.975, 0))
    assert np.isnan(student.sf(1.0, 0))


def test_normal():
    np.testing.assert_allclose(normal.ppf(SHARES), stats.norm.ppf(SHARES), rtol=1e-12)
    np.testing.assert_allclose(normal.isf(SHARES), stats.norm.isf(SHARES), rtol=1e-12)


@pytest.mark.parametrize(("above", "below"), [(1, 1), (1, 7.5), (3, 40), (12, 1000)])
def test_fisher(above: float, below: float):
    np.testing.assert_allclose(fisher.ppf(SHARES, above, below), stats.f.ppf(SHARES, above, below), rtol=1e-8)
    values = VALUES[VALUES >= 0]
    np.testing.assert_allclose(fisher.sf(values, above, below), stats.f.sf(values, above, below), rtol=1e-9)


def test_chi_squared():
    values = VALUES[VALUES >= 0]
    for freedom in (1, 2, 9):
        np.testing.assert_allclose(chi_squared.sf(values, freedom), stats.chi2.sf(values, freedom), rtol=1e-9)


def test_log_beta():
    a = np.array([2e-4, 0.1, 0.5, 1.0, 2.5, 9.99, 64.0, 1e3])
    ours = log_beta(a[:, None], a)
    np.testing.assert_allclose(ours, special.betaln(a[:, None], a), rtol=1e-10, atol=1e-11)
