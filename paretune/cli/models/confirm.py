"""``paretune confirm``: chosen configurations of a search on fresh seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from paretune.cli.answers.findings import Output, show_finding
from paretune.cli.exits import INTERRUPTED
from paretune.cli.grouping import grouped
from paretune.cli.models.retrain import Problems
from paretune.cli.options import DEFAULT_RESULTS, AllowTaskCode, Device, Results, RunName

Points = Annotated[
    list[str],
    typer.Option(
        "--points",
        metavar="POINTS",
        help="frontier, top:N, or numbers of configurations with commas. May be repeated.",
    ),
]
SeedsEach = Annotated[int, typer.Option("--seeds", min=1, max=500, help="Fresh seeds that each shall have.")]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Options for how each seed is trained."""

    problems: Problems = 10_000
    device: Device = "auto"
    allow_task_code: AllowTaskCode = False


@grouped
def confirm(
    name: RunName,
    *,
    points: Points = ["frontier"],  # noqa: B006 typer needs a value, and makes a list of its own
    seeds: SeedsEach = 8,
    training: Training = Training(),
    results: Results = DEFAULT_RESULTS,
    output: Output,
) -> int:
    """Train chosen configurations on fresh seeds.

    They are trained at their full budget, on seeds that the search never used. The best configuration of
    many is in part the luckiest, and its success rate or loss in the search is too good. On fresh seeds it
    is not. Seeds are trained one after the other, alone on the device, and each is evaluated on held-out
    problems. As soon as one is done it is a row of results/NAME/confirmations.jsonl. After Ctrl-C the same
    command trains the seeds that are missing, and more --seeds add to those there are. In the end found and
    confirmed stand side by side.

    --points says which configurations: frontier, those on the frontier of which a seed has solved, as the
    search alone found it; top:5, the first five as rank orders the search alone; or numbers.

    \b
    Examples:
      paretune confirm parameter-cliff
      paretune confirm parameter-cliff --points top:5 --seeds 12
      paretune confirm parameter-cliff --points 8,2
    """
    import paretune
    from analysis.names import shown_name
    from analysis.text import plural
    from paretune.terminal.printing import make_console

    console = make_console(to_stderr=output.as_json)
    search = paretune.open(name, results)
    confirmed = search.confirm(points, seeds=seeds, progress=console, **vars(training))
    if confirmed.interrupted:
        numbers = ",".join(map(str, confirmed.configurations))
        console.print(
            f"Interrupted; {confirmed.done} of {plural(confirmed.wanted, 'seed')} are there. Train the rest "
            f"with `paretune confirm {shown_name(search.folder)} --points {numbers} --seeds {seeds}`",
            style="yellow",
            soft_wrap=True,
        )
        return INTERRUPTED
    console.print()
    return show_finding(confirmed.finding, output)
