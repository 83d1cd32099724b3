"""The search: a plan, its past if it has one, and a folder go in; rows come out."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ray import tune

from analysis.layout import RAY_FOLDER, TENSORBOARD_FOLDER
from paretune.errors import InputError
from paretune.plan.binding import BoundPlan, written
from paretune.plan.slots import MEMORY, as_asked, carried_by, needs_of
from paretune.record.concurrency import Concurrency, ConcurrencyMeter
from paretune.record.endings import TrialEnding
from paretune.record.events import Listener
from paretune.record.provenance import describe_session
from paretune.record.recorder import Recorder, read_past, settle_past
from paretune.record.run_folder import RunFolder
from paretune.record.study.earlier import provenance_of
from paretune.record.tally import Tally
from paretune.record.tensorboard_log import TensorBoardLog
from paretune.sampling.history import PastTrial
from paretune.timing.deadline import Deadline
from paretune.tune.assignment import label_of
from paretune.tune.cluster import ray_session
from paretune.tune.deadline import StopAtDeadline
from paretune.tune.forgetting import Forgetting
from paretune.tune.interrupting import uninterrupted
from paretune.tune.parts import Parts
from paretune.tune.trainable import run_trial
from search_spaces.plan import Plan

_RETRIES = 1
"""A trial whose worker dies is tried once more, from its newest checkpoint."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a session of a search came to."""

    endings: Counter[TrialEnding]
    interrupted: bool
    ran_out_of_time: bool
    elapsed: float
    concurrency: Concurrency


Watching = Callable[[Sequence[PastTrial]], AbstractContextManager[Sequence[Listener]]]
"""Who else is told what happens, such as a terminal: entered with the trials of earlier sessions, and left
when the search is over, however it ends."""


def run_search(
    folder: RunFolder,
    bound: BoundPlan,
    watching: Watching,
    *,
    address: str,
    extended: Plan | None = None,
    deadline: Deadline | None = None,
) -> SearchResult:
    """Run a search, or resume it if its folder holds rows of earlier sessions.

    Args:
        folder: where rows, curves and Ray's files go.
        bound: the plan, checked and prepared.
        watching: makes the listeners that are told of every event after rows and curves are written.
        address: ``local``, or the address of a Ray cluster.
        extended: the folder's plan with more trials, to be kept once it is clear that it can run.
        deadline: what lets trials begin and ends them, if there is one.

    Raises:
        InputError: the machine or cluster cannot run a single trial, or the folder is in use.
        OSError: rows cannot be written any more; what was written stays.
    """
    began = time.monotonic()
    with folder.locked():
        store = folder.store
        store.mend()
        settle_past(store)
        past = read_past(store, set(bound.metrics))
        sessions = store.sessions()
        number = next_session(folder.path, sessions)
        session = {"session": number, "began": _now(), "address": address, **describe_session()}
        session |= provenance_of(bound)
        store.write_sessions([*sessions, session])
        tally = Tally(past)
        with ray_session(address) as nodes:
            concurrency = concurrency_of(bound, nodes)
            if extended is not None:
                store.write_plan(extended)
            session |= {"nodes": nodes, "concurrency": concurrency}
            if deadline is not None:
                deadline.slots = concurrency
                session |= {"deadline": deadline.as_record()}
            meter = ConcurrencyMeter(bound.plan.search.concurrency or concurrency, concurrency)
            try:
                with watching(past) as watchers:
                    recording: list[Listener] = [
                        Recorder(store, number),
                        TensorBoardLog(folder.path / TENSORBOARD_FOLDER, bound),
                        tally,
                        meter,
                        *([] if deadline is None else [deadline]),
                    ]
                    run = _Run(folder, bound, past, number, concurrency, deadline)
                    interrupted = run.tune([*recording, *watchers])
            finally:
                mean = meter.measured.mean
                session |= {"ended": _now(), "endings": dict(tally.endings)}
                session |= {"at_a_time": None if mean is None else round(mean, 3)}
                if deadline is not None:
                    session |= {"deadline": deadline.as_record()}
                # If the disk is full, the error that said so matters more than this one.
                with suppress(OSError), uninterrupted():
                    store.write_sessions([*sessions, session])
    ran_out = interrupted and deadline is not None and deadline.ended_the_search
    return SearchResult(
        endings=tally.endings,
        interrupted=interrupted and not ran_out,
        ran_out_of_time=ran_out,
        elapsed=time.monotonic() - began,
        concurrency=meter.measured,
    )


@dataclass(frozen=True)
class _Run:
    """One session of a search, with what was settled before Tune starts."""

    folder: RunFolder
    bound: BoundPlan
    past: list[PastTrial]
    session: int
    concurrency: int
    deadline: Deadline | None

    def tune(self, listeners: Sequence[Listener]) -> bool:
        """Run Tune until the queue is empty, somebody interrupts it, or its time is over; return whether
        trials are left."""
        bound = self.bound
        parts = Parts(
            bound,
            self.past,
            self.folder.store,
            listeners,
            concurrency=self.concurrency,
            deadline=self.deadline,
        )
        if parts.is_over:
            return False
        parts.monitor.progressed(parts.queue.progress)
        # Tune has names of its own for the first two.
        needs = {name.lower(): share for name, share in needs_of(bound).items() if share}
        tuner = tune.Tuner(
            tune.with_resources(run_trial, needs),
            tune_config=tune.TuneConfig(
                search_alg=parts.searcher,
                scheduler=parts.scheduler,
                num_samples=bound.plan.trials,
                reuse_actors=True,
                trial_name_creator=label_of,
                trial_dirname_creator=label_of,
            ),
            run_config=tune.RunConfig(
                storage_path=str(self.folder.path / RAY_FOLDER),
                name=f"session-{self.session}",
                callbacks=[parts.monitor, Forgetting()],
                failure_config=tune.FailureConfig(max_failures=_RETRIES),
                verbose=0,
                stop=None if self.deadline is None else StopAtDeadline(self.deadline),
            ),
        )
        # Workers for all of the first trials start together; by default, the second once the first runs.
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(self.concurrency)
        try:
            tuner.fit()
        except KeyboardInterrupt:  # a second Ctrl-C, while Tune was still cleaning up
            pass
        finally:
            with uninterrupted():
                is_complete = parts.close()
        if parts.monitor.failure is not None:
            raise parts.monitor.failure
        return not is_complete


def next_session(folder: Path, sessions: Sequence[Mapping[str, Any]]) -> int:
    """Return the number of the next session: one that neither a session nor a folder of Ray's files has.

    Folders count too, since what is known of the sessions may have been lost.
    """
    known = [int(session.get("session", 0)) for session in sessions]
    folders = [path.name.rpartition("-")[2] for path in (folder / RAY_FOLDER).glob("session-*")]
    return max([0, *known, *(int(name) for name in folders if name.isdecimal())]) + 1


def concurrency_of(bound: BoundPlan, nodes: Sequence[Mapping[str, float]]) -> int:
    """Return how many trials run at a time: what was asked for, at most what the machines carry.

    Args:
        bound: the plan.
        nodes: the resources of each machine, such as ``{"CPU": 8, "GPU": 1}``.

    Raises:
        InputError: no machine carries even one trial.
    """
    needs = needs_of(bound)
    for name, share in needs.items():
        most = max(node.get(name, 0.0) for node in nodes)
        if share > most:
            flag = name.lower()
            if name == MEMORY:
                raise InputError(
                    f"a trial needs {written(MEMORY, share)} of memory, but the largest machine has "
                    f"{written(MEMORY, most)} for trials; state less with resources.memory in the space file"
                )
            raise InputError(
                f"a trial needs {share:g} {name}, but the largest machine has {most:g}; "
                f"ask for less with --{flag} or resources.{flag} in the space file"
            )
    carried = carried_by(bound, nodes)
    if carried == 0:
        memory = f" and {written(MEMORY, needs[MEMORY])} of memory" if MEMORY in needs else ""
        raise InputError(
            f"no machine has both {needs['CPU']:g} CPU and {needs['GPU']:g} GPU{memory} for a trial"
        )
    return as_asked(bound, carried)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
