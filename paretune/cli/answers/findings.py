"""Findings on the terminal, as files, and as JSON: one way for every command that shows one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.files.layout import ExportError
from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.finding import Finding, Table
    from paretune.api.searches import Search

Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="Only configurations with NAME=VALUE; also !=, <, <=, >, >=. May be repeated.",
    ),
]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Answer for each value of this parameter.")
]
Export = Annotated[
    Path | None,
    typer.Option("--export", metavar="FILE", help="Write the table to FILE: .csv, .json, .parquet or .md."),
]
FigureFile = Annotated[
    Path | None,
    typer.Option("--figure", metavar="FILE", help="Write the figure to FILE: .png, .svg or .pdf."),
]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Options that say which rows are looked at."""

    where: Where = None
    results: Results = DEFAULT_RESULTS

    def open(self, name: str) -> Search:
        """Open a search, or that part of it whose configurations satisfy the conditions.

        Raises:
            InputError: there is no such search, or it has no trials.
            SelectionError: a condition cannot be understood, or leaves nothing.
        """
        import paretune

        return paretune.open(name, self.results).where(*self.where or ())

    def open_each(self, names: Sequence[str]) -> list[tuple[int, Search]]:
        """Open several searches, or their parts, each with its place among the names; those of which the
        conditions leave nothing are left out.

        Raises:
            InputError: there is no such search, or it has no trials.
            SelectionError: a condition cannot be understood, or leaves nothing of all of them.
        """
        from analysis.selection import NothingLeftError

        found, left_out = [], None
        for place, name in enumerate(names):
            try:
                found.append((place, self.open(name)))
            except NothingLeftError as error:
                left_out = error
        if not found and left_out is not None:
            raise left_out
        return found


@dataclass(frozen=True, kw_only=True)
class Output:
    """Options that say where a finding goes besides the terminal."""

    export: Export = None
    figure: FigureFile = None
    as_json: AsJson = False


def show_finding(finding: Finding, output: Output) -> int:
    """Print a finding, write its table and its figure where that is asked for, and return the exit code."""
    from analysis.names import shown_name
    from paretune.terminal.printing import make_console, print_json

    written = _write_files(finding, output.export, output.figure)
    if output.as_json:
        print_json({**finding.as_json(), "written": [str(path) for path in written]})
        return OK
    console = make_console()
    print_finding(console, finding)
    if written:
        console.print(f"\nwritten: {', '.join(map(shown_name, written))}", soft_wrap=True)
    return OK


def print_finding(console: Console, finding: Finding) -> None:
    """Print what a finding says, and its tables."""
    for index, sentence in enumerate(finding.sentences):
        console.print(sentence, style="bold" if index == 0 else None)
    for table in finding.tables:
        if len(table.frame):
            console.print()
            print_table(console, table)


def print_table(console: Console, table: Table) -> None:
    """Print a table of a finding: an estimate and the ends of its interval in one cell, so that it fits."""
    from paretune.terminal.printing import print_rows

    units = {column.name: column.unit for column in table.columns}
    names = [str(name) for name in table.frame.columns]
    ends = _ends_of_intervals(names)
    shown = [name for name in names if not any(name in pair for pair in ends.values())]
    rows = [
        [_with_interval(dict(zip(names, row, strict=True)), name, ends, units) for name in shown]
        for row in table.frame.itertuples(index=False)
    ]
    print_rows(
        console, [name.replace("_", " ") for name in shown], rows, title=table.title, folds_cells=False
    )


def _ends_of_intervals(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the columns that hold the ends of a column's interval: the two after it, named low and high."""
    found = {}
    for value, low, high in zip(names, names[1:], names[2:], strict=False):
        if low.endswith("low") and high == low.removesuffix("low") + "high":
            found[value] = (low, high)
    return found


def _with_interval(
    row: dict[str, Any], name: str, ends: dict[str, tuple[str, str]], units: dict[str, str]
) -> str:
    value = cell(row[name], units.get(name, ""))
    if name not in ends:
        return value
    low, high = (row[end] for end in ends[name])
    missing = [end is None or end != end or abs(end) == float("inf") for end in (low, high)]
    told_low, told_high = (cell(end, units.get(name, "")) for end in (low, high))
    if all(missing) or (missing[1] and low == 0):
        return value  # nothing is bounded from below by 0
    if missing[1]:
        return f"{value} (at least {told_low})"
    if missing[0]:
        return f"{value} (at most {told_high})"
    return f"{value} ({told_low} to {told_high})"


def cell(value: Any, unit: str) -> str:
    """Write one cell; what is missing stays a dash."""
    from analysis.text import amount

    if isinstance(value, str):
        return value
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if unit not in ("s", "share") and abs(value) < 100 and value != int(value):
        return f"{value:.4g}"  # a loss: its third decimal matters
    return amount(value, unit if unit in ("s", "share") else "")


def _write_files(finding: Finding, export: Path | None, figure: Path | None) -> list[Path]:
    """Write what was asked for, and return the files.

    Raises:
        ExportError: a file's ending names no format, there is nothing to write, or it cannot be written.
    """
    from analysis.export import export as export_table
    from analysis.pictures.painting import FIGURE_FORMATS, figure_of, save_figure

    written: list[Path] = []
    if figure is not None:
        if figure.suffix not in FIGURE_FORMATS:
            named = ", ".join(FIGURE_FORMATS)
            raise ExportError(f"{figure} must end in one of {named}, which names the format")
        if not finding.pictures:
            raise ExportError(f"there is nothing to draw yet: {finding.sentences[0]}")
        try:
            figure.parent.mkdir(parents=True, exist_ok=True)
            save_figure(figure_of(finding.pictures), figure)
        except OSError as error:
            raise ExportError(f"{figure} cannot be written: {error.strerror or error}") from error
        written.append(figure)
    if export is not None:
        if not finding.tables:
            raise ExportError(f"there is no table yet: {finding.sentences[0]}")
        table = finding.tables[0]
        written += export_table(table.frame, table.columns, export)
    return written
