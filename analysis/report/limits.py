"""Limits of a report, and failures."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from analysis.files.layout import ENDINGS, Column
from analysis.finding import Finding, Table
from analysis.outcomes import rate_of, with_outcomes
from analysis.report.sections import Section
from analysis.report.tables import shown
from analysis.rows import SearchRows
from analysis.text import plural, rounded_percent
from analysis.wording import RANDOMLY_CONTINUED

_NOT_TOLD = re.compile(r"cannot be (determined|distinguished)(?! from chance)")
_NO_ENDING = "without an ending"


def limits_section(rows: SearchRows, findings: Sequence[Finding]) -> Section:
    """Return endings, failures, unknown outcomes, and limits of the numbers."""
    tables = [_endings_table(rows), _errors_table(rows)]
    return Section(
        key="limits",
        title="Limits and failures",
        sentences=[*_unfinished(rows), *_unknown(rows), *_choice(rows)],
        facts=_not_told(findings),
        tables=[shown(table) for table in tables if len(table.frame)],
    )


def _unfinished(rows: SearchRows) -> list[str]:
    planned, started = rows.plan.trials, len(rows.trials)
    running = int(rows.trials["ending"].isna().sum())
    said = []
    if started < planned:
        said.append(f"Of {plural(planned, 'planned trial')}, {started:,} were started.")
    if running:
        verb = "has" if running == 1 else "have"
        said.append(f"{plural(running, 'trial')} {verb} no ending: still running, or the search was killed.")
    return said


def _unknown(rows: SearchRows) -> list[str]:
    if rows.plan.target is None or rows.trials.empty:
        return []
    trials = with_outcomes(rows)
    rate = rate_of(trials)
    if not rate.unknown:
        return []
    low, high = rounded_percent(rate.unknown_failed.value), rounded_percent(rate.unknown_solved.value)
    begin = (
        f"Of {plural(rate.trials, 'trial')}, {rate.unknown:,} ended before it was known whether they "
        "would have solved. They count neither as solved nor as failed. "
    )
    weight = trials["weight"].to_numpy(float)
    if (weight > 1).any():
        share = rounded_percent(float(weight[trials["outcome"] == "solved"].sum() / weight.sum()))
        return [f"{begin}{RANDOMLY_CONTINUED} So weighted, {share} of all trials solve."]
    told = f"Over all trials the share that solved is {rate}; it would be {low} if all unknown ones had "
    return [f"{begin}{told}failed, {high} if all had solved."]


def _choice(rows: SearchRows) -> list[str]:
    if rows.trials.empty:
        return []
    said = []
    if rows.plan.search.most_seeds == 1 and rows.plan.question is None:
        said.append(
            "Each configuration has one seed, so a difference between two configurations can be due to "
            "their seeds."
        )
    if not rows.plan.only and rows.plan.search.learns:
        said.append(
            "The sampler chose configurations by earlier results, so they are not a random sample of the "
            "space: a parameter can seem to matter because it was chosen together with one that does."
        )
    return said


def _not_told(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Collect what findings could not determine."""
    found = []
    for finding in findings:
        said = [sentence for sentence in finding.sentences if _NOT_TOLD.search(sentence)]
        if said:
            found.append((finding.title, " ".join(said)))
    return found


def _endings_table(rows: SearchRows) -> Table:
    counts = rows.trials["ending"].fillna(_NO_ENDING).value_counts()
    meanings = [*ENDINGS.items(), (_NO_ENDING, "still running, or its search was killed")]
    found = [
        {"ending": ending, "trials": int(counts[ending]), "meaning": meaning}
        for ending, meaning in meanings
        if ending in counts
    ]
    columns = (
        Column("ending", "", "how trials ended"),
        Column("trials", "trials", "how many"),
        Column("meaning", "", "what it means"),
    )
    frame = pd.DataFrame(found, columns=[column.name for column in columns])
    return Table(title="How trials ended", frame=frame, columns=columns)


def _errors_table(rows: SearchRows) -> Table:
    columns = (
        Column("error", "", "last line of the error"),
        Column("trials", "trials", "how many failed with it"),
        Column("first", "", "the first of them"),
    )
    trials = rows.trials
    failed = trials[trials["ending"] == "failed"]
    if failed.empty:
        return Table(
            title="Errors", frame=pd.DataFrame(columns=["error", "trials", "first"]), columns=columns
        )
    errors = (
        failed["error"] if "error" in failed.columns else pd.Series(None, index=failed.index, dtype=object)
    )
    grouped = failed.assign(error=errors.fillna("not recorded")).groupby("error", sort=False)["trial"]
    frame = pd.DataFrame({"trials": grouped.size(), "first": grouped.first()}).reset_index()
    return Table(
        title="Errors",
        frame=frame.sort_values("trials", ascending=False, kind="stable", ignore_index=True),
        columns=columns,
    )
