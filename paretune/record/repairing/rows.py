"""Damaged lines of the rows are set aside, and what they said is done again where nothing else says it."""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from analysis.files.layout import (
    CONFIRMATIONS_FILE,
    DAMAGED_SUFFIX,
    REPORTS_FILE,
    SEARCHES,
    TRIALS_FILE,
    TrialEnding,
)
from analysis.files.lines import (
    append_line,
    mend_last_line,
    no_row,
    numbered_lines,
    rewrite_lines,
    row_of,
    sync_file,
)
from analysis.files.validity import what_is_wrong
from analysis.store import Row, RowStore
from analysis.text import plural
from paretune.record.recorder import TO_BE_DONE
from paretune.sampling.history import TrialSpec
from paretune.sampling.queue import lost_trials

_NAMED = re.compile(rb'"trial": ?"(c\d{3,9}-s\d{1,9})"')
_MOST_NAMED = 5
"""Trials that a sentence names; more are counted."""


@dataclass(kw_only=True)
class _Aside:
    """Lines of a file that are to be set aside, with what is wrong with each."""

    name: str
    damaged: dict[int, tuple[bytes, str]] = field(default_factory=dict)
    unfit: dict[int, tuple[bytes, str]] = field(default_factory=dict)
    """Lines that can be read, and that cannot stay."""

    def write(self, store: RowStore) -> None:
        """Move the lines to the file of damaged lines, and leave them out of their own."""
        path = store.folder / self.name
        lines = {**self.damaged, **self.unfit}
        if lines:
            aside = path.with_name(path.name + DAMAGED_SUFFIX)
            mend_last_line(aside)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            for number in sorted(lines):
                line, what = lines[number]
                append_line(aside, json.dumps({"at": now, "line": number, "why": what, **_content(line)}))
            # First there, then gone from here: a crash in between leaves lines twice rather than nowhere.
            sync_file(aside)
            rewrite_lines(path, lambda number, line: number not in lines)
        mend_last_line(path)

    @property
    def sentence(self) -> str:
        """What was set aside, and where."""
        count = len(self.damaged)
        verb = "was" if count == 1 else "were"
        return (
            f"{plural(count, 'damaged line')} of {self.name} {verb} set aside in {self.name}{DAMAGED_SUFFIX}"
        )


@dataclass(kw_only=True)
class _Reported:
    """What the reports of one trial say."""

    steps: set[float] = field(default_factory=set)
    has_ended: bool = False

    def see(self, row: Row) -> None:
        self.steps.add(row["step"])
        stopped = row.get("verdict") == TrialEnding.STOPPED_EARLY
        self.has_ended |= bool(row.get("ending")) or stopped


def repair_rows(store: RowStore, sessions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Set damaged lines aside, and have trials run again whose rows or reports are lost; say what was done.

    Args:
        store: the rows, in which nobody else may write.
        sessions: what is known of the sessions.

    Raises:
        DamagedError: so many rows are missing that the rest says little.
        OSError: a file cannot be written.
    """
    trials, reports = _Aside(name=TRIALS_FILE), _Aside(name=REPORTS_FILE)
    confirmations = _Aside(name=CONFIRMATIONS_FILE)
    rows: dict[str, Row] = {}
    reported: dict[str, _Reported] = defaultdict(_Reported)
    _look_through(store, trials, lambda row: rows.__setitem__(row["trial"], row))
    _look_through(store, reports, lambda row: reported[row["trial"]].see(row))
    _look_through(store, confirmations, lambda row: None)

    missing = {label: lack for label, row in rows.items() if (lack := _lacks(row, reported.get(label)))}
    strangers = reported.keys() - rows.keys()
    if missing or strangers:
        _leave_out(store, reports, missing.keys(), strangers)
    # Reports first: a crash in between leaves a row that states more reports than there are.
    for aside in (reports, trials, confirmations):
        aside.write(store)
    for label in missing:
        store.append_trial(_anew(rows[label]))
    store.sync()

    told = []
    if trials.damaged:
        again = _run_again(trials, rows, reported, sessions) - missing.keys()
        told.append(f"{trials.sentence}{_and_run(again)}.")
    told += [f"{aside.sentence}." for aside in (reports, confirmations) if aside.damaged]
    told += [f"{label} runs again from its start: {lack}." for label, lack in _shortened(missing)]
    told += [f"Reports of {_listed(strangers)} were set aside: no row says what was trained."] * bool(
        strangers
    )
    return told + _lost(rows)


def _look_through(store: RowStore, aside: _Aside, see: Callable[[Row], None]) -> None:
    """Show every row of a file that can be read, and note the lines that cannot."""
    for number, line in numbered_lines(store.folder / aside.name):
        row = row_of(line)
        what = no_row(line) if row is None else _what_is_wrong(aside.name, row)
        if what is not None:
            aside.damaged[number] = line, what
        elif row is not None:
            see(row)


def _what_is_wrong(name: str, row: Row) -> str | None:
    what = what_is_wrong(name, row, to_resume=True)
    if what is None and name == TRIALS_FILE:
        label = TrialSpec.label_of(row["configuration"], row["seed_index"])
        if row["trial"] != label:
            return f"'trial' is {row['trial']!r}, of configuration and seed {label!r}"
    return what


def _lacks(row: Row, reported: _Reported | None) -> str | None:
    """Return what a trial's reports lack by its row, such as "2 of its 9 reports are missing".

    None if nothing is missing, or if it begins anew anyway.
    """
    is_over = row.get("ending") not in TO_BE_DONE
    if not is_over and not row.get("checkpoint") and not row.get("paused"):
        return None
    steps = set() if reported is None else reported.steps
    stated = row.get("reports")
    if stated is not None:
        lacking = stated - len(steps)
        if lacking <= 0:
            return None
        verb = "is" if lacking == 1 else "are"
        return f"{lacking} of its {plural(stated, 'report')} {verb} missing"
    # Rows of older searches do not say how many there are.
    last = row.get("step")
    if not is_over or last is None or last <= max(steps, default=-1):
        return None
    return f"its reports end before step {last:,}, its last"


def _anew(row: Row) -> Row:
    """Return the row of a trial that is to run again from its start."""
    kept = ("trial", "configuration", "seed_index", "seed", "params", "values", "role")
    return {
        **{name: row[name] for name in kept if name in row},
        "role": row.get("role", SEARCHES),
        "ending": None,
        "session": row.get("session"),
        "checkpoint": None,
        "reports": 0,
    }


def _leave_out(store: RowStore, reports: _Aside, anew: Iterable[str], strangers: Iterable[str]) -> None:
    """Note all reports of trials that run again, so that nothing is left that would tell how they ended."""
    why = dict.fromkeys(anew, "its trial runs again from its start")
    why |= dict.fromkeys(strangers, "no row tells its trial")
    for number, line in numbered_lines(store.folder / REPORTS_FILE):
        if number not in reports.damaged and (row := row_of(line)) is not None and row["trial"] in why:
            reports.unfit[number] = line, why[row["trial"]]


def _run_again(
    trials: _Aside,
    rows: Mapping[str, Row],
    reported: Mapping[str, _Reported],
    sessions: Sequence[Mapping[str, Any]],
) -> set[str]:
    """Return the trials that run again since a damaged line told how they ended.

    That are those which a damaged line names, and those without an ending of a session that had given every
    trial its ending.
    """
    over = {
        session.get("session") for session in sessions if session.get("ended") and not session.get("lost")
    }
    named = {found.decode() for line, _ in trials.damaged.values() for found in _NAMED.findall(line)}
    return {
        label
        for label, row in rows.items()
        if row.get("ending") is None
        and (label in named or row.get("session") in over)
        and not (label in reported and reported[label].has_ended)
    }


def _and_run(again: set[str]) -> str:
    if not again:
        return ""
    return f"; {plural(len(again), 'trial')} {'runs' if len(again) == 1 else 'run'} again"


def _lost(rows: Mapping[str, Row]) -> list[str]:
    """Say which trials must have been there, and are handed out again by the search that is resumed."""
    specs = [
        TrialSpec(
            label=label,
            configuration=row["configuration"],
            seed_index=row["seed_index"],
            seed=row["seed"],
            values=row["values"],
            params=row["params"],
        )
        for label, row in rows.items()
    ]
    lost = lost_trials(specs)
    whole = [f"configuration {number}" for number, seeds in lost.items() if not seeds]
    single = [TrialSpec.label_of(number, seed) for number, seeds in lost.items() for seed in seeds]
    told = [f"All rows of {_listed(whole)} are missing: a resumed search proposes and trains them anew."]
    run = "runs" if len(single) == 1 else "run"
    return told[: bool(whole)] + [f"All rows of {_listed(single)} are missing: {run} again."] * bool(single)


def _shortened(missing: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what trials lack; of many, the first, and how many there are besides."""
    listed = list(missing.items())
    rest = len(listed) - _MOST_NAMED
    if rest <= 1:
        return listed
    return [*listed[:_MOST_NAMED], (f"Each of {rest} more trials", "reports of it are missing")]


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    if len(ordered) <= _MOST_NAMED:
        return ", ".join(ordered)
    return f"{', '.join(ordered[:_MOST_NAMED])} and {len(ordered) - _MOST_NAMED} more"


def _content(line: bytes) -> dict[str, str]:
    """Return a line as plain text, or in base64 where it is none."""
    try:
        return {"text": line.rstrip(b"\n").decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(line).decode()}
