"""Options that several commands share, and what they mean for a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Results = Annotated[
    Path,
    typer.Option("--results", envvar="PARETUNE_RESULTS", help="Folder of all searches.", show_default=True),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for programs.")]
SpacePath = Annotated[Path, typer.Argument(metavar="SPACE_FILE", help="A YAML space file.")]
RunName = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a search, as in results/NAME, or its folder.")
]
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
    float | None,
    typer.Option("--gpu", help="GPUs per trial, instead of the file's; with 0.25 four trials share one."),
]
Device = Annotated[
    str,
    typer.Option(
        "--device", help="Where the model runs: auto, cpu or cuda. Auto takes a GPU if there is one."
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

DEFAULT_RESULTS = Path("results")
