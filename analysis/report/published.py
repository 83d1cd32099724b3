"""Published figures beside those of the search."""

from __future__ import annotations

import csv
from typing import Any

import pandas as pd

from analysis.files.layout import SPACE_FILE, Column
from analysis.finding import Table
from analysis.outcomes import rate_of, with_outcomes
from analysis.report.sections import Quote, Section
from analysis.report.tables import shown
from analysis.rows import SearchRows
from analysis.text import plural
from analysis.wording import metric_text

REPORTED_FILE = "reported.csv"
"""Published figures: ``configuration``, ``name``, and a column for each metric; texts that are no numbers,
such as "not reported", are shown as they are."""

_NOT_FIGURES = ("configuration", "name", "params")


def published_section(rows: SearchRows) -> Section:
    """Return published figures beside ours, and the words with which the space file begins."""
    reported = _reported(rows)
    tables = [] if reported is None else [shown(reported)]
    said = []
    if reported is not None:
        said.append(
            f"Published figures of {plural(len(reported.frame), 'configuration')}, as single numbers, beside "
            f"what {rows.plan.search.seeds_in_words} of each gave here."
        )
    words = _first_words(rows)
    quotes = [Quote(summary="How the space file introduces the search", text=words)] if words else []
    title = "Published figures" if tables else "Background"
    return Section(key="published", title=title, sentences=said, tables=tables, quotes=quotes)


def _reported(rows: SearchRows) -> Table | None:
    path = rows.folder / REPORTED_FILE
    if not path.exists() or rows.trials.empty:
        return None
    with path.open(newline="", encoding="utf-8") as file:
        stated = [row for row in csv.DictReader(file) if (row.get("configuration") or "").isdigit()]
    trials = with_outcomes(rows)
    by_number = {int(str(number)): own for number, own in trials.groupby("configuration")}
    figures = [name for name in (stated[0] if stated else {}) if name not in _NOT_FIGURES]
    found = [
        _beside(rows, row, figures, by_number[number])
        for row in stated
        if (number := int(row["configuration"])) in by_number
    ]
    columns = _columns(rows, figures)
    if not found:
        return None
    frame = pd.DataFrame(found, columns=[column.name for column in columns])
    return Table(title="Published, and here", frame=frame, columns=columns)


def _beside(
    rows: SearchRows, stated: dict[str, str], figures: list[str], own: pd.DataFrame
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "configuration": int(stated["configuration"]),
        "name": stated.get("name"),
        "params": int(own["params"].iloc[0]),
    }
    for name in figures:
        row[f"published_{name}"] = stated[name]
        if name in own.columns and name in rows.metrics:
            row |= {f"lowest_{name}": own[name].min(), f"highest_{name}": own[name].max()}
    if rows.plan.target is not None:
        rate = rate_of(own)
        estimate = rate.without_unknown
        row |= {
            "solved": rate.solved,
            "known": rate.known,
            "rate_low": estimate.low if rate.known else None,
            "rate_high": estimate.high if rate.known else None,
        }
    return row


def _columns(rows: SearchRows, figures: list[str]) -> list[Column]:
    columns = [
        Column("configuration", "", "number of the configuration"),
        Column("name", "", "its published name"),
        Column("params", "parameters", "exact number of unique parameters"),
    ]
    for name in figures:
        columns.append(Column(f"published_{name}", "", f"{metric_text(name)} as it was published"))
        if name in rows.metrics:
            unit = rows.metrics[name]["unit"]
            columns.append(Column(f"lowest_{name}", unit, f"lowest {metric_text(name)} of the seeds here"))
            columns.append(Column(f"highest_{name}", unit, f"highest {metric_text(name)} of the seeds here"))
    if rows.plan.target is not None:
        columns += [
            Column("solved", "trials", "seeds here that solved"),
            Column("known", "trials", "seeds here with a known outcome"),
            Column("rate_low", "share", "lower end of the success rate's 95 % interval (Wilson)"),
            Column("rate_high", "share", "upper end of it"),
        ]
    return columns


def _first_words(rows: SearchRows) -> str:
    """Return the comment with which the space file begins, without what is for editors."""
    path = rows.folder / SPACE_FILE
    if not path.exists():
        return ""
    words = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# yaml-language-server:"):
            words.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(words).strip()
