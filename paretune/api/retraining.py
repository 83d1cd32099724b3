"""Retraining a configuration, and what came of it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.files.layout import CONFIRMATIONS_FILE, RETRAIN_FOLDER
from analysis.files.lines import mend_last_line
from analysis.rows import SearchRows
from analysis.text import between, plural
from paretune.api.consoles import Progress, console_of
from paretune.api.threads import torch_threads
from paretune.confirm import leaderboard
from paretune.confirm.evaluation import headline
from paretune.confirm.report import REPORT_FILE, write_report
from paretune.confirm.retraining import SeedRun, best_run, choose
from paretune.confirm.seeds import Bench, confirm_seed, require_trainable
from paretune.devices import pick_device
from paretune.plan.binding import bind
from paretune.record.run_folder import RunFolder
from paretune.terminal.progress import SeedProgress
from trainables.contract import Evaluation


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """A configuration that was retrained on fresh seeds, with its best model.

    >>> import paretune
    >>> search = paretune.open("results/quickstart")
    >>> retrained = search.retrain(0, seeds=1, problems=100, progress=False)
    >>> retrained.configuration, len(retrained.runs), retrained.best is retrained.runs[0]
    (0, 1, True)
    >>> retrained.checkpoint.is_file(), retrained.report.is_file(), retrained.evaluation.metric
    (True, True, 'exact_match')
    """

    configuration: int
    """Its number."""
    why: str
    """Why it was chosen."""
    params: int
    """Its exact parameter count."""
    runs: Sequence[SeedRun]
    """The fresh seeds that were trained, in their order; at least one."""
    best: SeedRun | None
    """The one whose checkpoint is best by validation; None if every seed diverged."""
    report: Path
    """The report for people, ``report.md``; the same for programs lies beside it."""
    interrupted: bool
    """Whether Ctrl-C ended it before all seeds were done."""
    content: Mapping[str, Any]
    """What the report says, as plain values."""

    @property
    def checkpoint(self) -> Path | None:
        """The best checkpoint; None if every seed diverged."""
        return None if self.best is None else self.best.checkpoint

    @property
    def evaluation(self) -> Evaluation | None:
        """How the best checkpoint did on held-out problems; None if every seed diverged."""
        return None if self.best is None else self.best.evaluation

    @property
    def sentences(self) -> Sequence[str]:
        """What was found, in a few sentences."""
        said = []
        success = self.content["success"]
        if self.content["target"] is not None:
            said.append(
                f"{success['solved']} of {success['seeds']} fresh seeds reached the target "
                f"(95 % interval {between(success['low'], success['high'], 'share')})."
            )
        if (row := leaderboard.sentence(dict(self.content))) is not None:
            said.append(row)
        if self.best is None or self.best.evaluation is None:
            said.append("Every seed diverged; there is no checkpoint.")
        else:
            said.append(f"Best by validation, seed {self.best.seed}: {headline(self.best.evaluation)}.")
        return said

    def as_json(self) -> dict[str, Any]:
        """Return what the report says, as plain values, with the report's path."""
        return {**self.content, "report": str(self.report)}


def retrain(
    rows: SearchRows,
    configuration: int | None,
    *,
    seeds: int,
    problems: int,
    device: str,
    allow_task_code: bool,
    progress: Progress,
) -> Retrained:
    """Retrain a configuration; see :meth:`paretune.Search.retrain`."""
    chosen = choose(rows, configuration)
    folder = RunFolder(rows.folder)
    bound = bind(folder.plan, allow_task_code=allow_task_code)
    torch_device = pick_device(device)
    require_trainable(bound, chosen.number, chosen.values, torch_device)
    console = console_of(progress)
    place = _new_folder(folder.path / RETRAIN_FOLDER, f"c{chosen.number:03d}")
    params = bound.params(chosen.values)
    console.print(
        f"Configuration {chosen.number}, {params:,} parameters, because {chosen.why}. "
        f"Training {plural(seeds, 'fresh seed')} on {torch_device}, in {place}.",
        soft_wrap=True,
    )
    mend_last_line(folder.path / CONFIRMATIONS_FILE)
    bench = Bench.on(folder.path, bound, torch_device, problems)
    runs: list[SeedRun] = []
    interrupted = False
    with torch_threads(bound), SeedProgress(console, bound, chosen.values, seeds) as shown:
        try:
            for index in range(seeds):
                run = confirm_seed(
                    bench,
                    chosen.number,
                    chosen.values,
                    index,
                    folder=place / f"seed-{index}",
                    keeps_checkpoint=True,
                    watcher=shown,
                )
                runs.append(run)
                shown.seed_ended(run)
        except KeyboardInterrupt:
            interrupted = True
    if not runs:
        # A checkpoint that no report names is of no use to anybody.
        shutil.rmtree(place)
        raise KeyboardInterrupt("interrupted before a seed was done; there is nothing to report")
    content = write_report(place, folder.name, bound, chosen, runs, torch_device)
    return Retrained(
        configuration=chosen.number,
        why=chosen.why,
        params=params,
        runs=runs,
        best=best_run(bound.task, runs),
        report=place / REPORT_FILE,
        interrupted=interrupted,
        content=content,
    )


def _new_folder(parent: Path, stem: str) -> Path:
    """Make a folder that did not exist: the stem, or the stem with a number."""
    number = 1
    while True:
        path = parent / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return path
