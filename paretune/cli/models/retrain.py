"""``paretune retrain``: confirm a configuration on fresh seeds, and keep the best model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from paretune.cli.exits import INTERRUPTED, OK, OUR_FAILURE
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Device, Results, RunName
from paretune.record.run_folder import RunFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("retrain", help=_HELP, short_help=_SHORT)(retrain)


_SHORT = "Confirm a configuration on fresh seeds."
_HELP = """Retrain a configuration of a search at its full budget, on seeds that the search never used.

By default the configuration that reached the target at the least cost: the smallest one, or the
fastest, whichever the plan's first cost objective asks for. Seeds are trained one after the other,
alone on the device. For a loss, the mean at the end is stated with its standard error and the
p-value against the target, and as a leaderboard's row. The best checkpoint by validation is
kept and evaluated on held-out problems that no trial saw. The report is results/NAME/retrain/*/report.md, and
every seed is a row of results/NAME/confirmations.jsonl, as those of `paretune confirm` are.

\b
Examples:
  paretune retrain parameter-cliff
  paretune retrain parameter-cliff --configuration 7 --seeds 5
"""


def retrain(
    name: RunName,
    configuration: Annotated[
        int | None,
        typer.Option("--configuration", min=0, help="Number of the configuration, as rank shows it."),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=500, help="Fresh seeds to train.")] = 3,
    problems: Annotated[
        int, typer.Option("--problems", min=1, help="Held-out problems to evaluate each checkpoint on.")
    ] = 10_000,
    device: Device = "auto",
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Retrain and report; see the help text."""
    from analysis.rows import SearchRows
    from paretune.confirm.retraining import choose

    folder = RunFolder.open(results, name)
    folder.require_rows()
    chosen = choose(SearchRows(folder.path), configuration)

    import torch

    from analysis.layout import CONFIRMATIONS_FILE, RETRAIN_FOLDER
    from analysis.lines import mend_last_line
    from paretune.confirm.report import REPORT_FILE, write_report
    from paretune.confirm.retraining import SeedRun, best_run
    from paretune.confirm.seeds import Bench, confirm_seed, require_trainable
    from paretune.devices import pick_device
    from paretune.plan.binding import bind
    from paretune.terminal.printing import make_console, print_json
    from paretune.terminal.progress import SeedProgress

    console = make_console(to_stderr=as_json)
    bound = bind(folder.plan)
    torch_device = pick_device(device)
    require_trainable(bound, chosen.number, chosen.values, torch_device)
    torch.set_num_threads(max(1, int(bound.plan.resources.cpu)))
    place = _new_folder(folder.path / RETRAIN_FOLDER, f"c{chosen.number:03d}")
    params = bound.params(chosen.values)
    console.print(
        f"Configuration {chosen.number}, {params:,} parameters, because {chosen.why}. "
        f"Training {seeds} fresh seed{'s' * (seeds > 1)} on {torch_device}, in {place}.",
        soft_wrap=True,
    )
    mend_last_line(folder.path / CONFIRMATIONS_FILE)
    bench = Bench.on(folder.path, bound, torch_device, problems)
    runs: list[SeedRun] = []
    interrupted = False
    with SeedProgress(console, bound, chosen.values, seeds) as progress:
        try:
            for index in range(seeds):
                run = confirm_seed(
                    bench,
                    chosen.number,
                    chosen.values,
                    index,
                    folder=place / f"seed-{index}",
                    keeps_checkpoint=True,
                    progress=progress.report,
                    evaluating=progress.evaluating,
                )
                runs.append(run)
                progress.seed_ended(run)
        except KeyboardInterrupt:
            interrupted = True
    if not runs:
        # A checkpoint that no report names is of no use to anybody.
        shutil.rmtree(place)
        console.print("Interrupted before a seed was done; there is nothing to report.", style="yellow")
        return INTERRUPTED
    if interrupted:
        console.print(f"Interrupted; the report is on {len(runs)} of {seeds} seeds.", style="yellow")
    content = write_report(place, folder.name, bound, chosen, runs, torch_device)
    content |= {"report": str(place / REPORT_FILE)}
    best = best_run(bound.task, runs)
    if as_json:
        print_json(content)
    if best is None:
        console.print(f"Every seed diverged; see {place / REPORT_FILE}.", style="red")
        return OUR_FAILURE
    _say_best(console, content, best, place)
    return INTERRUPTED if interrupted else OK


def _say_best(console: Any, content: dict[str, Any], best: Any, place: Path) -> None:
    from analysis.text import between
    from paretune.confirm.evaluation import headline
    from paretune.confirm.leaderboard import sentence
    from paretune.confirm.report import REPORT_FILE

    success = content["success"]
    if content["target"] is not None:
        console.print(
            f"\n{success['solved']} of {success['seeds']} fresh seeds reached the target "
            f"(95 % interval {between(success['low'], success['high'], 'share')})."
        )
    if (said := sentence(content)) is not None:
        console.print(said)
    console.print(f"Best by validation, seed {best.seed}: {headline(best.evaluation)}.", style="bold")
    console.print(f"report:     {place / REPORT_FILE}\ncheckpoint: {best.checkpoint}", soft_wrap=True)


def _new_folder(parent: Path, stem: str) -> Path:
    """Make a folder that did not exist: the stem, or the stem with a number."""
    number = 1
    while True:
        path = parent / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return path
