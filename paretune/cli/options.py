"""Options that several commands share, and what they mean for a plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from paretune.plan.binding import BoundPlan, bind, unknown_task
from paretune.plan.checks import largest_budget, mistakes_in, mistakes_in_keys
from search_spaces.dimensions import Choice, IntRange
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import KeyPath, Mistake
from search_spaces.plan import Values

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

DEFAULT_RESULTS = Path("results")


def load_bound(space: SpaceFile, overrides: dict[KeyPath, Any], budget: int | None) -> BoundPlan:
    """Return the checked plan of a space file, with the values that were given on the command line.

    Raises:
        SpaceFileError: with every mistake.
    """
    given = {path: value for path, value in overrides.items() if value is not None}
    bound, mistakes = _bind(space, given)
    if budget is not None and not mistakes:
        bound, mistakes = _bind(space, given | _with_budget(bound, budget))
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


def _with_budget(bound: BoundPlan, budget: int) -> dict[KeyPath, Any]:
    """Give the longest trial ``budget`` steps, and move the others' and the rungs' steps along with it.

    Where steps differ between configurations, they keep their ratios. A task's other numbers of steps, such
    as those between two evaluations, stay as they are.
    """
    plan = bound.plan
    scale = budget / largest_budget(bound)

    def by_ratio(steps: Any) -> int:
        return max(1, round(float(steps) * scale))

    scaled: Callable[[Any], int] = by_ratio

    def all_scaled(given: Values) -> Values:
        return {**given, "steps": scaled(given["steps"])} if "steps" in given else given

    changed: dict[KeyPath, Any] = {}
    dimension = plan.space.get("steps")
    if dimension is not None:
        if isinstance(dimension, IntRange) and dimension.step > 1:
            bounds, scaled = _scaled_grid(dimension, budget)
        elif isinstance(dimension, Choice):
            bounds = {"values": sorted({scaled(value) for value in dimension.values})}
        else:
            bounds = {"low": scaled(dimension.low), "high": budget}
        changed["space", "steps"] = dimension.model_dump(exclude_none=True) | bounds
        changed["baselines",] = {name: all_scaled(given) for name, given in plan.baselines.items()}
        changed["try_first",] = [all_scaled(given) for given in plan.try_first]
    elif any("steps" in given for given in plan.only):
        default = bound.config(dict(plan.fixed)).steps
        changed["only",] = [{**given, "steps": scaled(given.get("steps", default))} for given in plan.only]
    else:
        changed["fixed", "steps"] = budget
    rule = plan.early_stopping
    # Rungs at shares follow the budget by themselves.
    if rule is not None and rule.grace_period is not None:
        changed["early_stopping", "grace_period"] = by_ratio(rule.grace_period)
        if rule.max_steps is not None:
            changed["early_stopping", "max_steps"] = by_ratio(rule.max_steps)
    return changed


def _scaled_grid(grid: IntRange, budget: int) -> tuple[dict[str, Any], Callable[[Any], int]]:
    """Return the bounds of a grid that ends at ``budget``, and where a value of the old one is on it.

    It has as many places as the old one, if there is room for them above 0.
    """
    step = max(1, round(grid.step * budget / grid.high))
    low = budget - min((grid.high - grid.low) // grid.step, (budget - 1) // step) * step

    def moved(steps: Any) -> int:
        return max(low, budget - (grid.high - int(steps)) // grid.step * step)

    return {"low": low, "high": budget, "step": step}, moved
