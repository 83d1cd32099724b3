"""``paretune frontier``: the Pareto frontier, as a table, a file, and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.files.layout import ExportError
from paretune.cli.answers.findings import Export, FigureFile
from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results, RunName

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.frontier import Frontier

Against = Annotated[
    str | None,
    typer.Option(
        "--against",
        metavar="METRIC",
        help="Set quality against this cost, instead of those among the plan's objectives.",
    ),
]
Quality = Annotated[
    str | None,
    typer.Option("--quality", metavar="METRIC", help="success_rate, a metric of the task, or a second cost."),
]


def frontier(
    name: RunName,
    export: Export = None,
    figure: FigureFile = None,
    against: Against = None,
    quality: Quality = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Show, export and draw the frontier.

    The frontier of a cost against quality holds the configurations that no other beats in both. The quality
    is the expected success rate where the task is all or nothing, and the mean loss where it is not; the
    cost is the number of parameters, or each cost among the plan's objectives. Where the plan names nothing
    but costs, they are set against each other. --against takes any other cost, and --quality any other
    quality, or a second cost. A cost of reaching the target is that of a success: all that the trials
    spent, over those that solved. Where it is looked at, only configurations that reach the target are
    considered; the others are counted.

    The figure is written to results/NAME/frontier.png and .svg; with --against METRIC to
    frontier-METRIC.png and .svg, so that the figure of the plan's own objectives stays.

    \b
    Examples:
      paretune frontier parameter-cliff
      paretune frontier parameter-cliff --export frontier.csv     # or .json, .parquet, .md
      paretune frontier parameter-cliff --figure slide.svg
      paretune frontier parameter-cliff --against cpu_seconds_to_target
      paretune frontier parameter-cliff --against params --quality cpu_seconds_to_target
    """
    import paretune
    from analysis.names import shown_name
    from paretune.api.findings import rows_of
    from paretune.api.frontiers import as_json as content_of
    from paretune.api.frontiers import figure_of
    from paretune.cli.running import say_if_running
    from paretune.terminal.frontiers import print_frontiers
    from paretune.terminal.printing import make_console, print_json

    search = paretune.open(name, results)
    say_if_running(search)
    fronts = search.frontiers(against, quality)
    drawing = figure_of(fronts)
    written = _asked_for(fronts, drawing, export, figure)
    not_written = None
    if drawing is not None and figure is None:
        stem = "-".join(["frontier", *(asked for asked in (against, quality) if asked is not None)])
        usual = [search.folder / f"{stem}.{ending}" for ending in ("png", "svg")]
        try:
            _draw(drawing, usual)
            written += usual
        except ExportError as error:
            # Nobody asked for it, and the table is what the command is about.
            not_written = f"The figure was not written: {error}. Name another file with --figure FILE."
    if as_json:
        print_json({**content_of(fronts), "written": [str(path) for path in written]})
    else:
        console = make_console()
        print_frontiers(console, rows_of(search), fronts)
        if written:
            console.print(f"written: {', '.join(map(shown_name, written))}", soft_wrap=True)
    if not_written is not None:
        make_console(to_stderr=True).print(not_written, style="yellow", soft_wrap=True)
    return OK


def _asked_for(
    fronts: Sequence[Frontier], drawing: Figure | None, export: Path | None, figure: Path | None
) -> list[Path]:
    """Write the files that were asked for, and return them.

    Raises:
        ExportError: a file's ending names no format, there is nothing to draw, or it cannot be written.
    """
    from analysis.export import export as export_table
    from analysis.pictures.painting import FIGURE_FORMATS
    from paretune.api.frontiers import table_of

    if figure is not None and figure.suffix not in FIGURE_FORMATS:
        raise ExportError(f"{figure} must end in one of {', '.join(FIGURE_FORMATS)}, which names the format")
    written = [] if export is None else export_table(*table_of(fronts), export)
    if figure is not None:
        if drawing is None:
            raise ExportError(f"there is nothing to draw yet: {fronts[0].sentences[-1]}")
        _draw(drawing, [figure])
        written.append(figure)
    return written


def _draw(drawing: Figure, paths: Sequence[Path]) -> None:
    """Write the figure to files.

    Raises:
        ExportError: one of them cannot be written.
    """
    from analysis.pictures.painting import save_figure

    for path in paths:
        try:
            save_figure(drawing, path)
        except OSError as error:
            raise ExportError(f"{path} cannot be written: {error.strerror or error}") from error
