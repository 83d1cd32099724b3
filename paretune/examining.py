"""Examinations as values and text, the same in reports, on the terminal, and as JSON."""

from __future__ import annotations

from typing import Any

from analysis.intervals import wilson
from trainables.contract import Examination, Table


def rate_with_interval(exam: Examination) -> tuple[float, float, float]:
    """Return the share of problems solved with its 95 % interval: (share, low, high)."""
    low, high = wilson(exam.successes, exam.problems)
    return exam.successes / exam.problems, low, high


def as_json(exam: Examination) -> dict[str, Any]:
    """Return an examination as plain values."""
    share, low, high = rate_with_interval(exam)
    return {
        "metric": exam.metric,
        "share": share,
        "low": low,
        "high": high,
        "successes": exam.successes,
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
    share, low, high = map(percent, rate_with_interval(exam))
    return (
        f"{exam.metric.replace('_', ' ')} {share} (95 % interval {low} to {high}), "
        f"{exam.successes:,} of {exam.problems:,} held-out problems"
    )


def cell(value: Any) -> str:
    """Write a cell of an examination's table: shares with five digits, the rest as it is."""
    return f"{value:.5f}" if isinstance(value, float) else str(value)


def markdown_table(table: Table) -> str:
    """Write an examination's table in Markdown."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join(map(cell, row)) + " |" for row in table.rows]
    return "\n".join(lines) + "\n"
