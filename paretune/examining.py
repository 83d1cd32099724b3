"""Examinations as values and text, the same in reports, on the terminal, and as JSON."""

from __future__ import annotations

from typing import Any

from analysis.intervals import wilson
from trainables.contract import Examination, Table

_TWO_SIDED_95 = 1.959964
"""Standard errors from the mean of many problems to the ends of its 95 % interval."""


def estimate(exam: Examination) -> tuple[float, float, float]:
    """Return what an examination found with its 95 % interval: (value, low, high).

    The share of problems solved, with Wilson's interval; or the mean over problems, with the normal one.
    """
    if exam.successes is not None:
        low, high = wilson(exam.successes, exam.problems)
        return exam.successes / exam.problems, low, high
    assert exam.mean is not None
    reach = _TWO_SIDED_95 * (exam.standard_error or 0.0)
    return exam.mean, exam.mean - reach, exam.mean + reach


def as_json(exam: Examination) -> dict[str, Any]:
    """Return an examination as plain values."""
    value, low, high = estimate(exam)
    found: dict[str, Any] = {"share": value} if exam.successes is not None else {"mean": value}
    found |= {"low": low, "high": high}
    if exam.successes is not None:
        found["successes"] = exam.successes
    else:
        found["standard_error"] = exam.standard_error
    return {
        "metric": exam.metric,
        **found,
        "problems": exam.problems,
        "drawn_from": exam.drawn_from,
        "tables": [
            {"title": t.title, "columns": list(t.columns), "rows": [list(row) for row in t.rows]}
            for t in exam.tables
        ],
    }


def percent(share: float) -> str:
    """Write a share in percent, with as many digits as it takes not to look like all or nothing."""
    for digits in range(2, 6):
        text = f"{share:.{digits}%}"
        if share in (0, 1) or float(text[:-1]) not in (0, 100):
            break
    return text


def headline(exam: Examination) -> str:
    """Say in one line how well the model did."""
    name = exam.metric.replace("_", " ")
    if exam.successes is not None:
        share, low, high = map(percent, estimate(exam))
        counted = f"{exam.successes:,} of {exam.problems:,} {exam.called}"
        return f"{name} {share} (95 % interval {low} to {high}), {counted}"
    mean, below, above = estimate(exam)
    return (
        f"{name} {mean:.4f} (95 % interval {below:.4f} to {above:.4f}), over {exam.problems:,} {exam.called}"
    )


def cell(value: Any) -> str:
    """Write a cell of an examination's table: shares with five digits, the rest as it is."""
    return f"{value:.5f}" if isinstance(value, float) else str(value)


def markdown_table(table: Table) -> str:
    """Write an examination's table in Markdown."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join(map(cell, row)) + " |" for row in table.rows]
    return "\n".join(lines) + "\n"
