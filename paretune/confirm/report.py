"""The report on a retrained configuration: Markdown for people, JSON for programs, curves as a figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from analysis.markdown import coded_text, plain_text, table_lines
from analysis.pictures.curves import curves_figure
from analysis.pictures.painting import save_figure
from analysis.statistics.intervals import wilson
from analysis.text import between, cell_text, is_numeric
from paretune.confirm import leaderboard
from paretune.confirm.evaluation import as_json, estimate, headline
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
    evaluation = None if best is None else best.evaluation
    success = content["success"]
    final = leaderboard.sentence(content)
    parameters = [*content["parameter_table"].items(), ("all", content["params"])]
    return _template().render(
        content=content,
        seeds=len(runs),
        seconds=sum(run.seconds for run in runs),
        target=bound.target,
        interval=between(success["low"], success["high"], "share"),
        final=final,
        leaderboard=None if final is None else leaderboard.table(content, content["params"]),
        evaluation=evaluation,
        headline=None if evaluation is None else headline(evaluation),
        seeds_table=_seeds_table(bound, runs),
        parameters=Table(title="", columns=("component", "parameters"), rows=parameters),
        configuration=json.dumps(content["config"], indent=2),
    )


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # it is Markdown; texts go through the filter plain
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": plain_text, "table": _table}
    return environment.get_template("report.md.j2")


def _table(table: Table) -> str:
    rows = [[cell_text(value) for value in row] for row in table.rows]
    to_right = [is_numeric([row[index] for row in rows]) for index in range(len(table.columns))]
    return "\n".join(table_lines(table.columns, rows, to_right, written=coded_text))


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
