"""The files of a search, read and written in one place: its plan, metrics, defaults, sessions and rows.

Every file that is written whole states the version of its format. Rows do not, which would cost bytes in
each: the version of ``provenance.json``, which every session writes before its first row, is theirs too. A
file without a version is older than versions; :class:`RowStore` reads it, and :mod:`analysis.rows` knows what
older searches did not say.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from analysis.files.layout import (
    CONFIRMATIONS_FILE,
    DEFAULTS_FILE,
    LEARNED_FILE,
    METRICS_FILE,
    PLAN_FILE,
    PROVENANCE_FILE,
    REPORT_FILE,
    REPORTS_FILE,
    RETRAIN_FOLDER,
    TRIALS_FILE,
    DamagedError,
    NewerError,
)
from analysis.files.lines import (
    append_line,
    damaged_line,
    mend_last_line,
    numbered_rows,
    sync_file,
    write_whole,
)
from analysis.files.shapes import wrong_metric, wrong_report
from analysis.files.validity import what_is_wrong
from analysis.names import shown_name
from search_spaces.plan import Plan
from search_spaces.wording import finding

if TYPE_CHECKING:
    import pandas as pd

FORMAT_VERSION = 1
"""Raised whenever a program that does not know the change would misread a file."""

_VERSION = "version"

_RESTORE = "restore it from a copy of the search's folder"

Row = dict[str, Any]


class RowStore:
    """The files of one search.

    Every method that reads raises :class:`DamagedError`, which names the file, the line if there is one, and
    the way out. Every method that writes raises OSError, and then leaves the file as it was.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._unsynced: set[str] = set()
        """Files with rows that a power cut could still lose."""

    # Files that are written whole

    def plan(self) -> Plan:
        """Return the plan that the search was started with, or last extended to."""
        return self.plan_of(self._content(PLAN_FILE))

    def plan_of(self, content: Any) -> Plan:
        """Return the plan that plain values state, also those of an older version."""
        if isinstance(content, dict) and isinstance(rule := content.get("early_stopping"), dict):
            # Plans from before there were reserves state none, and had none.
            rule.setdefault("reserve", 0.0)
        try:
            return Plan.model_validate_json(json.dumps(content))
        except ValidationError as error:
            detail = error.errors()[0]
            place = ".".join(map(str, detail["loc"]))
            what = f"{place}: {finding(detail)}" if place else finding(detail)
            raise self._damaged(PLAN_FILE, f"is not a plan: {what}") from None

    def write_plan(self, plan: Plan) -> None:
        """Write the plan, whole or not at all."""
        self._write(PLAN_FILE, plan.model_dump(mode="json"))

    def metrics(self) -> list[dict[str, Any]]:
        """Return every metric as the fields of its description."""
        content = self._content(METRICS_FILE)
        # Before there were versions, the file was the list.
        listed = content.get("metrics") if isinstance(content, dict) else content
        if not listed or not isinstance(listed, list):
            raise self._damaged(METRICS_FILE, "does not list metrics")
        if wrong := next(filter(None, map(wrong_metric, listed)), None):
            raise self._damaged(METRICS_FILE, f"has {wrong}")
        return listed

    def write_metrics(self, metrics: Sequence[dict[str, Any]]) -> None:
        """Write the metrics, whole or not at all."""
        self._write(METRICS_FILE, {"metrics": list(metrics)})

    def defaults(self) -> dict[str, Any]:
        """Return the task's parameters with their defaults; empty where the search is older than the file."""
        if not (self.folder / DEFAULTS_FILE).exists():
            return {}
        content, version = self._versioned(DEFAULTS_FILE)
        # Before there were versions, the file was the mapping.
        defaults = content if version is None else content.get("defaults")
        if not isinstance(defaults, dict):
            raise self._damaged(DEFAULTS_FILE, "does not hold parameters")
        return defaults

    def write_defaults(self, defaults: Mapping[str, Any]) -> None:
        """Write the defaults, whole or not at all."""
        self._write(DEFAULTS_FILE, {"defaults": dict(defaults)})

    def sessions(self) -> list[dict[str, Any]]:
        """Return what is known of each session; empty where the search has no such file."""
        if not (self.folder / PROVENANCE_FILE).exists():
            return []
        content = self._content(PROVENANCE_FILE)
        sessions = content.get("sessions") if isinstance(content, dict) else None
        if not isinstance(sessions, list) or not all(isinstance(session, dict) for session in sessions):
            raise self._damaged(PROVENANCE_FILE, "does not list sessions")
        return sessions

    def write_sessions(self, sessions: Sequence[dict[str, Any]]) -> None:
        """Write the sessions, whole or not at all; all rows are on the disk before."""
        self.sync()
        self._write(PROVENANCE_FILE, {"sessions": list(sessions)})

    def learned(self) -> dict[str, Any] | None:
        """Return what was learned from earlier searches, as plain values; None where that was nothing."""
        if not (self.folder / LEARNED_FILE).exists():
            return None
        content = self._content(LEARNED_FILE)
        if not isinstance(content, dict) or not {"sources", "configurations"} <= content.keys():
            raise self.damaged_learned()
        return content

    def write_learned(self, learned: Mapping[str, Any]) -> None:
        """Write what was learned from earlier searches, whole or not at all."""
        self._write(LEARNED_FILE, dict(learned))

    def damaged_learned(self) -> DamagedError:
        """Return the error that what was learned cannot be understood."""
        return self._damaged(LEARNED_FILE, "does not hold configurations of earlier searches")

    # Rows

    def trials(self, appearances: Counter[str] | None = None) -> dict[str, Row]:
        """Return the row of every trial that counts, its last, in the order in which trials were handed out.

        Args:
            appearances: is told in how many rows each column stands, rows that do not count included.
        """
        self.sessions()  # states the version of the rows
        rows: dict[str, Row] = {}
        for row in self._rows(TRIALS_FILE):
            if appearances is not None:
                appearances.update(row.keys())
            # A row without an ending mostly gives way to the next, and is not worth the time.
            rows[row["trial"]] = _sharing_words(row) if row.get("ending") is not None else row
        return rows

    def reports(self) -> pd.DataFrame:
        """Return one row per report, sorted by trial and step; empty if there are none.

        Of steps that were repeated after a resumption, the later report counts.
        """
        from analysis.files.columns import read_columns

        self.sessions()  # states the version of the rows
        frame = read_columns(self.folder / REPORTS_FILE)
        if frame.empty:
            return frame
        if not _has_keys(frame):
            deque(self._rows(REPORTS_FILE), maxlen=0)  # names the line
        frame = frame.drop_duplicates(["trial", "step"], keep="last")
        return frame.sort_values(["trial", "step"], ignore_index=True)

    def reports_by_trial(self, labels: Collection[str] | None = None) -> dict[str, list[Row]]:
        """Return trials' reports in the order of their steps; the same as :meth:`reports`, as rows.

        Args:
            labels: the trials; all of them if None. Lines of others are passed over without a look.
        """
        self.sessions()
        by_step: dict[str, dict[int, Row]] = {}
        for row in self._rows(REPORTS_FILE, labels):
            if labels is None or row["trial"] in labels:
                by_step.setdefault(row["trial"], {})[row["step"]] = row
        return {label: [rows[step] for step in sorted(rows)] for label, rows in by_step.items()}

    def confirmations(self) -> list[Row]:
        """Return all rows of confirmations in the order of the file."""
        self.sessions()
        return list(self._rows(CONFIRMATIONS_FILE))

    def retrained(self) -> list[dict[str, Any]]:
        """Return the reports of ``paretune retrain``, the newest last."""
        return [self.retrain_report(name) for name in self.retrain_reports]

    @property
    def retrain_reports(self) -> list[str]:
        """The names of the reports of ``paretune retrain`` below the folder, the newest last."""
        paths = (self.folder / RETRAIN_FOLDER).glob(f"*/{REPORT_FILE}")
        # A name that was taken got a number: c000, c000-2, and c000-10.
        ordered = sorted(paths, key=lambda path: (len(path.parent.name), path.parent.name))
        return [str(path.relative_to(self.folder)) for path in ordered]

    def retrain_report(self, name: str) -> dict[str, Any]:
        """Return one of the reports of ``paretune retrain``, by its name below the folder."""
        content: dict[str, Any] = self._content(name)
        if (wrong := wrong_report(content)) is not None:
            raise self._damaged(name, f"is not a report of retraining: {wrong}")
        return content

    def append_trial(self, row: Mapping[str, Any]) -> None:
        """Append a row of a trial, whole or not at all."""
        self._append(TRIALS_FILE, row)

    def append_report(self, row: Mapping[str, Any]) -> None:
        """Append a row of a report, whole or not at all."""
        self._append(REPORTS_FILE, row)

    def append_confirmation(self, row: Mapping[str, Any]) -> None:
        """Append a row of a confirmation, whole or not at all, and wait until it is on the disk."""
        mend_last_line(self.folder / CONFIRMATIONS_FILE)
        self._append(CONFIRMATIONS_FILE, row)
        self.sync()

    def sync(self) -> None:
        """Wait until all rows that were appended are on the disk, where a power cut does not lose them."""
        while self._unsynced:
            sync_file(self.folder / self._unsynced.pop())

    def mend(self) -> None:
        """Make last lines that a crash left without an end whole, or cut them off: each row has its line."""
        for name in (TRIALS_FILE, REPORTS_FILE, CONFIRMATIONS_FILE):
            mend_last_line(self.folder / name)

    def _rows(self, name: str, labels: Collection[str] | None = None) -> Iterator[Row]:
        path = self.folder / name
        for number, row in numbered_rows(path, labels):
            what = what_is_wrong(name, row)
            if what is not None:
                raise damaged_line(path, number, what)
            yield row

    def _append(self, name: str, row: Mapping[str, Any]) -> None:
        append_line(self.folder / name, json.dumps(row, allow_nan=False))
        self._unsynced.add(name)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        text = json.dumps({_VERSION: FORMAT_VERSION, **content}, indent=2)
        write_whole(self.folder / name, text + "\n")

    def _content(self, name: str) -> Any:
        return self._versioned(name)[0]

    def _versioned(self, name: str) -> tuple[Any, int | None]:
        """Return a file's content, and the version it states, None if it is older than versions."""
        path = self.folder / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise self._damaged(name, "is missing") from None
        except OSError as error:
            raise DamagedError(f"{path}: cannot be read: {error.strerror}") from None
        except json.JSONDecodeError as error:
            place = f":{error.lineno}"
            raise self._damaged(name, f"is damaged: {error.msg}, column {error.colno}", place) from None
        except (ValueError, RecursionError):
            raise self._damaged(name, "is damaged: it is not JSON") from None
        if not isinstance(content, dict) or _VERSION not in content:
            return content, None
        version = content.pop(_VERSION)
        if not isinstance(version, int) or version < 1:
            raise self._damaged(name, f"has no valid version: {version!r}")
        if version > FORMAT_VERSION:
            raise NewerError(
                f"{path}: was written by a newer paretune (format {version}; this one reads up to "
                f"{FORMAT_VERSION}); update paretune to read it"
            )
        return content, version

    def _damaged(self, name: str, what: str, place: str = "") -> DamagedError:
        repair = f"`paretune repair {shown_name(self.folder)}`"
        way_out = {
            PLAN_FILE: f"{repair} makes it anew where that is certain; else {_RESTORE}",
            METRICS_FILE: f"{repair} makes it anew from the task; or {_RESTORE}",
            LEARNED_FILE: f"{_RESTORE}, or start the search anew: without it, it would go on otherwise",
            DEFAULTS_FILE: f"{repair} makes it anew from the task; or {_RESTORE}",
            PROVENANCE_FILE: f"{repair} sets it aside: the rows do without; or {_RESTORE}",
        }.get(name, f"{repair} sets it aside; or {_RESTORE}")
        return DamagedError(f"{self.folder / name}{place}: {what}; {way_out}")


def _has_keys(frame: pd.DataFrame) -> bool:
    """Tell whether all rows of reports have what they cannot do without."""
    from pandas.api.types import is_numeric_dtype, is_string_dtype

    if not {"trial", "step"} <= set(frame.columns):
        return False
    trial, step = frame["trial"], frame["step"]
    return is_string_dtype(trial) and is_numeric_dtype(step) and not (trial.isna() | step.isna()).any()


def _sharing_words(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose texts exist once for all rows: names of parameters are most of its memory."""
    return {
        sys.intern(name): _sharing_words(value)
        if isinstance(value, dict)
        else sys.intern(value)
        if type(value) is str
        else value
        for name, value in row.items()
    }
