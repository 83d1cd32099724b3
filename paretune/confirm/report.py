"""The report on a retrained configuration: Markdown for people, JSON for programs, curves as a figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from analysis.intervals import wilson
from analysis.pictures.curves import curves_figure
from analysis.pictures.painting import save_figure
from analysis.text import between
from paretune.confirm import leaderboard
from paretune.confirm.evaluation import as_json, estimate, headline, markdown_table
from paretune.confirm.retraining import Chosen, SeedRun, best_run, config_of
from paretune.devices import gpu_name
from paretune.plan.binding import BoundPlan
from paretune.record.provenance import describe_session
from trainables.contract import Table

REPORT_FILE = "report.md"


def write_report(
    folder: Path, search: str, bound: BoundPlan, chosen: Chosen, runs: list[SeedRun], device: torch.device
) -> dict[str, Any]:
    """Write ``report.md``, ``report.json``, ``curves.png`` and ``curves.svg``; return the JSON's content."""
    trained_on = {"device": str(device), "gpu": gpu_name(device)}
    content = {"search": search, **trained_on, **_content(bound, chosen, runs)}
    (folder / "report.json").write_text(json.dumps(content, indent=2) + "\n")
    rows = [{"seed": run.seed, **row} for run in runs for row in run.reports]
    panels = {metric.name: metric.unit for metric in bound.task.metrics}
    title = f"{search}, configuration {chosen.number}, {content['params']:,} parameters"
    reports = pd.DataFrame(rows).reindex(columns=["seed", "step", *panels])
    figure = curves_figure(reports, panels, bound.plan.target or {}, title)
    for ending in ("png", "svg"):
        save_figure(figure, folder / f"curves.{ending}")
    (folder / REPORT_FILE).write_text(_markdown(bound, chosen, runs, content))
    return content


def _content(bound: BoundPlan, chosen: Chosen, runs: list[SeedRun]) -> dict[str, Any]:
    config = config_of(bound, chosen.values)
    best = best_run(bound.task, runs)
    solved = sum(run.ending == "solved" for run in runs)
    low, high = wilson(solved, len(runs))
    return {
        "configuration": chosen.number,
        "why": chosen.why,
        "params": sum(bound.task.parameter_table(config).values()),
        "parameter_table": bound.task.parameter_table(config),
        "config": {k: v for k, v in config.model_dump(mode="json").items() if k != "seed"},
        "target": bound.plan.target,
        "success": {"solved": solved, "seeds": len(runs), "low": low, "high": high},
        **leaderboard.as_json(bound, runs),
        "seeds": [
            {
                "seed": run.seed,
                "ending": run.ending,
                "seconds": run.seconds,
                "best_step": None if run.best is None else run.best.step,
                "validation": None if run.best is None else dict(run.best.metrics),
                "checkpoint": None if run.checkpoint is None else str(run.checkpoint),
                "test": None if run.evaluation is None else as_json(run.evaluation),
            }
            for run in runs
        ],
        "best_seed": None if best is None else best.seed,
        **describe_session(),
    }


def _markdown(bound: BoundPlan, chosen: Chosen, runs: list[SeedRun], content: dict[str, Any]) -> str:
    best = best_run(bound.task, runs)
    parts = [
        f"# {content['search']}: configuration {chosen.number}, {content['params']:,} parameters\n",
        f"Chosen because {chosen.why}. Trained at its full budget of "
        f"{content['config']['steps']:,} steps on {len(runs)} fresh seeds, one after the other.\n",
    ]
    success = content["success"]
    if bound.plan.target is not None:
        ((name, value),) = bound.plan.target.items()
        parts.append(
            f"**{success['solved']} of {success['seeds']} seeds** held {name} {value:g} "
            f"{_hold(bound.plan.target_hold)} "
            f"(success rate's 95 % interval {between(success['low'], success['high'], 'share')}).\n"
        )
    if (said := leaderboard.sentence(content)) is not None:
        parts += [
            f"{said}\n",
            "## Leaderboard row\n",
            markdown_table(leaderboard.table(content, content["params"])),
            "The clock stands still during validation and compilation; times, tokens and loss are means over "
            "the seeds.\n",
        ]
    if best is not None and best.evaluation is not None:
        parts.append(
            f"The checkpoint that is best by validation (seed {best.seed}): "
            f"**{headline(best.evaluation)}**, drawn uniformly from {best.evaluation.drawn_from}. "
            "No trial was trained on them or chosen by them.\n"
        )
    else:
        parts.append("Every seed diverged; there is no checkpoint.\n")
    parts += ["## Seeds\n", markdown_table(_seeds_table(bound, runs))]
    parts += ["## Training curves\n", "![training curves](curves.png)\n"]
    if best is not None and best.evaluation is not None:
        for table in best.evaluation.tables:
            parts.append(f"## {table.title}\n")
            parts.append(markdown_table(table) if table.rows else "None.\n")
    parameters = [*content["parameter_table"].items(), ("all", content["params"])]
    parts += [
        "## Parameters by component\n",
        markdown_table(Table(title="", columns=("component", "parameters"), rows=parameters)),
        "## Configuration\n",
        "```json\n" + json.dumps(content["config"], indent=2) + "\n```\n",
        "## Where it was made\n",
        _where(content, runs),
    ]
    return "\n".join(parts)


def _hold(evaluations: int) -> str:
    return "at one evaluation" if evaluations == 1 else f"at {evaluations} evaluations in a row"


def _seeds_table(bound: BoundPlan, runs: list[SeedRun]) -> Table:
    metrics = [metric.name for metric in bound.task.metrics]
    rows = []
    for run in runs:
        known = {} if run.best is None else run.best.metrics
        last = run.reports[-1] if run.reports else {}
        test = "-" if run.evaluation is None else f"{estimate(run.evaluation)[0]:.4f}"
        rows.append(
            (
                run.seed,
                run.ending,
                last.get("steps_to_target", "-"),
                f"{last['cpu_seconds_to_target']:.1f}" if "cpu_seconds_to_target" in last else "-",
                "-" if run.best is None else run.best.step,
                *(f"{known[name]:.4g}" if name in known else "-" for name in metrics),
                test,
                f"{last.get('cpu_seconds', 0.0):.1f}",
                f"{run.seconds:.1f}",
            )
        )
    columns = (
        "seed",
        "ending",
        "steps to target",
        "CPU to target (s)",
        "best step",
        *(f"validation {name.replace('_', ' ')}" for name in metrics),
        "test" if any(run.evaluation and run.evaluation.successes is None for run in runs) else "test share",
        "training CPU (s)",
        "elapsed (s)",
    )
    return Table(title="Seeds", columns=columns, rows=rows)


def _where(content: dict[str, Any], runs: list[SeedRun]) -> str:
    machine = content["hardware"]
    gpus = ", ".join(machine["gpus"]) or "no GPU"
    used = f"trained on {content['gpu'] or content['device']}"
    packages = ", ".join(f"{name} {version}" for name, version in content["packages"].items())
    return (
        f"- {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {gpus}; "
        f"{machine['system']}; {used}\n"
        f"- paretune {content['paretune']}, commit {content['commit'] or 'unknown'}, "
        f"Python {content['python']}, {packages}\n"
        f"- {sum(run.seconds for run in runs):.0f} s for all seeds, validation included\n"
        f"- `{content['command']}`\n"
    )
