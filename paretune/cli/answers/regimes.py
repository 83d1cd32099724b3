"""``paretune regimes``: which learning rates are too slow, which work, and which diverge."""

from __future__ import annotations

from typing import Annotated

import typer

from paretune.cli.answers.findings import Output, Rows, show_finding
from paretune.cli.grouping import grouped
from paretune.cli.options import RunName

Rate = Annotated[
    str, typer.Option("--rate", metavar="NAME", help="Parameter that is the rate: any number above 0.")
]
Size = Annotated[
    str, typer.Option("--size", metavar="NAME", help="Parameter that is the size: params, or any other.")
]


@grouped
def regimes(
    name: RunName,
    *,
    rate: Rate = "lr",
    size: Size = "params",
    rows: Rows,
    output: Output,
) -> int:
    """Show which learning rates are too slow, work, or diverge.

    Puts each trial into a regime, by how it ended and by its loss curve: too slow (still falling at the end),
    stuck (a plateau), works, unstable (reached the target and lost it, or the loss rose again), diverges. The
    edges of the band that works are the rates at which half of the trials work, as power laws of the size;
    the best rate is in their middle. Intervals are over configurations, not trials. --figure draws the map of
    rate against size.

    \b
    Examples:
      paretune regimes learning-rate-regimes
      paretune regimes learning-rate-regimes --size d_model --figure regimes.png
      paretune regimes gpt2-laptop --rate muon_lr --where optimizer=muon --export regimes.csv
    """
    return show_finding(rows.open(name).regimes(rate, size), output)
