"""The ways in which a drill kills, and how a command answers each."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from chaos_machines import Cluster, Disk
from chaos_processes import belonging_to, drivers, end, end_all_of, named, workers
from chaos_rows import Kill, Rows

from analysis.files.layout import REPORTS_FILE, TRIALS_FILE

NOTICE_S = 30.0
"""Between SIGTERM and SIGKILL, as spot machines give it."""

ENDS_WITHIN_S = 60.0
"""So long a command may take to end, or to go on, after Ray was lost."""

_STILL_GROWING_S = 15.0
"""With a row as young as this, a search has gone on."""


class Command:
    """A ``paretune`` command that runs, to be killed.

    Args:
        words: its arguments.
        environment: its environment.
        log: where its output goes.
    """

    def __init__(self, words: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        self.began = time.monotonic()
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "paretune", *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A drill in the background of a script inherits that SIGINT is ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    @property
    def pid(self) -> int:
        """The process that a person would signal."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.code is None:
            self._process.send_signal(number)

    def output(self) -> str:
        """Return what it has printed."""
        return self.log.read_text(errors="replace")

    def last_words(self) -> str:
        """Return the last line that it has printed."""
        lines = [line.strip() for line in self.output().splitlines() if line.strip()]
        return lines[-1] if lines else ""


@dataclass(frozen=True)
class Scene:
    """A search that runs, and everything of it that can be killed."""

    folder: Path
    """The drill's folder."""
    command: Command
    rows: Rows
    cluster: Cluster | None
    disk: Disk | None
    dice: random.Random

    def processes(self) -> list[psutil.Process]:
        """Return all processes of the drill, without those of the cluster's nodes that are no workers."""
        return belonging_to(self.folder)

    def driver(self) -> psutil.Process | None:
        """Return the process that drives the search."""
        found = drivers(self.processes())
        return found[-1] if found else None

    def wait(self, seconds: float) -> bool:
        """Wait until the command has ended; return whether it has within so many seconds."""
        until = time.monotonic() + seconds
        while self.command.code is None and time.monotonic() < until:
            self.rows.read()
            time.sleep(0.1)
        self.rows.read()
        return self.command.code is not None


class NothingThereError(Exception):
    """What was to be killed is not there: the command has just ended, or has not come so far."""


Act = Callable[[Scene, Kill], None]
Find = Callable[[list[psutil.Process]], list[psutil.Process]]


def _kill_one(find: Find) -> Act:
    def act(scene: Scene, kill: Kill) -> None:
        if not (found := find(scene.processes())):
            raise NothingThereError
        end([scene.dice.choice(sorted(found, key=lambda process: process.pid))])

    return act


def _kill_driver(scene: Scene, kill: Kill) -> None:
    driver = scene.driver()
    if driver is None:
        raise NothingThereError
    end([driver])
    scene.wait(ENDS_WITHIN_S)


def _kill_everything(scene: Scene, kill: Kill) -> None:
    end_all_of(scene.folder)
    scene.wait(5)


def _kill_node(scene: Scene, kill: Kill) -> None:
    if scene.cluster is not None:
        scene.cluster.kill_node()


def _kill_head(scene: Scene, kill: Kill) -> None:
    if scene.cluster is not None:
        scene.cluster.kill_head()


def _signal(number: int, *, kill_after: float | None, again_within: float | None = None) -> Act:
    """Return a signal as a person or a machine sends it: once, twice, or with SIGKILL after some time."""

    def act(scene: Scene, kill: Kill) -> None:
        scene.command.signal(number)
        if again_within is not None:
            scene.wait(scene.dice.uniform(0.1, again_within))
            scene.command.signal(number)
        if kill_after is not None and not scene.wait(kill_after):
            _end_own(scene)
            kill.hung = kill_after >= NOTICE_S
        scene.wait(ENDS_WITHIN_S)

    return act


def _stop(find: Callable[[Scene], psutil.Process | None]) -> Act:
    """Return what stops a process for some seconds, as a machine does that is put to sleep."""

    def act(scene: Scene, kill: Kill) -> None:
        process = find(scene)
        if process is None:
            raise NothingThereError
        with suppress(psutil.Error):
            process.suspend()
        time.sleep(scene.dice.uniform(2, 15))
        with suppress(psutil.Error):
            process.resume()

    return act


def _a_worker(scene: Scene) -> psutil.Process | None:
    found = sorted(workers(scene.processes()), key=lambda process: process.pid)
    return scene.dice.choice(found) if found else None


def _fill_disk(scene: Scene, kill: Kill) -> None:
    driver = scene.driver()
    if scene.disk is None or driver is None:
        raise NothingThereError
    files = [scene.rows.folder / name for name in (TRIALS_FILE, REPORTS_FILE)]
    largest = max([0, *(path.stat().st_size for path in files if path.exists())])
    with suppress(psutil.Error):
        scene.disk.fill(driver, largest)
    scene.wait(ENDS_WITHIN_S)
    scene.disk.free()


def _end_own(scene: Scene) -> None:
    """Kill the command with all that it started; not the cluster that it joined."""
    if scene.cluster is None:
        end_all_of(scene.folder)
    else:
        end(drivers(scene.processes()))


@dataclass(frozen=True)
class Kind:
    """A way to kill."""

    words: str
    act: Act
    ends: bool = True
    """Whether the command is to end of it; else the search goes on, or ends, by itself."""
    where: str = "both"
    """On this machine alone (``local``), on a cluster (``cluster``), or both."""
    hits_all: bool = True
    """Whether every trial that runs is hit; else a worker's or a node's."""
    loses_ray: bool = False
    """Whether no trial can run on what is left of Ray."""
    early: bool = False
    """Whether it may come while the command is starting."""
    stops: bool = False
    """Whether nothing dies of it."""


KINDS = {
    "worker": Kind("SIGKILL of a worker", _kill_one(workers), ends=False, hits_all=False),
    "driver": Kind("SIGKILL of the driver", _kill_driver, early=True),
    "raylet": Kind(
        "SIGKILL of the raylet", _kill_one(named("raylet")), ends=False, where="local", loses_ray=True
    ),
    "gcs": Kind(
        "SIGKILL of the GCS", _kill_one(named("gcs_server")), ends=False, where="local", loses_ray=True
    ),
    "everything": Kind("SIGKILL of everything at once", _kill_everything, early=True),
    "node": Kind("a node of two off", _kill_node, ends=False, where="cluster", hits_all=False),
    "head": Kind("the head node of two off", _kill_head, ends=False, where="cluster", loses_ray=True),
    "notice": Kind("SIGTERM, 30 s of notice", _signal(signal.SIGTERM, kill_after=NOTICE_S), early=True),
    "no-notice": Kind("SIGTERM, SIGKILL after 2 s", _signal(signal.SIGTERM, kill_after=2.0), early=True),
    "interrupt": Kind("SIGINT", _signal(signal.SIGINT, kill_after=ENDS_WITHIN_S), early=True),
    "interrupt-twice": Kind(
        "SIGINT twice", _signal(signal.SIGINT, kill_after=ENDS_WITHIN_S, again_within=2.0), early=True
    ),
    "sleep-driver": Kind("SIGSTOP of the driver, 2 to 15 s", _stop(Scene.driver), ends=False, stops=True),
    "sleep-worker": Kind("SIGSTOP of a worker, 2 to 15 s", _stop(_a_worker), ends=False, stops=True),
    "disk": Kind("a full disk", _fill_disk, where="local"),
}


def deliver(scene: Scene, kill: Kill) -> None:
    """Kill, and wait until the command has ended or the search goes on, so long as either may take.

    Raises:
        NothingThereError: there is nothing to kill.
    """
    kind = KINDS[kill.kind]
    scene.rows.read()
    running, begun, session = scene.rows.running(), scene.rows.begun, scene.rows.session
    attempts = scene.rows.attempts(running)
    kill.running = len(running)
    if not kind.ends and not kind.stops:
        scene.rows.hit(running, kill)
    began = time.monotonic()
    kind.act(scene, kill)
    if kind.ends:
        if scene.command.code is None:
            kill.hung = True
            _end_own(scene)
            scene.wait(10)
    else:

        def goes_on() -> bool:
            if kind.stops:
                return scene.rows.grown_at > began
            if kind.loses_ray:
                return scene.rows.session > session and scene.rows.begun > begun
            return scene.rows.attempts(running) != attempts

        _watch(scene, kill, goes_on)
    kill.seconds = time.monotonic() - began if kill.seconds is None else kill.seconds
    kill.code = scene.command.code
    if kill.code is not None:
        kill.said = scene.command.last_words()
        if kind.ends:
            scene.rows.hit(running, kill)


def _watch(scene: Scene, kill: Kill, goes_on: Callable[[], bool]) -> None:
    began = time.monotonic()
    while time.monotonic() - began < ENDS_WITHIN_S:
        if scene.wait(0.2) or goes_on():
            kill.seconds = time.monotonic() - began
            return
    if time.monotonic() - scene.rows.grown_at > _STILL_GROWING_S:
        kill.hung = True
        _end_own(scene)
        scene.wait(10)
