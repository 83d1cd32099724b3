"""The rows of a search: one line per report and per trial, appended the moment they happen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.files.layout import KEPT, PAUSED, REPORTS_FILE, SEARCHES, TRIALS_FILE, DamagedError
from analysis.files.validity import what_is_wrong
from analysis.names import inside, shown_name
from analysis.outcomes import KEPT_CHANCE
from analysis.store import RowStore
from paretune.record.endings import TrialEnding
from paretune.record.events import WARNINGS, Listener, Row
from paretune.sampling.history import PastTrial, Standing, TrialSpec
from paretune.sampling.queue import outcome_of
from search_spaces.plan import Values

TO_BE_DONE = frozenset({None, TrialEnding.INTERRUPTED, TrialEnding.FAILED})
"""Endings with which a trial is done, or done again, when a search is resumed."""


SYNC_EVERY_SECONDS = 0.5
"""So often rows are flushed to the disk: with what a turn of Tune's loop takes, a power cut loses at most the
last second."""


_OF_REPORTS_ONLY = frozenset({"verdict", "cut_at", KEPT_CHANCE})
"""What early stopping made of a trial at a report. The trial's row has its standing, which may change."""


class Recorder(Listener):
    """Appends rows to ``trials.jsonl`` and ``reports.jsonl``.

    A trial has a row when it starts, when it saves a checkpoint and when it ends; the last one
    counts. So whatever kills the search, what is known by then is on disk. Each states how many reports the
    trial had by then, so that reports that are missing later are missed.

    Args:
        store: where rows go.
        session: the number of the session.
        given: returns what a configuration's trials are given of a GPU, as columns of their rows.
    """

    def __init__(
        self,
        store: RowStore,
        session: int,
        given: Callable[[Values], Mapping[str, Any]] = lambda values: {},
    ) -> None:
        self._store = store
        self._session = session
        self._given = given
        self._rows: dict[str, dict[str, Any]] = {}
        self._steps = _steps_of_unfinished(store)
        """The steps that trials have reported, in earlier sessions too, by label."""
        self._synced_at = time.monotonic()

    def announced(self, trial: TrialSpec) -> None:
        """Write the trial's first row.

        It is written when the trial is handed out and not when its process is up: processes come up
        in any order, and a resumed search needs all configurations up to the last one it knows.
        """
        self._rows[trial.label] = {
            "trial": trial.label,
            "configuration": trial.configuration,
            "seed_index": trial.seed_index,
            "seed": trial.seed,
            "params": trial.params,
            "values": trial.values,
            "role": trial.role,
            "ending": None,
            "session": self._session,
            "checkpoint": self._relative(trial.resume_from),
            **self._given(trial.values),
        }
        self._append(self._rows[trial.label])

    def started(self, trial: TrialSpec) -> None:
        """Write down since when the trial runs; after a failure, since when it runs again."""
        self._rows[trial.label]["started"] = _now()
        self._append(self._rows[trial.label])

    def reported(self, trial: TrialSpec, row: Row) -> None:
        """Write a report's row."""
        head = {
            "trial": trial.label,
            "configuration": trial.configuration,
            "seed": trial.seed,
            "session": self._session,
            "at": _now(),
        }
        known = self._rows[trial.label]
        if "engine" in row:
            known["engine"] = row["engine"]
        self._store.append_report({**head, **_numbers_and_texts(row)})
        if warnings := row.get(WARNINGS):
            known[WARNINGS] = list(dict.fromkeys([*known.get(WARNINGS, []), *warnings]))
            self._append(known)
        # Only now: a row that counts this report has the standing that the report led to.
        self._steps.setdefault(trial.label, set()).add(row["step"])

    def checkpointed(self, trial: TrialSpec, path: str) -> None:
        """Write down where the trial's newest checkpoint is."""
        self._rows[trial.label]["checkpoint"] = self._relative(path)
        self._append(self._rows[trial.label])

    def judged(self, trial: TrialSpec, standing: Standing) -> None:
        """Write down where early stopping sees the trial, which an earlier session may have run."""
        row = self._rows.get(trial.label) or self._store.trials()[trial.label]
        if row["ending"] is None:
            # It waits to be handed out again: this session's now, whichever last wrote of it.
            row = {**row, "session": self._session}
        told: dict[str, Any] = {
            "below_cut_at": list(standing.below_cut_at),
            KEPT_CHANCE: standing.kept_chance,
            "paused": standing.is_paused,
        }
        kept = {name: value for name, value in row.items() if name not in told}
        self._rows[trial.label] = kept | {name: value for name, value in told.items() if value}
        self._append(self._rows[trial.label])

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        """Write the row that counts."""
        row = {**self._rows[trial.label], **_of_trial(last), "ending": ending, "ended": _now()}
        if error is not None:
            row["error"] = error
        if ending != TrialEnding.INTERRUPTED:
            row.pop("paused", None)
        if KEPT_CHANCE in row:
            # What others come to may change that yet.
            self._rows[trial.label] = row
        self._append(row)
        if ending != TrialEnding.INTERRUPTED:
            self._steps.pop(trial.label, None)

    def tick(self) -> None:
        """Flush rows to the disk now and then: not each, which would take longer than writing it."""
        now = time.monotonic()
        if now - self._synced_at >= SYNC_EVERY_SECONDS:
            self._synced_at = now
            self._store.sync()

    def _append(self, row: dict[str, Any]) -> None:
        # Those of a trial that has ended were counted then.
        if row["trial"] in self._steps:
            row["reports"] = len(self._steps[row["trial"]])
        elif row.get("ending") in TO_BE_DONE:
            row.setdefault("reports", 0)
        self._store.append_trial(row)

    def _relative(self, path: str | None) -> str | None:
        if path is None:
            return None
        try:
            return str(Path(path).relative_to(self._store.folder))
        except ValueError:
            return path


def read_past(store: RowStore, metrics: set[str]) -> list[PastTrial]:
    """Return the trials that earlier sessions of a search began, in the order in which they were handed out.

    Raises:
        DamagedError: a row cannot be read.
    """
    past = []
    rows = store.trials().values()
    waiting = {row["trial"] for row in rows if row.get("paused")}
    reports = store.reports_by_trial(waiting) if waiting else {}
    for row in rows:
        if (wrong := what_is_wrong(TRIALS_FILE, row, to_resume=True)) is not None:
            name = shown_name(store.folder)
            raise DamagedError(f"{row['trial']}: {wrong}; `paretune repair {name}` sets its row aside")
        named = row.get("checkpoint")
        # One that lies elsewhere is not this search's; the trial starts over.
        checkpoint = None if named is None else inside(store.folder, named)
        spec = TrialSpec(
            label=row["trial"],
            configuration=row["configuration"],
            seed_index=row["seed_index"],
            seed=row["seed"],
            values=row["values"],
            params=row["params"],
            role=row.get("role", SEARCHES),
            resume_from=None if checkpoint is None else str(checkpoint),
        )
        ending = row.get("ending")
        outcome = None if ending in TO_BE_DONE else outcome_of(TrialEnding(row["ending"]), row, metrics)
        standing = _standing_in(row)
        paused_with = None
        # One whose reports are lost is run again.
        if standing.is_paused and outcome is None and (came_to := reports.get(spec.label)):
            paused_with = outcome_of(TrialEnding.STOPPED_EARLY, came_to[-1], metrics)
        past.append(PastTrial(spec=spec, outcome=outcome, paused_with=paused_with, standing=standing))
    return past


def settle_past(store: RowStore) -> None:
    """Give trials what their last reports say just before their search was killed: an ending, or a standing.

    Raises:
        DamagedError: a row cannot be read.
        OSError: a row cannot be written.
    """
    rows = {label: row for label, row in store.trials().items() if row.get("ending") in TO_BE_DONE}
    reports = store.reports_by_trial(rows.keys())
    for label, row in rows.items():
        said = reports.get(label, [])
        if not said:
            continue
        last = next((report for report in reversed(said) if report.get("ending")), None)
        judged = said[-1]
        verdict = judged.get("verdict")
        if last is None and verdict == TrialEnding.STOPPED_EARLY:
            last = {**judged, "ending": verdict}
        # The row's standing is newer where the row is.
        standing = _judged(row, judged) if verdict and len(said) > row.get("reports", 0) else {}
        if last is not None:
            cut = _judged(row, judged) if verdict else {}
            kept = {name: value for name, value in row.items() if name != "paused"}
            ended = {**kept, **cut, **_of_trial(last), "ended": last.get("at"), "reports": len(said)}
            store.append_trial({name: value for name, value in ended.items() if name != "at"})
        elif standing:
            store.append_trial({**row, **standing, "reports": len(said)})


def _judged(row: Row, report: Row) -> dict[str, Any]:
    """Return the standing of a trial after a report with a verdict, as columns of its row."""
    told: dict[str, Any] = {}
    cut_at, verdict = report.get("cut_at"), report["verdict"]
    if cut_at is not None:
        before = list(row.get("below_cut_at") or ()) if verdict == KEPT else []
        told["below_cut_at"] = before if cut_at in before else [*before, cut_at]
    if verdict == PAUSED:
        told["paused"] = True
    if report.get(KEPT_CHANCE) is not None:
        told[KEPT_CHANCE] = report[KEPT_CHANCE]
    return told


def _steps_of_unfinished(store: RowStore) -> dict[str, set[float]]:
    """Return the steps that trials have reported that may report more, by label."""
    if not (store.folder / REPORTS_FILE).exists():
        return {}
    unfinished = {label for label, row in store.trials().items() if row.get("ending") in TO_BE_DONE}
    if not unfinished:
        return {}
    reports = store.reports_by_trial(unfinished)
    return {label: {report["step"] for report in reports.get(label, ())} for label in unfinished}


def _standing_in(row: Row) -> Standing:
    return Standing(
        below_cut_at=tuple(row.get("below_cut_at") or ()),
        kept_chance=row.get(KEPT_CHANCE),
        is_paused=bool(row.get("paused")),
    )


def _numbers_and_texts(row: Row) -> dict[str, Any]:
    """Leave out numbers that are not finite: in the rows, missing stays missing. Warnings are the trial's."""
    return {
        name: value
        for name, value in row.items()
        if name != WARNINGS and not (isinstance(value, float) and not math.isfinite(value))
    }


def _of_trial(last: Row) -> dict[str, Any]:
    """Return what a trial's row has of its last report."""
    return {name: value for name, value in _numbers_and_texts(last).items() if name not in _OF_REPORTS_ONLY}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
