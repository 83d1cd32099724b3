"""``paretune frontier``: the Pareto frontier, as a table, a file, and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.layout import ExportError
from paretune.commands.options import DEFAULT_RESULTS, AsJson, Results, RunName
from paretune.exits import OK
from paretune.runs import RunFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("frontier", help=_HELP, short_help=_SHORT)(frontier)


_SHORT = "Show, export and draw the frontier."
_HELP = """Show the frontier of parameters against accuracy, export it, and draw it.

The frontier holds the configurations that no other beats in both. Diverged and failed trials are
left out and counted. The figure is written to results/NAME/frontier.png and .svg.

\b
Examples:
  paretune frontier parameter-cliff
  paretune frontier parameter-cliff --export frontier.csv     # or .json, .parquet, .md
  paretune frontier parameter-cliff --figure slide.svg
"""


def frontier(
    name: RunName,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FILE", help="Write the table to FILE: .csv, .json, .parquet or .md."
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", metavar="FILE", help="Write the figure to FILE: .png, .svg or .pdf."),
    ] = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Print, export and draw the frontier; see the help text."""
    from analysis.configurations import columns_of
    from analysis.export import export as export_table
    from analysis.export import records
    from analysis.frontier import frontier as compute
    from analysis.plots import FIGURE_FORMATS, frontier_figure, save_figure
    from analysis.rows import SearchRows
    from paretune.commands.printing import (
        configuration_rows,
        left_out,
        make_console,
        print_json,
        print_rows,
    )

    folder = RunFolder.open(results, name)
    folder.require_rows()
    if figure is not None and figure.suffix not in FIGURE_FORMATS:
        raise ExportError(f"{figure} must end in one of {', '.join(FIGURE_FORMATS)}, which names the format")
    rows = SearchRows(folder.path)
    front = compute(rows)
    console = make_console(to_stderr=as_json)
    written = [] if export is None else export_table(front.points, columns_of(rows), export)
    target = (rows.plan.target or {}).get(front.metric)
    unit = rows.metrics[front.metric]["unit"]
    drawing = frontier_figure(front, unit=unit, target=target, title=f"{folder.name}: how small still works")
    for path in [figure] if figure else [folder.path / f"frontier.{ending}" for ending in ("png", "svg")]:
        save_figure(drawing, path)
        written.append(path)
    if as_json:
        print_json(
            {
                "metric": front.metric,
                "direction": front.direction,
                "frontier": records(front.points),
                "left_out": {
                    "diverged": front.diverged,
                    "failed": front.failed,
                    "unfinished": front.unfinished,
                },
                "written": [str(path) for path in written],
            }
        )
        return OK
    if front.points.empty:
        console.print("No trial has a result yet.")
    else:
        headers, cells = configuration_rows(rows, front.points, first=["configuration"])
        print_rows(console, headers, cells)
    if left_out(front):
        console.print(left_out(front))
    console.print(f"written: {', '.join(map(str, written))}", soft_wrap=True)
    return OK
