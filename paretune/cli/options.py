"""Options that several commands share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from analysis.files.layout import PLAN_FILE
from search_spaces.parts.resources import AUTO

DEFAULT_RESULTS = Path("results")

Results = Annotated[
    Path,
    typer.Option("--results", envvar="PARETUNE_RESULTS", help="Folder of all searches.", show_default=True),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for programs.")]
SpacePath = Annotated[Path, typer.Argument(metavar="SPACE_FILE", help="A YAML space file.")]


def complete_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of searches that a shell may complete a word to; given folders it completes itself."""
    results = Path(context.params.get("results") or os.environ.get("PARETUNE_RESULTS") or DEFAULT_RESULTS)
    found = (path.parent.name for path in results.glob(f"*/{PLAN_FILE}"))
    return sorted(name for name in found if name.startswith(incomplete))


RunName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Name of a search, as in results/NAME, or its folder.",
        autocompletion=complete_names,
    ),
]


def gpus_of(text: str) -> Any:
    """Return what ``--gpu`` says: a number, or ``auto``.

    Raises:
        BadParameter: it is neither.
    """
    if text == AUTO:
        return text
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a number nor {AUTO}.") from None


Trials = Annotated[int | None, typer.Option("--trials", min=1, help="Trials in all, instead of the file's.")]
Seeds = Annotated[
    int | None, typer.Option("--seeds", min=1, help="Seeds per configuration, instead of the file's.")
]
Budget = Annotated[
    int | None,
    typer.Option(
        "--budget",
        min=1,
        help="Steps of the longest trial, instead of the file's; other trials' and rungs' scale with it.",
    ),
]
SearchSeed = Annotated[
    int | None, typer.Option("--seed", min=0, help="Seed of the search, instead of the file's.")
]
Concurrency = Annotated[
    int | None, typer.Option("--concurrency", min=1, help="Most trials at a time, instead of the file's.")
]
Cpu = Annotated[float | None, typer.Option("--cpu", help="Processor cores per trial, instead of the file's.")]
Gpu = Annotated[
    Any,  # a number or a word, which no type of an option is
    typer.Option(
        "--gpu",
        metavar="N",
        parser=gpus_of,
        help="GPUs per trial, instead of the file's; with 0.25 four trials share one, and with auto as many "
        "as train most together.",
    ),
]
FakeGpus = Annotated[
    int | None,
    typer.Option(
        "--fake-gpus",
        metavar="N",
        min=1,
        help="Let Ray count N GPUs that this machine does not have: trials are placed by their shares, and "
        "train on the processor.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device", help="Where the model runs: auto, cpu or cuda. Auto takes a GPU if there is one."
    ),
]

WithinTime = Annotated[
    str | None,
    typer.Option(
        "--within",
        metavar="TIME",
        help="A time to be over in, such as 90min, 2h or 1h30min: no trial begins that would end later.",
    ),
]
Notice = Annotated[
    float | None,
    typer.Option(
        "--notice",
        metavar="SECONDS",
        min=1,
        help="Seconds from the first Ctrl-C or SIGTERM to the end; in them, trials that run write their "
        "checkpoints.",
        show_default="30",
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        envvar="PARETUNE_STORAGE",
        help="Where checkpoints and a copy of the rows go, for machines that share no folder: s3://, gs://, "
        "or a path. A search that is not here is resumed from there.",
    ),
]
LearnFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--learn-from",
        metavar="NAME",
        help="An earlier search whose configurations the sampler knows from the start, instead of the file's "
        "ones; repeat it for several.",
        autocompletion=complete_names,
    ),
]


def _allow_paths(allowed: bool) -> bool:
    if allowed:
        # Workers check nothing, but whoever loads the same file again in this process does.
        os.environ[ALLOW_PATHS] = "1"
    return allowed


ALLOW_PATHS = "PARETUNE_ALLOW_PATHS"
AllowPaths = Annotated[
    bool,
    typer.Option(
        "--allow-paths",
        envvar=ALLOW_PATHS,
        callback=_allow_paths,
        help="Let the space file name files and folders outside of its own folder and of this one.",
    ),
]
AllowTaskCode = Annotated[
    bool,
    typer.Option(
        "--allow-task-code",
        envvar="PARETUNE_ALLOW_TASK_CODE",
        help="Let a task run that is named by its file or module (FILE.py:CLASS): code that paretune does "
        "not know.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """Options whose values take the place of the space file's."""

    trials: Trials = None
    seeds: Seeds = None
    budget: Budget = None
    cpu: Cpu = None
    gpu: Gpu = None
    fake_gpus: FakeGpus = None
    learn_from: LearnFrom = None
