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
left out and counted. Where the plan's objectives name other costs, such as seconds_to_target, there
is a frontier for each. On that of a cost of reaching the target only those configurations stand that
reached it with more than half of their seeds; the others are left out and counted. The figure is
written to results/NAME/frontier.png and .svg; with --against METRIC to frontier-METRIC.png and .svg, so
that the figure of the plan's own objectives stays.

\b
Examples:
  paretune frontier parameter-cliff
  paretune frontier parameter-cliff --export frontier.csv     # or .json, .parquet, .md
  paretune frontier parameter-cliff --figure slide.svg
  paretune frontier parameter-cliff --against cpu_seconds_to_target
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
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="METRIC",
            help="Set accuracy against this cost, instead of those among the plan's objectives.",
        ),
    ] = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Print, export and draw the frontier; see the help text."""
    from analysis.export import export as export_table
    from analysis.plots import FIGURE_FORMATS, save_figure
    from analysis.rows import SearchRows
    from paretune.commands.frontiers import as_json as content_of
    from paretune.commands.frontiers import figure_of, frontiers_of, print_frontiers, table_of
    from paretune.commands.printing import make_console, print_json

    folder = RunFolder.open(results, name)
    folder.require_rows()
    if figure is not None and figure.suffix not in FIGURE_FORMATS:
        raise ExportError(f"{figure} must end in one of {', '.join(FIGURE_FORMATS)}, which names the format")
    rows = SearchRows(folder.path)
    fronts = frontiers_of(rows, against)
    console = make_console(to_stderr=as_json)
    written = [] if export is None else export_table(*table_of(rows, fronts), export)
    drawing = figure_of(rows, fronts, folder.name)
    stem = "frontier" if against is None else f"frontier-{against}"
    for path in [figure] if figure else [folder.path / f"{stem}.{ending}" for ending in ("png", "svg")]:
        save_figure(drawing, path)
        written.append(path)
    if as_json:
        print_json({**content_of(fronts), "written": [str(path) for path in written]})
        return OK
    print_frontiers(console, rows, fronts, titled=False)
    console.print(f"written: {', '.join(map(str, written))}", soft_wrap=True)
    return OK
