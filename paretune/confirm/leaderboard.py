"""What a leaderboard asks of a record: the mean final loss with its error, and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from analysis.statistics.intervals import MeanTest, mean_against
from analysis.text import duration
from paretune.confirm.retraining import SeedRun
from paretune.plan.binding import BoundPlan
from trainables.contract import Table


def final_test(bound: BoundPlan, runs: Sequence[SeedRun]) -> MeanTest | None:
    """Test the mean of the target's metric at the end of each run; None where there is nothing to test.

    A share, such as exact match, is judged by its success rate instead. Runs that diverged have no
    final value.
    """
    target = bound.target
    if target is None or bound.metrics[target.metric].unit == "share":
        return None
    values = [value for run in runs if (value := _final(run, target.metric)) is not None]
    return mean_against(values, target.value, target.direction) if values else None


def as_json(bound: BoundPlan, runs: Sequence[SeedRun]) -> dict[str, Any]:
    """Return the test and the leaderboard's row as plain values; empty where there is no test."""
    test = final_test(bound, runs)
    if test is None or bound.target is None:
        return {}
    ended = [run for run in runs if _final(run, bound.target.metric) is not None]
    last = [run.reports[-1] for run in ended]
    return {
        "final": {
            "metric": bound.target.metric,
            "target": bound.target.value,
            "diverged": len(runs) - len(ended),
            **asdict(test),
        },
        "leaderboard": {
            "peak_memory": max((row["peak_memory"] for row in last if "peak_memory" in row), default=None),
            "wall_seconds": fmean(row["wall_seconds"] for row in last),
            "cpu_seconds": fmean(row["cpu_seconds"] for row in last),
            "tokens": fmean(row["tokens"] for row in last),
            "step": last[0]["step"],
            "tokens_per_second": fmean(row["tokens"] / row["wall_seconds"] for row in last),
        },
    }


def sentence(content: Mapping[str, Any]) -> str | None:
    """Say what the mean of the final values is beside the target, and how it tests; None without a test."""
    if "final" not in content:
        return None
    final = content["final"]
    name = final["metric"].replace("_", " ")
    error = "" if final["standard_error"] is None else f" +- {final['standard_error']:.4f} (standard error)"
    said = f"Final {name} {final['mean']:.4f}{error}, mean of {_seeds(final['runs'])}"
    said += f"; target {final['target']:g}"
    if final["p_value"] is not None:
        said += f", p = {final['p_value']:.2g} (one-sided t test against a true mean at the target)"
    elif final["runs"] == 1:
        said += "; one seed has no standard error: train two or more"
    if final["diverged"]:
        are = "is" if final["diverged"] == 1 else "are"
        said += f". {_seeds(final['diverged'])} diverged and {are} not in the mean"
    return said + "."


def table(content: Mapping[str, Any], params: int) -> Table:
    """Return the leaderboard's row."""
    row, final = content["leaderboard"], content["final"]
    # One of the machine's GPUs, if it has several: the others did nothing.
    hardware = content["gpu"] or content["hardware"]["cpu"]
    memory = "unknown" if row["peak_memory"] is None else f"{row['peak_memory'] / 1024:.2f} GiB"
    error = "" if final["standard_error"] is None else f" +- {final['standard_error']:.4f}"
    return Table(
        title="Leaderboard row",
        columns=(
            "hardware",
            "memory",
            "time from step 0 to the final validation",
            "processor time",
            "tokens",
            final["metric"].replace("_", " "),
            "step",
            "parameters",
            "command",
        ),
        rows=[
            (
                hardware,
                memory,
                duration(row["wall_seconds"]),
                duration(row["cpu_seconds"]),
                f"{row['tokens']:,.0f}",
                f"{final['mean']:.4f}{error}",
                f"{row['step']:,}",
                f"{params:,}",
                f"`{content['command']}`",
            )
        ],
    )


def _final(run: SeedRun, metric: str) -> float | None:
    """Return a run's value at its last validation; None if it diverged."""
    value: float | None = run.reports[-1].get(metric) if run.reports else None
    return None if run.ending == "diverged" else value


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count != 1)}"
