"""``paretune retrain``: confirm a configuration on fresh seeds, and keep the best model."""

from __future__ import annotations

from typing import Annotated

import typer

from paretune.cli.exits import INTERRUPTED, OK, OUR_FAILURE
from paretune.cli.options import DEFAULT_RESULTS, AllowTaskCode, AsJson, Device, Results, RunName

Configuration = Annotated[
    int | None, typer.Option("--configuration", min=0, help="Number of the configuration, as rank shows it.")
]
FreshSeeds = Annotated[int, typer.Option("--seeds", min=1, max=500, help="Fresh seeds to train.")]
Problems = Annotated[
    int, typer.Option("--problems", min=1, help="Held-out problems to evaluate each checkpoint on.")
]


def retrain(
    name: RunName,
    configuration: Configuration = None,
    seeds: FreshSeeds = 3,
    problems: Problems = 10_000,
    device: Device = "auto",
    results: Results = DEFAULT_RESULTS,
    allow_task_code: AllowTaskCode = False,
    as_json: AsJson = False,
) -> int:
    """Confirm a configuration on fresh seeds, and keep the best model.

    Retrains a configuration of a search at its full budget, on seeds that the search never used. By default
    the configuration that reached the target at the least cost: the smallest one, or the fastest, whichever
    the plan's first cost objective asks for. Seeds are trained one after the other, alone on the device.
    For a loss, the mean at the end is stated with its standard error and the p-value against the target,
    and as a leaderboard's row. The best checkpoint by validation is kept and evaluated on held-out problems
    that no trial saw. The report is results/NAME/retrain/*/report.md, and every seed is a row of
    results/NAME/confirmations.jsonl, as those of `paretune confirm` are.

    \b
    Examples:
      paretune retrain parameter-cliff
      paretune retrain parameter-cliff --configuration 7 --seeds 5
    """
    import paretune
    from paretune.cli.running import say_if_running
    from paretune.terminal.printing import make_console, print_json

    console = make_console(to_stderr=as_json)
    search = paretune.open(name, results)
    say_if_running(search)
    retrained = search.retrain(
        configuration,
        seeds=seeds,
        problems=problems,
        device=device,
        allow_task_code=allow_task_code,
        progress=console,
    )
    if retrained.interrupted:
        console.print(
            f"Interrupted; the report is on {len(retrained.runs)} of {seeds} seeds.", style="yellow"
        )
    if as_json:
        print_json(retrained.as_json())
    if retrained.best is None:
        console.print(f"Every seed diverged; see {retrained.report}.", style="red", soft_wrap=True)
        return OUR_FAILURE
    *others, best = retrained.sentences
    console.print()
    for sentence in others:
        console.print(sentence, soft_wrap=True)
    console.print(best, style="bold", soft_wrap=True)
    console.print(f"report:     {retrained.report}\ncheckpoint: {retrained.checkpoint}", soft_wrap=True)
    return INTERRUPTED if retrained.interrupted else OK
