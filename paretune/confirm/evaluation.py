"""Evaluations as values and text, the same in reports, on the terminal, and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

from analysis.statistics.distributions import student
from analysis.statistics.intervals import wilson
from trainables.contract import Evaluation, Mean


def told_in(evaluation: Evaluation, metric: str) -> Evaluation:
    """Return an evaluation with ``metric`` as its own, if it measured that: the target's, for instance."""
    for mean in evaluation.also:
        if mean.metric == metric:
            assert evaluation.mean is not None, "what is right or wrong has no other measure"
            main = Mean(
                metric=evaluation.metric, mean=evaluation.mean, standard_error=evaluation.standard_error
            )
            others = [main if other is mean else other for other in evaluation.also]
            return replace(
                evaluation,
                metric=metric,
                mean=mean.mean,
                standard_error=mean.standard_error,
                also=tuple(others),
            )
    return evaluation


def estimate(evaluation: Evaluation) -> tuple[float, float, float]:
    """Return what an evaluation found with its 95 % interval: (value, low, high).

    The share of problems solved, with Wilson's interval; or the mean over problems, with Student's over what
    is independent. Without a standard error the interval has no ends: they are infinite.
    """
    if evaluation.successes is not None:
        low, high = wilson(evaluation.successes, evaluation.problems)
        return evaluation.successes / evaluation.problems, low, high
    assert evaluation.mean is not None
    return _mean_estimate(evaluation.mean, evaluation.standard_error, evaluation.units or evaluation.problems)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain values; an interval without ends has None for them."""
    value, low, high = estimate(evaluation)
    found: dict[str, Any] = {"share": value} if evaluation.successes is not None else {"mean": value}
    found |= {"low": _finite(low), "high": _finite(high)}
    if evaluation.successes is not None:
        found["successes"] = evaluation.successes
    else:
        found["standard_error"] = evaluation.standard_error
        found["units"] = evaluation.units
        found["also"] = [asdict(mean) for mean in evaluation.also]
    return {
        "metric": evaluation.metric,
        **found,
        "problems": evaluation.problems,
        "called": evaluation.called,
        "drawn_from": evaluation.drawn_from,
        "tables": [
            {"title": t.title, "columns": list(t.columns), "rows": [list(row) for row in t.rows]}
            for t in evaluation.tables
        ],
    }


def _mean_estimate(mean: float, error: float | None, units: float) -> tuple[float, float, float]:
    if error is None or units < 2:
        return mean, -math.inf, math.inf
    reach = float(student.ppf(0.975, units - 1)) * error
    return mean, mean - reach, mean + reach


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def precise_percent(share: float) -> str:
    """Write a share in percent: two digits after the point, more where it would look like all or nothing."""
    for digits in range(2, 6):
        number = f"{100 * share:.{digits}f}"
        if share in (0, 1) or float(number) not in (0, 100):
            break
    return f"{number} %"


def headline(evaluation: Evaluation) -> str:
    """Say in one line how well the model did."""
    name = evaluation.metric.replace("_", " ")
    if evaluation.successes is not None:
        share, low, high = map(precise_percent, estimate(evaluation))
        counted = f"{evaluation.successes:,} of {evaluation.problems:,} {evaluation.called}"
        return f"{name} {share} (95 % interval {low} to {high}), {counted}"
    units = evaluation.units or evaluation.problems
    told = [_mean_text(evaluation.metric, estimate(evaluation))]
    told += [_mean_text(m.metric, _mean_estimate(m.mean, m.standard_error, units)) for m in evaluation.also]
    return f"{', '.join(told)}, over {evaluation.problems:,} {evaluation.called}"


def _mean_text(metric: str, found: tuple[float, float, float]) -> str:
    mean, low, high = found
    interval = f"95 % interval {low:.4f} to {high:.4f}" if math.isfinite(low) else "no interval"
    return f"{metric.replace('_', ' ')} {mean:.4f} ({interval})"
