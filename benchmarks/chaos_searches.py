"""The searches of a drill: their space files, and how one is killed and resumed until it is over."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chaos_kills import KINDS, Command, NothingThereError, Scene, deliver
from chaos_machines import Cluster, Disk, with_token
from chaos_processes import (
    clear,
    end_all_of,
    environment_in,
    gone_within,
    left_in,
    temporary_in,
    title_of,
)
from chaos_rows import Kill, Rows

from analysis.files.layout import PLAN_FILE

_SILENT_S = 180.0
"""A command that writes no row for so long, unharmed, hangs."""

_MOST_COMMANDS = 30
_MOST_FAILURES = 3

_SPACE = """
name: {name}
task: addition
objectives:
  - {{metric: exact_match, direction: max}}
  - {{metric: params, direction: min}}
target: {{exact_match: 0.99}}
fixed: {{digits: 3, batch: 128, final_norm: false, eval_every: 500, n_heads: 2}}
space:
  d_model: {{type: int, low: 8, high: 24, step: 8}}
  d_ff: {{type: choice, values: [16, 48]}}
  lr: {{type: float, low: 0.005, high: 0.03, log: true}}
  steps: {{type: choice, values: [1000, 8000, 48000]}}
"""

_RULE = """early_stopping:
  {{metric: train_loss, direction: min, at: [0.5], reduction_factor: 2, below_cut: {below_cut}}}
"""

_SEARCH = "search: {{trials: {trials}, concurrency: {at_a_time}, sampler: random{more}}}\n"

SPACES = {
    "plain": _SPACE + _SEARCH,
    "stop": _SPACE + _RULE.replace("{below_cut}", "stop") + _SEARCH,
    "pause": _SPACE + _RULE.replace("{below_cut}", "pause") + _SEARCH,
    "race": _SPACE + _SEARCH,
    "question": _SPACE.replace(
        "{{type: choice, values: [1000, 8000, 48000]}}", "{{type: choice, values: [8000]}}"
    )
    + "question: {{cliff: {{at: 0.5, within: 0.5}}}}\n"
    + "search: {{trials: {trials}, concurrency: {at_a_time}}}\n",
    "cluster": _SPACE + _SEARCH,
}
"""The kinds of searches. All but the question draw the same configurations, whose order nothing changes."""

_MORE = {"race": ", seeds: {from: 2, to: 5, error: 0.1}"}


def space_of(kind: str, trials: int, at_a_time: int) -> str:
    """Return the space file of a kind of search."""
    return SPACES[kind].format(name=kind, trials=trials, at_a_time=at_a_time, more=_MORE.get(kind, ""))


@dataclass(frozen=True)
class Drawn:
    """A kill to come."""

    kind: str
    after: float
    """Seconds, see :class:`Kill`."""
    early: bool


class Deck:
    """Draws kinds in random order, each as often as the others.

    Args:
        kinds: what is in it.
        dice: what shuffles it.
    """

    def __init__(self, kinds: list[str], dice: random.Random) -> None:
        self._kinds = kinds
        self._dice = dice
        self._left: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._left:
            self._left = self._dice.sample(self._kinds, len(self._kinds))
        return self._left.pop()


def drawn(deck: Deck, dice: random.Random, count: int) -> list[Drawn]:
    """Return the kills of a search, and their moments."""
    kills = []
    for _ in range(count):
        kind = next(deck)
        early = KINDS[kind].early and dice.random() < 0.2
        # Imports and Ray take some seconds; a trial takes up to twenty.
        kills.append(Drawn(kind, dice.uniform(0.3, 10) if early else dice.uniform(0.3, 12), early))
    return kills


@dataclass(kw_only=True)
class Killed:
    """A search of the drill, and what became of it."""

    name: str
    kind: str
    folder: Path
    """Where its rows are."""
    kills: list[Kill] = field(default_factory=list)
    commands: int = 0
    is_over: bool = False
    disk: str | None = None
    """What could be full: a file system of its own, or a limit on the size of files."""
    seconds: float = 0.0
    hung: int = 0
    """Commands that stopped writing rows without having been killed."""
    failures: list[str] = field(default_factory=list)
    """Last words of commands that failed without having been killed."""
    tracebacks: list[str] = field(default_factory=list)
    """Logs in which a command showed a traceback."""
    left_processes: list[str] = field(default_factory=list)
    left_folders: list[str] = field(default_factory=list)


class Killing:
    """Runs one search, kills it as drawn, and resumes it until it is over.

    Args:
        folder: the drill's folder.
        search: what is to become of it.
        space: the text of its space file.
        kills: in the order in which they come.
        dice: what draws what else there is to draw.
        may_kill: tells whether there is time left for a kill.
        rest: seconds before a search is resumed.
    """

    def __init__(
        self,
        folder: Path,
        search: Killed,
        space: str,
        kills: list[Drawn],
        dice: random.Random,
        may_kill: Callable[[], bool],
        rest: float,
    ) -> None:
        self._folder = folder
        self._search = search
        self._kills = deque(kills)
        self._dice = dice
        self._may_kill = may_kill
        self._rest = rest
        self._results = search.folder.parent
        self._results.mkdir(parents=True)
        self._space = folder / f"{search.name}.yaml"
        self._space.write_text(space)
        self._environment = environment_in(folder)
        self._cluster: Cluster | None = None
        if search.kind == "cluster":
            self._environment = with_token(self._environment)
            self._cluster = Cluster(folder, self._environment)
        self._disk = Disk(self._results) if any(kill.kind == "disk" for kill in kills) else None
        if self._disk is not None:
            search.disk = "a file system" if self._disk.is_mounted else "a limit"
        self._rows = Rows(search.folder)
        self._earlier: list[str] = []

    def run(self) -> None:
        """Do so."""
        search, began, failed = self._search, time.monotonic(), 0
        try:
            while not search.is_over and search.commands < _MOST_COMMANDS and failed < _MOST_FAILURES:
                kills, hung = len(search.kills), search.hung
                code = self._run_command()
                search.is_over = code == 0
                if code != 0 and (len(search.kills), search.hung) == (kills, hung):
                    failed += 1
                else:
                    failed = 0
        finally:
            if self._cluster is not None:
                self._cluster.stop()
            search.seconds = time.monotonic() - began
        search.left_processes = [title_of(process) for process in gone_within(self._folder, 15)]
        end_all_of(self._folder)
        # Nodes of a cluster keep their logs, as on machines of their own.
        if self._cluster is not None:
            shutil.rmtree(self._folder / "t" / "ray", ignore_errors=True)
        search.left_folders = left_in(self._folder, self._earlier)
        clear(self._folder)

    def close(self) -> None:
        """End whatever still runs of it."""
        if self._cluster is not None:
            self._cluster.stop()
        end_all_of(self._folder)

    def remove(self) -> None:
        """Give back the disk that it was on."""
        if self._disk is not None:
            self._disk.remove()

    def _run_command(self) -> int:
        """Start the search or resume it, kill it as drawn, and return what it ended with."""
        search = self._search
        if self._cluster is not None:
            self._cluster.start()
        if search.commands:
            time.sleep(self._rest)
        search.commands += 1
        log = self._folder / "logs" / f"{search.name}-{search.commands:02}.log"
        log.parent.mkdir(exist_ok=True)
        # One that was killed before it had a plan left nothing to resume.
        begun = (self._rows.folder / PLAN_FILE).exists()
        words = ["resume", search.kind] if begun else ["search", str(self._space)]
        words += ["--results", str(self._results)]
        if self._cluster is not None:
            words += ["--address", self._cluster.address]
        self._rows.grown_at = time.monotonic()
        self._earlier = temporary_in(self._folder)
        command = Command(words, self._environment, log)
        scene = Scene(self._folder, command, self._rows, self._cluster, self._disk, self._dice)
        killed = self._live(scene)
        code = command.code
        assert code is not None
        if "Traceback (most recent call last)" in command.output():
            search.tracebacks.append(f"{log.name}: {command.last_words()}")
        if code != 0 and not killed:
            search.failures.append(f"{log.name}: code {code}: {command.last_words()}")
        return code

    def _live(self, scene: Scene) -> bool:
        """Wait and kill until the command has ended; return whether it could not end as it should."""
        killed = False
        begun = self._rows.begun
        since = scene.command.began
        while scene.command.code is None:
            kill = self._kills[0] if self._kills and self._may_kill() else None
            if kill is not None and kill.early and killed:
                kill = None  # it waits for the next command
            if kill is not None and not kill.early and self._rows.begun == begun:
                kill = None  # it waits for a trial
                since = time.monotonic()
            if kill is not None and time.monotonic() - since >= kill.after:
                self._kills.popleft()
                killed |= self._deliver(scene, kill)
                begun, since = self._rows.begun - 1, time.monotonic()
                continue
            scene.wait(0.1)
            if time.monotonic() - self._rows.grown_at > _SILENT_S:
                self._search.hung += 1
                end_all_of(self._folder)
        return killed

    def _deliver(self, scene: Scene, planned: Drawn) -> bool:
        kill = Kill(kind=planned.kind, search=self._search.name, at=planned.after, early=planned.early)
        try:
            deliver(scene, kill)
        except NothingThereError:
            return False
        kill.early &= kill.running == 0
        self._search.kills.append(kill)
        came = "hung" if kill.hung else "went on" if kill.code is None else f"ended with {kill.code}"
        print(
            f"  {planned.kind}{' (early)' if planned.early else ''}: {came} after {kill.seconds or 0:.1f} s; "
            f"{self._rows.ended()} trials ended so far",
            flush=True,
        )
        if self._cluster is not None and kill.code is None and not self._cluster.is_whole:
            self._cluster.start()  # a node that joins
        return kill.hung or KINDS[kill.kind].ends or KINDS[kill.kind].loses_ray


def as_record(search: Killed) -> dict[str, object]:
    """Return a search as plain values."""
    fields = {**vars(search), "kills": [vars(kill) for kill in search.kills]}
    del fields["folder"]
    return json.loads(json.dumps(fields))  # type: ignore[no-any-return]
