"""A confirmation as a table: found beside confirmed, and the change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.files.layout import Column
from analysis.finding import Table
from analysis.statistics.estimate import Estimate
from analysis.wording import metric_text

if TYPE_CHECKING:
    from analysis.confirmation.finding import Confirmation
    from analysis.confirmation.points import Confirmed, HeldOut


def table_of(found: Confirmation) -> Table:
    """Return one row for each point, with the columns that say something in this search."""
    rows = [_row(found, point) for point in found.points]
    columns = [column for column in _columns(found) if any(column.name in row for row in rows)]
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    return Table(title="Found in the search, and confirmed on fresh seeds", frame=frame, columns=columns)


def _row(found: Confirmation, point: Confirmed) -> dict[str, Any]:
    row: dict[str, Any] = {"configuration": point.configuration, "params": point.params}
    if found.target is not None:
        row |= {"found_solved": point.found.solved, "found_seeds": point.found.known}
        if any(other.found.unknown for other in found.points):
            row["found_unknown"] = point.found.unknown
        row |= {"confirmed_solved": point.fresh.solved, "confirmed_seeds": point.fresh.known}
    if found.by_rate:
        row["found"] = point.found.without_unknown.value
        row |= _ends("confirmed", point.fresh.without_unknown) | _ends("change", point.rate_change)
        if point.held_out is not None and point.held_out.of_solved:
            row["held_out_least"] = min(point.held_out.of_solved)
        return row
    row |= {"found": point.found_mean.value, **_ends("confirmed", point.fresh_mean)}
    row |= {**_ends("change", point.mean_change), "diverged": point.diverged}
    return row if point.held_out is None else row | _held_out(point.held_out)


def _held_out(held: HeldOut) -> dict[str, Any]:
    return {
        "held_out_metric": metric_text(held.metric),
        **_ends("held_out", held.estimate),
        "error_over_seeds": held.error_between,
        "error_over_units": held.error_within,
        "units": held.units,
    }


def _columns(found: Confirmation) -> list[Column]:
    what, unit, interval = "success rate", "share", "Newcombe's"
    if not found.by_rate:
        what = f"{metric_text(found.metric)} on validation data at the end, mean over seeds,"
        unit, interval = found.unit, "Welch's"
    return [
        Column("configuration", "", "number of the configuration"),
        Column("params", "parameters", "exact number of unique parameters"),
        Column("found_solved", "trials", "trials of the search that solved"),
        Column("found_seeds", "trials", "of how many whose outcome is known"),
        Column("found_unknown", "trials", "trials of the search whose outcome is not known"),
        Column("confirmed_solved", "seeds", "fresh seeds that solved"),
        Column("confirmed_seeds", "seeds", "of how many"),
        Column("found", unit, f"{what} in the search"),
        *_three("confirmed", unit, f"{what} on fresh seeds"),
        *_three("change", unit, f"confirmed less found ({interval} interval)"),
        Column("diverged", "seeds", "fresh seeds that diverged, and are in no mean"),
        Column("held_out_least", "share", "correct held-out problems of the least accurate seed that solved"),
        Column("held_out_metric", "", "what was measured on held-out data"),
        *_three("held_out", "", "that, mean over fresh seeds; the interval is of seeds and of data"),
        Column("error_over_seeds", "", "standard error of that mean over seeds"),
        Column("error_over_units", "", "standard error within a seed, over documents or other units"),
        Column("units", "", "how many documents, or other units, of equal size the data amount to"),
    ]


def _ends(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _three(name: str, unit: str, meaning: str) -> tuple[Column, Column, Column]:
    return (
        Column(name, unit, meaning),
        Column(f"{name}_low", unit, "lower end of its 95 % interval"),
        Column(f"{name}_high", unit, "upper end of its 95 % interval"),
    )
