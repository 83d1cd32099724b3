"""Options that several commands share, and what they mean for a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from paretune.binding import BoundPlan, bind, unknown_task
from paretune.checks import largest_budget, mistakes_in, mistakes_in_keys
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import KeyPath, Mistake

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
        help="Steps per trial, instead of the file's; early stopping's rungs scale with it.",
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

DEFAULT_RESULTS = Path("results")


def load_bound(space: SpaceFile, overrides: dict[KeyPath, Any], budget: int | None) -> BoundPlan:
    """Return the checked plan of a space file, with the values that were given on the command line.

    Raises:
        SpaceFileError: with every mistake.
    """
    given = {path: value for path, value in overrides.items() if value is not None}
    bound, mistakes = _bind(space, given)
    if budget is not None and not mistakes:
        bound, mistakes = _bind(space, given | _with_budget(space, bound, budget))
    if mistakes:
        raise space.error(mistakes)
    return bound


def _bind(space: SpaceFile, overrides: dict[KeyPath, Any]) -> tuple[BoundPlan, list[Mistake]]:
    """Return the plan with its task, and all mistakes that a well-formed plan can have."""
    mistakes: list[Mistake] = []
    plan = space.plan(overrides, mistakes)
    no_task = unknown_task(plan)
    if no_task is not None:
        raise space.error([*mistakes, no_task])
    bound = bind(plan)
    # What contradicts itself cannot be drawn from; of the task's findings, those on single keys remain.
    mistakes += mistakes_in(bound) if not mistakes else mistakes_in_keys(bound)
    return bound, mistakes


def search_overrides(
    trials: int | None,
    seeds: int | None,
    seed: int | None,
    concurrency: int | None,
    cpu: float | None,
    gpu: float | None,
) -> dict[KeyPath, Any]:
    """Return where in a plan each of these options belongs."""
    return {
        ("search", "trials"): trials,
        ("search", "seeds"): seeds,
        ("search", "seed"): seed,
        ("search", "concurrency"): concurrency,
        ("resources", "cpu"): cpu,
        ("resources", "gpu"): gpu,
    }


def _with_budget(space: SpaceFile, bound: BoundPlan, budget: int) -> dict[KeyPath, Any]:
    """Set the steps of every trial, and move the rungs to the same shares of the budget."""
    plan = bound.plan
    places: list[KeyPath] = [("space", "steps")] if "steps" in plan.space else []
    places += [("only", index, "steps") for index, values in enumerate(plan.only) if "steps" in values]
    if places:
        raise space.error(
            [Mistake(place, "differs between configurations, so --budget cannot set it") for place in places]
        )
    changed: dict[KeyPath, Any] = {("fixed", "steps"): budget}
    rule = plan.early_stopping
    # Rungs at shares follow the budget by themselves.
    if rule is not None and rule.grace_period is not None:
        scale = budget / largest_budget(bound)
        changed["early_stopping", "grace_period"] = max(1, round(rule.grace_period * scale))
        if rule.max_steps is not None:
            changed["early_stopping", "max_steps"] = max(1, round(rule.max_steps * scale))
    return changed
