"""``paretune search``: run a search, or resume one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.grouping import grouped
from paretune.cli.options import (
    DEFAULT_RESULTS,
    AllowPaths,
    AllowTaskCode,
    AsJson,
    Concurrency,
    Notice,
    Replaced,
    Results,
    SearchSeed,
    Storage,
    WithinTime,
)
from paretune.cli.searches.resume import Address, conclude
from paretune.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Chosen(Replaced):
    """The same, and how to choose: options that change nothing of what a plan means."""

    seed: SearchSeed = None
    concurrency: Concurrency = None
    storage: Storage = None
    within: WithinTime = None
    notice: Notice = None
    allow_paths: AllowPaths = False


SpaceOrNone = Annotated[Path | None, typer.Argument(metavar="SPACE_FILE", help="A YAML space file.")]
Resumed = Annotated[
    str | None, typer.Option("--resume", metavar="NAME", help="Resume the search of this name.")
]
Name = Annotated[str | None, typer.Option("--name", help="Name of the search, instead of the file's.")]


@grouped
def search(
    space: SpaceOrNone = None,
    resume: Resumed = None,
    replaced: Chosen = Chosen(),
    name: Name = None,
    address: Address = "local",
    results: Results = DEFAULT_RESULTS,
    allow_task_code: AllowTaskCode = False,
    as_json: AsJson = False,
) -> int:
    """Search a space, or resume a search.

    Trains the configurations of a space file and records everything below results/NAME. A name that is
    taken gets a number, so nothing is ever overwritten. Ctrl-C and SIGTERM end the search cleanly: trials
    that run write their checkpoints, within --notice seconds; a second one ends it at once. --resume NAME, or
    the command resume, resumes it where it ended, also after a crash. With --resume, --trials extends a
    search.

    --within plans for the time at hand: it measures a few configurations first, says what is expected to end
    in time, begins no trial that is not, and says at the end how good the forecast was. The time counts from
    the command to its end.

    Exits with 1 if more than half of the trials failed.

    \b
    Examples:
      paretune search search_spaces/quickstart.yaml
      paretune search search_spaces/parameter_cliff.yaml --trials 40
      paretune search search_spaces/parameter_cliff.yaml --gpu 0.25
      paretune search search_spaces/parameter_cliff.yaml --within 1h30min
      paretune search --resume parameter-cliff
      paretune search search_spaces/under_777.yaml --learn-from under-777
      paretune search search_spaces/parameter_cliff.yaml --address auto     # on a Ray cluster
    """
    import paretune
    from paretune.api.deadline import Within
    from paretune.terminal.printing import make_console

    if (space is None) == (resume is None):
        raise InputError("name a space file, or a search to resume: --resume NAME")
    console = make_console(to_stderr=as_json)
    given = vars(replaced) | {"within": Within.of_command(replaced.within)}
    del given["allow_paths"]
    if resume is None:
        assert space is not None
        found = paretune.search(
            space,
            name=name,
            results=results,
            address=address,
            allow_task_code=allow_task_code,
            progress=console,
            **given,
        )
    else:
        fixed = {
            "--seeds": replaced.seeds,
            "--budget": replaced.budget,
            "--seed": replaced.seed,
            "--learn-from": replaced.learn_from or None,
            "--name": name,
        }
        if refused := [option for option, value in fixed.items() if value is not None]:
            raise InputError(
                "a resumed search keeps its name, seeds, budget and what it learned, so leave out "
                f"{', '.join(refused)}; only --trials may grow"
            )
        found = paretune.resume(
            resume,
            replaced.trials,
            results=results,
            address=address,
            allow_task_code=allow_task_code,
            progress=console,
            within=given["within"],
            notice=replaced.notice,
            concurrency=replaced.concurrency,
            cpu=replaced.cpu,
            gpu=replaced.gpu,
            fake_gpus=replaced.fake_gpus,
            storage=replaced.storage,
        )
    return conclude(found, console, as_json=as_json)
