"""Evaluations as values and text, the same in reports, on the terminal, and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

from analysis.distributions import student
from analysis.intervals import wilson
from trainables.contract import Evaluation, Mean, Table


def told_in(exam: Evaluation, metric: str) -> Evaluation:
    """Return an evaluation with ``metric`` as its own, if it measured that: the target's, for instance."""
    for mean in exam.also:
        if mean.metric == metric:
            assert exam.mean is not None, "what is right or wrong has no other measure"
            main = Mean(metric=exam.metric, mean=exam.mean, standard_error=exam.standard_error)
            others = [main if other is mean else other for other in exam.also]
            return replace(
                exam, metric=metric, mean=mean.mean, standard_error=mean.standard_error, also=tuple(others)
            )
    return exam


def estimate(exam: Evaluation) -> tuple[float, float, float]:
    """Return what an evaluation found with its 95 % interval: (value, low, high).

    The share of problems solved, with Wilson's interval; or the mean over problems, with Student's over what
    is independent. Without a standard error the interval has no ends: they are infinite.
    """
    if exam.successes is not None:
        low, high = wilson(exam.successes, exam.problems)
        return exam.successes / exam.problems, low, high
    assert exam.mean is not None
    return _mean_estimate(exam.mean, exam.standard_error, exam.units or exam.problems)


def as_json(exam: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain values; an interval without ends has None for them."""
    value, low, high = estimate(exam)
    found: dict[str, Any] = {"share": value} if exam.successes is not None else {"mean": value}
    found |= {"low": _finite(low), "high": _finite(high)}
    if exam.successes is not None:
        found["successes"] = exam.successes
    else:
        found["standard_error"] = exam.standard_error
        found["units"] = exam.units
        found["also"] = [asdict(mean) for mean in exam.also]
    return {
        "metric": exam.metric,
        **found,
        "problems": exam.problems,
        "called": exam.called,
        "drawn_from": exam.drawn_from,
        "tables": [
            {"title": t.title, "columns": list(t.columns), "rows": [list(row) for row in t.rows]}
            for t in exam.tables
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


def headline(exam: Evaluation) -> str:
    """Say in one line how well the model did."""
    name = exam.metric.replace("_", " ")
    if exam.successes is not None:
        share, low, high = map(precise_percent, estimate(exam))
        counted = f"{exam.successes:,} of {exam.problems:,} {exam.called}"
        return f"{name} {share} (95 % interval {low} to {high}), {counted}"
    units = exam.units or exam.problems
    told = [_mean_text(exam.metric, estimate(exam))]
    told += [_mean_text(m.metric, _mean_estimate(m.mean, m.standard_error, units)) for m in exam.also]
    return f"{', '.join(told)}, over {exam.problems:,} {exam.called}"


def _mean_text(metric: str, found: tuple[float, float, float]) -> str:
    mean, low, high = found
    interval = f"95 % interval {low:.4f} to {high:.4f}" if math.isfinite(low) else "no interval"
    return f"{metric.replace('_', ' ')} {mean:.4f} ({interval})"


def cell(value: Any) -> str:
    """Write a cell of an evaluation's table: shares with five digits, the rest as it is."""
    return f"{value:.5f}" if isinstance(value, float) else str(value)


def markdown_table(table: Table) -> str:
    """Write an evaluation's table in Markdown."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join(map(cell, row)) + " |" for row in table.rows]
    return "\n".join(lines) + "\n"
