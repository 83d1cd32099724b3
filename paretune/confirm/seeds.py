"""Confirming: chosen configurations on fresh seeds, one seed at a time, each a row the moment it is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from analysis.store import RowStore
from paretune.confirm.evaluation import as_json
from paretune.confirm.retraining import SeedRun, Watcher, retrain_seed
from paretune.devices import gpu_name
from paretune.errors import InputError
from paretune.plan.binding import BoundPlan
from paretune.record.provenance import describe_session
from search_spaces.plan import Values


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where seeds are trained, and what all rows of one command share."""

    folder: Path
    """The search's folder."""
    bound: BoundPlan
    device: torch.device
    problems: int
    """Held-out problems to evaluate each checkpoint on."""
    origin: dict[str, Any]

    @classmethod
    def on(cls, folder: Path, bound: BoundPlan, device: torch.device, problems: int) -> Bench:
        """Return a bench on this machine."""
        session = describe_session()
        origin = {name: session[name] for name in ("hardware", "paretune", "commit", "command")}
        trained_on = {"device": device.type, "gpu": gpu_name(device)}
        return cls(
            folder=folder, bound=bound, device=device, problems=problems, origin={**trained_on, **origin}
        )


def confirm_seed(
    bench: Bench,
    number: int,
    values: Values,
    index: int,
    *,
    folder: Path,
    keeps_checkpoint: bool,
    watcher: Watcher,
) -> SeedRun:
    """Train a configuration with one fresh seed at full budget, evaluate it, and append the row.

    Args:
        bench: where.
        number: the configuration's number.
        values: its values.
        index: number of the fresh seed, counted from 0.
        folder: where the best checkpoint goes.
        keeps_checkpoint: whether it stays there, so that the row names it.
        watcher: who is told how far it is.

    Raises:
        OSError: the row, or the checkpoint, cannot be written.
    """
    run = retrain_seed(
        bench.bound,
        values,
        index,
        folder=folder,
        device=bench.device,
        problems=bench.problems,
        watcher=watcher,
    )
    if not keeps_checkpoint:
        run.checkpoint = None
    row = row_of(bench, number, values, index, run)
    RowStore(bench.folder).append_confirmation(row)
    return run


def require_trainable(bound: BoundPlan, number: int, values: Values, device: torch.device) -> None:
    """Check that a configuration can be trained on a device.

    Raises:
        InputError: it needs a GPU.
    """
    needs_gpu = bound.config(values).needs_gpu
    if needs_gpu is not None and device.type == "cpu":
        raise InputError(
            f"configuration {number} cannot be trained on a processor ({needs_gpu}); retrain it on a "
            "machine with a GPU, with --device cuda"
        )


def row_of(bench: Bench, number: int, values: Values, index: int, run: SeedRun) -> dict[str, Any]:
    """Return the row of a seed: the columns of ``CONFIRMATION_COLUMNS``, and its last report's metrics."""
    last = {name: value for name, value in run.reports[-1].items() if name not in ("ending", "engine")}
    return {
        "configuration": number,
        "seed_index": index,
        "seed": run.seed,
        "params": bench.bound.params(values),
        "values": values,
        "ending": run.ending,
        **last,
        "best_step": None if run.best is None else run.best.step,
        "seconds": run.seconds,
        **({} if run.evaluation is None else _evaluated(as_json(run.evaluation))),
        "checkpoint": None if run.checkpoint is None else _below(run.checkpoint, bench.folder),
        **bench.origin,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _evaluated(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "test_metric": found["metric"],
        "test_value": found.get("share", found.get("mean")),
        **{
            f"test_{name}": found.get(name)
            for name in ("low", "high", "standard_error", "problems", "units", "called", "drawn_from")
        },
        "tables": found["tables"],
    }


def _below(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
