"""Accuracy of confirmed models by group of problems: by digit, by number of carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.confirmation import confirmations
from analysis.files.layout import Column
from analysis.finding import Table
from analysis.outcomes import OUTCOMES
from analysis.pictures.marks import Axis, Picture, Points
from analysis.rows import SearchRows
from analysis.text import plural, rounded_percent

_COUNTED = ("right", "of", "share")
"""The last columns of an evaluation's table that splits problems into groups; the first names the groups."""

MOST_CONFIGURATIONS = 7
"""Configurations in one picture; more have no marks of their own."""

_OUTCOME_OF = {"solved": "solved", "finished": "not learned", "diverged": "diverged"}


@dataclass(frozen=True, kw_only=True)
class Positions:
    """How the evaluations of confirmed models split: a row for each model and group of problems.

    ``shares`` has ``table`` (its title), ``groups`` (what they are groups of), ``group``, ``configuration``,
    ``params``, ``seed``, ``ending``, ``right``, ``of`` and ``share``.
    """

    shares: pd.DataFrame

    @property
    def pictures(self) -> Sequence[Picture]:
        """One for each way to split the problems."""
        return [_picture(str(title), own) for title, own in self.shares.groupby("table", sort=False)]

    @property
    def tables(self) -> Sequence[Table]:
        """One for each way to split the problems: the worst and the median model of every configuration."""
        return [_table(str(title), own) for title, own in self.shares.groupby("table", sort=False)]


def positions(rows: SearchRows) -> Positions:
    """Return how evaluations of models trained on fresh seeds split; empty where none was evaluated so."""
    fresh = confirmations(rows)
    found = []
    for row in fresh.to_dict("records") if "tables" in fresh.columns else ():
        for table in row["tables"] if isinstance(row["tables"], list) else ():
            if tuple(table["columns"][1:]) == _COUNTED:
                found += [_share_of(row, table, cells) for cells in table["rows"]]
    columns = [*("table", "groups", "group", "configuration", "params", "seed", "ending"), *_COUNTED]
    return Positions(shares=pd.DataFrame(found, columns=columns))


def _share_of(row: dict[Any, Any], table: dict[str, Any], cells: Sequence[Any]) -> dict[str, Any]:
    group, right, of, share = cells
    return {
        "table": table["title"],
        "groups": table["columns"][0],
        "group": str(group),
        **{name: row[name] for name in ("configuration", "params", "seed", "ending")},
        "right": right,
        "of": of,
        "share": share,
    }


def _picture(title: str, shares: pd.DataFrame) -> Picture:
    places = {group: place for place, group in enumerate(shares["group"].drop_duplicates())}
    configurations = shares[["configuration", "params"]].drop_duplicates().sort_values("params")
    drawn = configurations["configuration"].tolist()[:MOST_CONFIGURATIONS]
    # One configuration is split by what became of its seeds, several are told apart by their marks.
    if len(drawn) == 1:
        outcomes = shares["ending"].map(_OUTCOME_OF)
        kinds: list[tuple[str, str, pd.DataFrame]] = [
            (name, name, shares[outcomes == name]) for name in OUTCOMES
        ]
    else:
        kinds = [
            (f"series {index}", f"configuration {number}", shares[shares["configuration"] == number])
            for index, number in enumerate(drawn)
        ]
    kinds = [kind for kind in kinds if len(kind[2])]
    marks = []
    for index, (role, label, own) in enumerate(kinds):
        seeds = own["seed"].rank(method="dense").to_numpy(dtype=float)
        # Beside one another, so that equal shares do not hide each other.
        aside = (index + seeds / (seeds.max() + 1)) / len(kinds) * 0.7 - 0.35
        marks.append(
            Points(
                x=(own["group"].map(places).to_numpy(dtype=float) + aside).tolist(),
                y=own["share"].astype(float).tolist(),
                role=role,
                label=label,
                tells=[_told(row) for row in own.itertuples()],
                sizes=[0.5] * len(own),
            )
        )
    left_out = len(configurations) - len(drawn)
    seeds_drawn = shares[["configuration", "seed"]].drop_duplicates()
    caption = (
        f"Each dot is a model trained on a fresh seed ({plural(len(seeds_drawn), 'model')} of "
        f"{plural(len(configurations), 'configuration')}), evaluated on problems that no trial saw."
    )
    if left_out:
        caption += f" The {left_out} largest configurations are in the table only."
    lowest = float(shares["share"].min())
    margin = 0.05 * (1.02 - lowest)
    return Picture(
        name="positions-" + "-".join(title.lower().split()),
        title=title,
        x=Axis(
            label=str(shares["groups"].iloc[0]),
            ticks={float(place): group for group, place in places.items()},
            limits=(-0.5, len(places) - 0.5),
        ),
        y=Axis(label="right", unit="share", limits=(lowest - margin, 1 + margin)),
        marks=marks,
        caption=caption,
    )


def _told(row: Any) -> str:
    return (
        f"configuration {row.configuration}, seed {row.seed}: {row.ending}\n"
        f"{row.group}: {row.right:,} of {row.of:,} right, {rounded_percent(row.share)}"
    )


def _table(title: str, shares: pd.DataFrame) -> Table:
    groups = str(shares["groups"].iloc[0])
    grouped = shares.groupby(["configuration", "group"], sort=False)
    frame = grouped.agg(
        params=("params", "first"),
        models=("seed", "nunique"),
        problems=("of", "max"),
        lowest=("share", "min"),
        median=("share", "median"),
        highest=("share", "max"),
    ).reset_index()
    return Table(
        title=title,
        frame=frame.sort_values("params", kind="stable", ignore_index=True).rename(columns={"group": groups}),
        columns=(
            Column("configuration", "", "number of the configuration"),
            Column(groups, "", "the group of problems, or of answer positions"),
            Column("params", "parameters", "exact number of unique parameters"),
            Column("models", "models", "models that were evaluated, one per fresh seed"),
            Column("problems", "problems", "problems, or answers, in the group"),
            Column("lowest", "share", "share correct of the worst model"),
            Column("median", "share", "share correct of the median model"),
            Column("highest", "share", "share correct of the best model"),
        ),
    )
