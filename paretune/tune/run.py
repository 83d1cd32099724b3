"""The search: a plan, its past if it has one, and a folder go in; rows come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from ray import tune
from rich.console import Console

from analysis.layout import PREFIXES_FOLDER, RAY_FOLDER, REPORTS_FILE, TENSORBOARD_FOLDER, TRIALS_FILE
from analysis.lines import mend_last_line, read_lines
from paretune.errors import InputError
from paretune.plan.binding import BoundPlan
from paretune.plan.rungs import rungs_of
from paretune.record.endings import TrialEnding
from paretune.record.events import Listener
from paretune.record.provenance import describe_session, read_sessions, write_sessions
from paretune.record.recorder import Recorder, read_past, settle_past
from paretune.record.run_folder import RunFolder
from paretune.record.tensorboard_log import TensorBoardLog
from paretune.sampling.queue import PastTrial, TrialQueue, TrialSpec
from paretune.terminal.board import Board
from paretune.terminal.display import LineDisplay, LiveDisplay
from paretune.tune.asha import RungScheduler, make_scheduler
from paretune.tune.callback import Monitor
from paretune.tune.cluster import ray_session
from paretune.tune.searcher import QueueSearcher
from paretune.tune.trainable import run_trial
from search_spaces.plan import Plan

_RETRIES = 1
"""A trial whose worker dies is tried once more, from its newest checkpoint."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a session of a search came to."""

    endings: Counter[TrialEnding]
    interrupted: bool
    elapsed: float


def run_search(
    folder: RunFolder, bound: BoundPlan, console: Console, *, address: str, extended: Plan | None = None
) -> SearchResult:
    """Run a search, or go on with it if its folder holds rows of earlier sessions.

    Args:
        folder: where rows, curves and Ray's files go.
        bound: the plan, checked and prepared.
        console: where progress is shown: a live table on a terminal, lines elsewhere.
        address: ``local``, or the address of a Ray cluster.
        extended: the folder's plan with more trials, to be kept once it is clear that it can run.

    Raises:
        InputError: the machine or cluster cannot run a single trial, or the folder is in use.
        OSError: rows cannot be written any more; what was written stays.
    """
    with folder.locked():
        metrics = set(bound.metrics)
        for name in (TRIALS_FILE, REPORTS_FILE):
            mend_last_line(folder.path / name)
        settle_past(folder.path)
        past = read_past(folder.path, metrics)
        sessions = read_sessions(folder.path)
        session = {"session": len(sessions) + 1, "began": _now(), "address": address, **describe_session()}
        write_sessions(folder.path, [*sessions, session])
        board = Board(bound, past)
        with ray_session(address) as nodes:
            concurrency = concurrency_of(bound, nodes)
            require_gpu(bound, address)
            if extended is not None:
                folder.write_plan(extended)
            session |= {"nodes": nodes, "concurrency": concurrency}
            try:
                interrupted = _tune(folder, bound, past, board, console, session, concurrency)
            finally:
                session |= {"ended": _now(), "endings": dict(board.endings)}
                # If the disk is full, the error that said so matters more than this one.
                with suppress(OSError):
                    write_sessions(folder.path, [*sessions, session])
    return SearchResult(endings=board.endings, interrupted=interrupted, elapsed=board.elapsed)


def _tune(
    folder: RunFolder,
    bound: BoundPlan,
    past: list[PastTrial],
    board: Board,
    console: Console,
    session: dict[str, Any],
    concurrency: int,
) -> bool:
    """Run Tune until the queue is empty or somebody interrupts it; return whether somebody did."""
    queue = TrialQueue(bound, past)
    if queue.exhausted:
        return False
    scheduler = make_scheduler(bound)
    if scheduler is not None:
        _refill(scheduler, bound, folder.path, past)
    metrics = set(bound.metrics)
    display: LiveDisplay | LineDisplay = (LiveDisplay if console.is_terminal else LineDisplay)(
        board, bound, console
    )
    listeners: list[Listener] = [
        Recorder(folder.path, session["session"]),
        TensorBoardLog(folder.path / TENSORBOARD_FOLDER, bound),
        board,
        display,
    ]
    monitor = Monitor(listeners, {"step", "ending", "engine", *metrics})

    def assign(spec: TrialSpec) -> dict[str, Any]:
        monitor.announce(spec)
        return assignment_of(bound, spec, folder.path)

    needs = {"cpu": bound.plan.resources.cpu, "gpu": bound.plan.resources.gpu}
    tuner = tune.Tuner(
        tune.with_resources(run_trial, {name: share for name, share in needs.items() if share}),
        tune_config=tune.TuneConfig(
            search_alg=QueueSearcher(queue, concurrency, metrics, assign),
            scheduler=scheduler,
            num_samples=bound.plan.trials,
            reuse_actors=True,
            trial_name_creator=_label,
            trial_dirname_creator=_label,
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder.path / RAY_FOLDER),
            name=f"session-{session['session']}",
            callbacks=[monitor],
            failure_config=tune.FailureConfig(max_failures=_RETRIES),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            verbose=0,
        ),
    )
    with display:
        try:
            tuner.fit()
        except KeyboardInterrupt:  # a second Ctrl-C, while Tune was still cleaning up
            pass
        finally:
            monitor.close()
    if monitor.failure is not None:
        raise monitor.failure
    return not queue.exhausted or queue.running > 0


def assignment_of(bound: BoundPlan, spec: TrialSpec, folder: Path) -> dict[str, Any]:
    """Return what the worker is told about a trial; see :func:`paretune.tune.trainable.run_trial`.

    Args:
        bound: the plan.
        spec: the trial.
        folder: the search's folder.
    """
    target = bound.target
    return {
        "label": spec.label,
        "task": bound.task.name,
        "config": bound.config(spec.values, spec.seed).model_dump(mode="json"),
        "target": None if target is None else asdict(target),
        "may_stop_early": spec.configuration >= len(bound.plan.baselines),
        "stop_at_target": bound.plan.stop_at_target,
        "report_at": rungs_of(bound, spec.values),
        "cpu": bound.plan.resources.cpu,
        "gpu": bound.plan.resources.gpu,
        "resume_from": spec.resume_from,
        "prefixes": str(folder / PREFIXES_FOLDER) if bound.plan.share_prefixes else None,
    }


def concurrency_of(bound: BoundPlan, nodes: Sequence[Mapping[str, float]]) -> int:
    """Return how many trials run at a time: what was asked for, at most what the machines carry.

    Args:
        bound: the plan.
        nodes: the resources of each machine, such as ``{"CPU": 8, "GPU": 1}``.

    Raises:
        InputError: no machine carries even one trial.
    """
    needs = {"CPU": bound.plan.resources.cpu, "GPU": bound.plan.resources.gpu}
    for name, share in needs.items():
        most = max(node.get(name, 0.0) for node in nodes)
        if share > most:
            flag = name.lower()
            raise InputError(
                f"a trial needs {share:g} {name}, but the largest machine has {most:g}; "
                f"ask for less with --{flag} or resources.{flag} in the space file"
            )
    carried = sum(min(_fits(name, share, node) for name, share in needs.items() if share) for node in nodes)
    if carried == 0:
        raise InputError(f"no machine has both {needs['CPU']:g} CPU and {needs['GPU']:g} GPU for a trial")
    asked = bound.plan.search.concurrency
    return carried if asked is None else min(asked, carried)


def _fits(name: str, share: float, node: Mapping[str, float]) -> int:
    there = node.get(name, 0.0)
    if name == "GPU" and share < 1:
        # A share of a GPU must lie on one of them: 0.4 fits twice on each, not five times on two.
        return int(there) * int(1 / share + 1e-9)
    return int(there / share + 1e-9)


def require_gpu(bound: BoundPlan, address: str) -> None:
    """Check that torch can use the GPU that trials are to get, where that can be seen from here.

    Raises:
        InputError: Ray sees a GPU, but this torch cannot use it.
    """
    if bound.plan.resources.gpu and address == "local" and not torch.cuda.is_available():
        raise InputError(
            f"this torch ({torch.__version__}) cannot use the GPU here; "
            "install a build with CUDA, or use --gpu 0"
        )


def _refill(scheduler: RungScheduler, bound: BoundPlan, folder: Path, past: list[PastTrial]) -> None:
    """Give the scheduler back what it knew when the last session ended."""
    reports: dict[str, dict[int, dict[str, Any]]] = {}
    for row in read_lines(folder / REPORTS_FILE):
        reports.setdefault(row["trial"], {})[row["step"]] = row
    for trial in past:
        rows = reports.get(trial.spec.label, {})
        ending = None if trial.outcome is None else trial.outcome.ending
        report_at = rungs_of(bound, trial.spec.values)
        scheduler.replay(trial.spec.label, report_at, [rows[step] for step in sorted(rows)], ending)


def _label(trial: Any) -> str:
    return str(trial.config["label"])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
