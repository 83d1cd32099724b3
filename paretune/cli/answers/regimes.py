"""``paretune regimes``: which learning rates are too slow, which work, and which diverge."""

from __future__ import annotations

from typing import Annotated

import typer

from paretune.cli.answers.findings import Export, FigureFile, Where, open_rows, show_finding
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results, RunName


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("regimes", help=_HELP, short_help=_SHORT)(regimes)


_SHORT = "The learning rates that are too slow, work, and diverge, at each size."
_HELP = """Tell at each size which learning rates are too slow, which work, and which diverge.

Every trial is put into a regime by its ending and by the curve of its loss: too slow (still falling at the
end), stuck (a plateau), works, unstable (had the target and lost it, or the loss rose again), diverges. The
edges of the band that works are the rates at which half of the trials work, as power laws of the size; the
best rate is in their middle. Intervals are of configurations, not of trials. With --figure the map of rate
against size is written.

\b
Examples:
  paretune regimes learning-rate-regimes
  paretune regimes learning-rate-regimes --size d_model --figure regimes.png
  paretune regimes gpt2-laptop --rate muon_lr --where optimizer=muon --export regimes.csv
"""

Rate = Annotated[
    str, typer.Option("--rate", metavar="NAME", help="The parameter that is the rate: any number above 0.")
]
Size = Annotated[
    str,
    typer.Option("--size", metavar="NAME", help="The parameter that is the size: params, or any other."),
]


def regimes(
    name: RunName,
    rate: Rate = "lr",
    size: Size = "params",
    where: Where = None,
    export: Export = None,
    figure: FigureFile = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Print the regimes; see the help text."""
    from analysis.regimes import regimes as regimes_of

    rows = open_rows(results, name, where)
    return show_finding(regimes_of(rows, rate, size), export=export, figure=figure, as_json=as_json)
