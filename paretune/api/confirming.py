"""Confirming configurations on fresh seeds, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from analysis.confirmation import Confirmation, confirmation
from analysis.files.layout import CONFIRMATIONS_FILE
from analysis.files.lines import mend_last_line
from analysis.rows import SearchRows
from analysis.text import duration, plural
from paretune.api.consoles import Progress, console_of
from paretune.api.threads import torch_threads
from paretune.confirm.points import Point, choose_points
from paretune.confirm.seeds import Bench, confirm_seed, require_trainable
from paretune.devices import pick_device
from paretune.plan.binding import bind
from paretune.record.run_folder import RunFolder
from paretune.terminal.progress import SeedProgress

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Confirmed:
    """Configurations that were confirmed on fresh seeds, or some of them if it was interrupted.

    >>> import paretune
    >>> search = paretune.open("results/quickstart")
    >>> confirmed = search.confirm([0], seeds=1, problems=100, progress=False)
    >>> confirmed.configurations, confirmed.wanted, confirmed.done
    ([0], 1, 1)
    >>> len(confirmed.finding.sentences) > 0
    True
    """

    folder: Path
    """The search's folder."""
    configurations: Sequence[int]
    """Their numbers."""
    seeds: int
    """How many fresh seeds each shall have."""
    done: int
    """How many seeds there are of all that were asked for, those of earlier calls included."""

    @property
    def wanted(self) -> int:
        """How many seeds were asked for, over all configurations."""
        return self.seeds * len(self.configurations)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it before all seeds were done; the same call trains the others."""
        return self.done < self.wanted

    @cached_property
    def finding(self) -> Confirmation:
        """What was found in the search and what was confirmed, side by side."""
        return confirmation(SearchRows(self.folder))


def confirm(
    rows: SearchRows,
    points: Sequence[str | int],
    *,
    seeds: int,
    problems: int,
    device: str,
    allow_task_code: bool,
    progress: Progress,
) -> Confirmed:
    """Confirm configurations; see :meth:`paretune.Search.confirm`."""
    folder = RunFolder(rows.folder)
    bound = bind(folder.plan, allow_task_code=allow_task_code)
    chosen = choose_points(rows, bound, [str(point) for point in points], seeds)
    torch_device = pick_device(device)
    for point in chosen:
        require_trainable(bound, point.number, point.values, torch_device)
    console = console_of(progress)
    # Alone on the device: no search, and no other confirmation of it, meanwhile.
    with folder.locked(), torch_threads(bound):
        mend_last_line(folder.path / CONFIRMATIONS_FILE)
        _say_plan(console, folder, chosen, seeds, str(torch_device))
        _train(console, Bench.on(folder.path, bound, torch_device, problems), chosen)
        numbers = [point.number for point in chosen]
        # By the rows, since Ctrl-C may come right after one was written.
        after = choose_points(SearchRows(rows.folder), bound, [str(number) for number in numbers], seeds)
    missing = sum(len(point.missing) for point in after)
    return Confirmed(
        folder=folder.path, configurations=numbers, seeds=seeds, done=seeds * len(chosen) - missing
    )


def _train(console: Console, bench: Bench, points: Sequence[Point]) -> None:
    """Train the seeds that are missing, until Ctrl-C."""
    try:
        # One folder for all seeds: Ctrl-C between two of them finds none that was just made.
        with TemporaryDirectory(prefix="paretune-") as scratch:
            for point in points:
                if not point.missing:
                    continue
                console.print(f"\nconfiguration {point.number}, {point.params:,} parameters")
                with SeedProgress(console, bench.bound, point.values, len(point.missing)) as shown:
                    for index in point.missing:
                        run = confirm_seed(
                            bench,
                            point.number,
                            point.values,
                            index,
                            folder=Path(scratch),
                            keeps_checkpoint=False,
                            watcher=shown,
                        )
                        shown.seed_ended(run)
    except KeyboardInterrupt:
        pass


def _say_plan(console: Console, folder: RunFolder, points: Sequence[Point], seeds: int, device: str) -> None:
    """Say what will be done, and how long that may take."""
    fresh = plural(seeds, "fresh seed")
    if not any(point.missing for point in points):
        console.print(f"{fresh} of each are confirmed already: nothing is left to train.")
        return
    what = plural(len(points), "configuration")
    console.print(f"Confirming {what} of {folder.name} on {fresh} each, one at a time on {device}:")
    for point in points:
        left = len(point.missing)
        told = f"  configuration {point.number}, {point.params:,} parameters: {plural(left, 'seed')}"
        told += f", {seeds - left} there already" if left < seeds else ""
        if left and point.seconds is not None:
            told += f", about {duration(point.seconds * left)}"
        console.print(told, soft_wrap=True)
    known = [point.seconds * len(point.missing) for point in points if point.seconds is not None]
    if len(known) == len(points):
        console.print(f"About {duration(sum(known))} in all, and evaluations, by what the search took.")
