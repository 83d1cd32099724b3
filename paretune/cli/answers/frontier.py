"""``paretune frontier``: the Pareto frontier, as a table, a file, and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.layout import ExportError
from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results, RunName
from paretune.record.run_folder import RunFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("frontier", help=_HELP, short_help=_SHORT)(frontier)


_SHORT = "Show, export and draw the frontier."
_HELP = """Show the frontier of a cost against quality, export it, and draw it.

The frontier holds the configurations that no other beats in both. The quality is the expected success rate
where the task is all or nothing, and the mean loss where it is not; the cost is the number of parameters, or
each cost among the plan's objectives. Where the plan names nothing but costs, they are set against each
other. --against takes any other cost, and --quality any other quality, or a second cost. A cost of reaching
the target is that of a success: all that the trials spent, over those that solved. Where it is looked at,
only configurations that reach the target are considered; the others are counted.

The figure is written to results/NAME/frontier.png and .svg; with --against METRIC to frontier-METRIC.png and
.svg, so that the figure of the plan's own objectives stays.

\b
Examples:
  paretune frontier parameter-cliff
  paretune frontier parameter-cliff --export frontier.csv     # or .json, .parquet, .md
  paretune frontier parameter-cliff --figure slide.svg
  paretune frontier parameter-cliff --against cpu_seconds_to_target
  paretune frontier parameter-cliff --against params --quality cpu_seconds_to_target
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
            help="Set quality against this cost, instead of those among the plan's objectives.",
        ),
    ] = None,
    quality: Annotated[
        str | None,
        typer.Option(
            "--quality", metavar="METRIC", help="success_rate, a metric of the task, or a second cost."
        ),
    ] = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Print, export and draw the frontier; see the help text."""
    from analysis.export import export as export_table
    from analysis.names import shown_name
    from analysis.pictures.painting import FIGURE_FORMATS, save_figure
    from analysis.rows import SearchRows
    from paretune.terminal.frontiers import as_json as content_of
    from paretune.terminal.frontiers import figure_of, frontiers_of, print_frontiers, table_of
    from paretune.terminal.printing import make_console, print_json

    folder = RunFolder.open(results, name)
    folder.require_rows()
    if figure is not None and figure.suffix not in FIGURE_FORMATS:
        raise ExportError(f"{figure} must end in one of {', '.join(FIGURE_FORMATS)}, which names the format")
    rows = SearchRows(folder.path)
    fronts = frontiers_of(rows, against, quality)
    console = make_console(to_stderr=as_json)
    written = [] if export is None else export_table(*table_of(fronts), export)
    drawing = figure_of(fronts)
    if drawing is None and figure is not None:
        raise ExportError(f"there is nothing to draw yet: {fronts[0].sentences[-1]}")
    if drawing is not None:
        stem = "-".join(["frontier", *(name for name in (against, quality) if name is not None)])
        usual = [folder.path / f"{stem}.{ending}" for ending in ("png", "svg")]
        for path in usual if figure is None else [figure]:
            save_figure(drawing, path)
            written.append(path)
    if as_json:
        print_json({**content_of(fronts), "written": [str(path) for path in written]})
        return OK
    print_frontiers(console, rows, fronts)
    if written:
        console.print(f"written: {', '.join(map(shown_name, written))}", soft_wrap=True)
    return OK
