"""The search: a plan, its past if it has one, and a folder go in; rows come out."""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune

from analysis.files.layout import RAY_FOLDER, REPORTS_FILE, TENSORBOARD_FOLDER
from paretune.errors import RayLostError
from paretune.plan.binding import BoundPlan
from paretune.plan.slots import concurrency_of, gpus_in, needs_of, usually_carried
from paretune.record.concurrency import Concurrency, ConcurrencyMeter
from paretune.record.endings import TrialEnding
from paretune.record.events import Listener
from paretune.record.provenance import describe_session
from paretune.record.recorder import Recorder, read_past, settle_past
from paretune.record.repairing.planning import plan_to_keep
from paretune.record.run_folder import RunFolder
from paretune.record.study.earlier import provenance_of
from paretune.record.tally import Tally
from paretune.record.tensorboard_log import TensorBoardLog
from paretune.sampling.history import PastTrial
from paretune.storage.copying import Storage
from paretune.timing.deadline import Deadline
from paretune.tune.assignment import folder_of, label_of
from paretune.tune.cluster import abandon_ray, is_abandoned, ray_session
from paretune.tune.driving.conducting import Conductor, Course
from paretune.tune.driving.interrupting import uninterrupted
from paretune.tune.driving.restarting import restarting
from paretune.tune.driving.stopping import DriverStops
from paretune.tune.driving.watching import watch_of
from paretune.tune.forgetting import Forgetting
from paretune.tune.nodes.machines import Machines, check_machines
from paretune.tune.notice import NOTICE_SECONDS, Notice
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
    notice: float = NOTICE_SECONDS,
    say: Callable[[str], None] = lambda line: None,
) -> SearchResult:
    """Run a search, or resume it if its folder holds rows of earlier sessions.

    If the Ray that was started here is lost, it is started again, and the search resumes by itself.

    Args:
        folder: where rows, curves and Ray's files go.
        bound: the plan, checked and prepared.
        watching: makes the listeners that are told of every event after rows and curves are written.
        address: ``local``, or the address of a Ray cluster.
        extended: the folder's plan with more trials, to be kept once it is clear that it can run.
        deadline: what lets trials begin and ends them, if there is one.
        notice: seconds from the first Ctrl-C or SIGTERM to the end of the process, in which trials that run
            write their checkpoints.
        say: prints a line.

    Raises:
        InputError: the machine or cluster cannot run a single trial, or the folder is in use.
        RayLostError: Ray was lost, and starting it again is not ours to do or did not help.
        OSError: rows cannot be written any more; what was written stays.
    """
    began = time.monotonic()

    def begin() -> _Session:
        return _Session(folder, bound, watching, address, deadline, notice, say)

    with folder.locked():
        session, interrupted = restarting(begin, lambda session: session.run(extended), say)
    ran_out = interrupted and deadline is not None and deadline.ended_the_search
    return SearchResult(
        endings=session.tally.endings,
        interrupted=interrupted and not ran_out,
        ran_out_of_time=ran_out,
        elapsed=time.monotonic() - began,
        concurrency=session.meter.measured,
    )


class _Session:
    """One session of a search: what it is in provenance, and one life of Ray."""

    tally: Tally
    meter: ConcurrencyMeter

    def __init__(
        self,
        folder: RunFolder,
        bound: BoundPlan,
        watching: Watching,
        address: str,
        deadline: Deadline | None,
        notice: float,
        say: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._bound = bound
        self._watching = watching
        self._address = address
        self._deadline = deadline
        self._notice = notice
        self._say = say
        self._began_with = 0
        self._reports = folder.path / REPORTS_FILE

    @property
    def got_on(self) -> bool:
        """Whether a trial has reported in this session."""
        return self._size > self._began_with

    @property
    def may_restart(self) -> bool:
        """Whether Ray is ours to start again, and can be."""
        return self._address == "local" and not is_abandoned()

    @property
    def _size(self) -> int:
        return self._reports.stat().st_size if self._reports.exists() else 0

    def run(self, extended: Plan | None) -> bool:
        """Run it to its end, and return whether trials are left.

        Args:
            extended: the plan with more trials, to be kept once it is clear that it can run.
        """
        folder, bound, deadline, address = self._folder, self._bound, self._deadline, self._address
        store = folder.store
        store.mend()
        settle_past(store)
        past = read_past(store, set(bound.metrics))
        self._began_with = self._size
        sessions = store.sessions()
        number = next_session(folder.path, sessions, store.trials().values())
        session = {"session": number, "began": _now(), "address": address, **describe_session()}
        session |= provenance_of(bound) | bound.gpu_record
        session |= plan_to_keep(extended or store.plan(), sessions)
        store.write_sessions([*sessions, session])
        self.tally = tally = Tally(past)
        storage = Storage.open(folder.path, self._say)
        if storage is not None:
            storage.upload(trial.spec.resume_from for trial in past if trial.spec.resume_from is not None)
            session |= {"storage": storage.place.url}
        with (
            nullcontext() if storage is None else storage.copied(),
            ray_session(address, fake_gpus=bound.fake_gpus) as nodes,
        ):
            concurrency = concurrency_of(bound, nodes)
            usual = min(concurrency, usually_carried(bound, nodes))
            if address != "local":
                url = None if storage is None else storage.place.url
                check_machines(bound, folder.path, url, self._say)
            if extended is not None:
                store.write_plan(extended)
            session |= {"nodes": nodes, "concurrency": concurrency}
            if deadline is not None:
                deadline.slots = usual
                session |= {"deadline": deadline.as_record()}
            self.meter = meter = ConcurrencyMeter(bound.plan.search.concurrency or usual, usual)
            try:
                with self._watching(past) as watchers:
                    recording: list[Listener] = [
                        Recorder(store, number, bound.gpu_columns),
                        TensorBoardLog(folder.path / TENSORBOARD_FOLDER, bound),
                        tally,
                        meter,
                        *([] if deadline is None else [deadline]),
                    ]
                    run = _Run(folder, bound, past, number, address, concurrency, deadline, gpus_in(nodes))
                    course = run.tune([*recording, *watchers], self._notice, self._say, storage)
                    if course.lost is not None:
                        session |= {"lost": course.lost}
                        raise RayLostError(course.lost)
                    trials_are_left = course.trials_are_left
            finally:
                mean = meter.measured.mean
                session |= {"ended": _now(), "endings": dict(tally.endings)}
                session |= {"at_a_time": None if mean is None else round(mean, 3)}
                if deadline is not None:
                    session |= {"deadline": deadline.as_record()}
                # If the disk is full, the error that said so matters more than this one.
                with suppress(OSError), uninterrupted():
                    store.write_sessions([*sessions, session])
        return trials_are_left


@dataclass(frozen=True)
class _Run:
    """One session of a search, with what was settled before Tune starts."""

    folder: RunFolder
    bound: BoundPlan
    past: list[PastTrial]
    session: int
    address: str
    concurrency: int
    deadline: Deadline | None
    gpus: float
    """Of all machines."""

    def tune(
        self,
        listeners: Sequence[Listener],
        seconds: float,
        say: Callable[[str], None],
        storage: Storage | None,
    ) -> Course:
        """Run Tune until the queue is empty, somebody interrupts it, its time is over, or Ray is lost.

        Args:
            listeners: told of every event.
            seconds: the notice that trials get before the search is gone.
            say: prints a line.
            storage: where checkpoints go, if not into the search's folder.
        """
        bound = self.bound
        token = uuid.uuid4().hex
        parts = Parts(
            bound,
            self.past,
            self.folder.store,
            listeners,
            concurrency=self.concurrency,
            deadline=self.deadline,
            gpus=self.gpus,
            notice=token,
        )
        parts.monitor.storage = storage
        if parts.is_over:
            return Course()
        notice = Notice(token)
        machines = None if self.address == "local" else Machines(bound, parts, notice, say)
        parts.monitor.progressed(parts.queue.progress)
        # Tune has names of its own for the first two.
        needs = {name.lower(): share for name, share in needs_of(bound).items() if share}
        stops = DriverStops(self.deadline)
        tuner = tune.Tuner(
            tune.with_resources(
                run_trial, partial(_with_own_share, needs_of(bound)) if bound.gpus_differ else needs
            ),
            tune_config=tune.TuneConfig(
                search_alg=parts.searcher,
                scheduler=parts.scheduler,
                # On a cluster a trial may be begun more than once; the searcher says when it is over.
                num_samples=-1 if machines else bound.plan.trials,
                reuse_actors=True,
                trial_name_creator=label_of,
                trial_dirname_creator=partial(folder_of, session=f"session-{self.session}"),
            ),
            run_config=tune.RunConfig(
                storage_path=str(self.folder.path / RAY_FOLDER) if storage is None else storage.ray.path,
                storage_filesystem=None if storage is None else storage.ray.filesystem,
                name=f"session-{self.session}",
                callbacks=[*(machines.callbacks if machines else []), parts.monitor, Forgetting()],
                failure_config=tune.FailureConfig(max_failures=_RETRIES),
                verbose=0,
                stop=stops,
            ),
        )
        # Workers for all of the first trials start together; by default, the second once the first runs.
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(self.concurrency)
        watch = watch_of(self.address, needs_of(bound))
        conductor = Conductor(parts, stops, notice, seconds, watch, say)
        try:
            with machines.watched() if machines else nullcontext():
                course = conductor.run(tuner.fit)
        finally:
            with uninterrupted():
                watch.close()
                lost = conductor.course.lost is not None
                # Where a head that others started is gone, Ray would wait for it.
                if conductor.course.hangs or (lost and self.address != "local"):
                    abandon_ray()
                elif conductor.course.given_notice and not lost:
                    notice.withdraw()
                is_complete = parts.close()
        if parts.monitor.failure is not None:
            raise parts.monitor.failure
        return replace(course, trials_are_left=not is_complete)


def _with_own_share(needs: Mapping[str, float], config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
    """Return what a trial needs that has its own share of a GPU."""
    return tune.PlacementGroupFactory([{**needs, "GPU": config["gpu"]}])


def next_session(
    folder: Path, sessions: Sequence[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]] = ()
) -> int:
    """Return the number of the next session: one that no session, row, or folder of Ray's files has.

    Rows and folders count too, since what is known of the sessions may have been lost.
    """
    known_in_rows = [int(row.get("session") or 0) for row in rows]
    known = [int(session.get("session", 0)) for session in sessions]
    folders = [path.name.rpartition("-")[2] for path in (folder / RAY_FOLDER).glob("session-*")]
    return max([0, *known, *known_in_rows, *(int(name) for name in folders if name.isdecimal())]) + 1


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
