"""``paretune confirm``: chosen configurations of a search on fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from paretune.cli.answers.findings import Export, FigureFile, show_finding
from paretune.cli.exits import INTERRUPTED
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Device, Results, RunName
from paretune.record.run_folder import RunFolder

if TYPE_CHECKING:
    from rich.console import Console

    from paretune.confirm.points import Point
    from paretune.confirm.seeds import Bench


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("confirm", help=_HELP, short_help=_SHORT)(confirm)


_SHORT = "Train chosen configurations on fresh seeds."
_HELP = """Train chosen configurations at their full budget on seeds that the search never used.

The best configuration of many is in part the luckiest, and its success rate or loss in the search is too
good. On fresh seeds it is not. Seeds are trained one after the other, alone on the device, and each is
evaluated on held-out problems. As soon as one is done it is a row of results/NAME/confirmations.jsonl. After
Ctrl-C the same command goes on with the seeds that are missing, and more --seeds add to those there are. In
the end found and confirmed stand side by side.

--points says which configurations: frontier, those on the frontier of which a seed has solved, as the search
alone found it; top:5, the first five as rank orders the search alone; or numbers.

\b
Examples:
  paretune confirm parameter-cliff
  paretune confirm parameter-cliff --points top:5 --seeds 12
  paretune confirm parameter-cliff --points 8,2
"""


def confirm(
    name: RunName,
    points: Annotated[
        list[str],
        typer.Option(
            "--points",
            metavar="POINTS",
            help="frontier, top:N, or numbers of configurations with commas. May be repeated.",
        ),
    ] = ["frontier"],  # noqa: B006 typer needs a value, and makes a list of its own
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=500, help="Fresh seeds that each shall have.")
    ] = 8,
    problems: Annotated[
        int, typer.Option("--problems", min=1, help="Held-out problems to evaluate each seed on.")
    ] = 10_000,
    device: Device = "auto",
    export: Export = None,
    figure: FigureFile = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Confirm configurations; see the help text."""
    from analysis.rows import SearchRows
    from paretune.confirm.points import choose_points
    from paretune.plan.binding import bind

    folder = RunFolder.open(results, name)
    folder.require_rows()
    bound = bind(folder.plan)
    chosen = choose_points(SearchRows(folder.path), bound, points, seeds)

    import torch

    from analysis.confirmation import confirmation
    from analysis.layout import CONFIRMATIONS_FILE
    from analysis.lines import mend_last_line
    from analysis.text import plural
    from paretune.confirm.seeds import Bench, require_trainable
    from paretune.devices import pick_device
    from paretune.terminal.printing import make_console

    console = make_console(to_stderr=as_json)
    torch_device = pick_device(device)
    for point in chosen:
        require_trainable(bound, point.number, point.values, torch_device)
    torch.set_num_threads(max(1, int(bound.plan.resources.cpu)))
    # Alone on the device: no search, and no other confirmation of it, meanwhile.
    with folder.locked():
        mend_last_line(folder.path / CONFIRMATIONS_FILE)
        _say_plan(console, folder, chosen, seeds, str(torch_device))
        bench = Bench.on(folder.path, bound, torch_device, problems)
        trained = _train(console, bench, chosen)
    missing = sum(len(point.missing) for point in chosen)
    if trained < missing:
        numbers = ",".join(str(point.number) for point in chosen)
        wanted = seeds * len(chosen)
        console.print(
            f"Interrupted; {wanted - missing + trained} of {plural(wanted, 'seed')} are there. Go on with "
            f"`paretune confirm {folder.shown} --points {numbers} --seeds {seeds}`",
            style="yellow",
            soft_wrap=True,
        )
        return INTERRUPTED
    console.print()
    finding = confirmation(SearchRows(folder.path))
    return show_finding(finding, export=export, figure=figure, as_json=as_json)


def _train(console: Console, bench: Bench, points: Sequence[Point]) -> int:
    """Train the seeds that are missing, and return how many were done before the end, or Ctrl-C."""
    from paretune.confirm.seeds import confirm_seed
    from paretune.terminal.progress import SeedProgress

    done = 0
    try:
        # One folder for all seeds: Ctrl-C between two of them finds none that was just made.
        with TemporaryDirectory(prefix="paretune-") as scratch:
            for point in points:
                if not point.missing:
                    continue
                console.print(f"\nconfiguration {point.number}, {point.params:,} parameters")
                with SeedProgress(console, bench.bound, point.values, len(point.missing)) as progress:
                    for index in point.missing:
                        run = confirm_seed(
                            bench,
                            point.number,
                            point.values,
                            index,
                            folder=Path(scratch),
                            keeps_checkpoint=False,
                            progress=progress.report,
                            evaluating=progress.evaluating,
                        )
                        done += 1
                        progress.seed_ended(run)
    except KeyboardInterrupt:
        pass
    return done


def _say_plan(console: Console, folder: RunFolder, points: Sequence[Point], seeds: int, device: str) -> None:
    """Say what will be done, and how long that may take."""
    from analysis.text import duration, plural

    fresh = plural(seeds, "fresh seed")
    if not any(point.missing for point in points):
        console.print(f"{fresh} of each are confirmed already: nothing is left to train.")
        return
    what = plural(len(points), "configuration")
    console.print(f"Confirming {what} of {folder.name} on {fresh} each, one at a time on {device}:")
    for point in points:
        left = len(point.missing)
        told = f"  configuration {point.number}, {point.params:,} parameters: {plural(left, 'seed')}"
        told += f", {seeds - left} there already" if left < seeds else ""
        if left and point.seconds is not None:
            told += f", about {duration(point.seconds * left)}"
        console.print(told, soft_wrap=True)
    known = [point.seconds * len(point.missing) for point in points if point.seconds is not None]
    if len(known) == len(points):
        console.print(f"About {duration(sum(known))} in all, and evaluations, by what the search took.")
