"""Where the numbers come from: the runs of the program, their machines and versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from analysis.files.layout import Column
from analysis.finding import Table
from analysis.report.tables import TIME
from analysis.rows import SearchRows


def sessions_of(rows: SearchRows) -> list[dict[str, Any]]:
    """Return what is known about each run of the program; empty if nothing is."""
    return rows.store.sessions()


def machines(sessions: Sequence[dict[str, Any]]) -> list[str]:
    """Return the machines, each once: processor, cores, memory, GPUs, system."""
    return distinct(_machine(session) for session in sessions)


def versions(sessions: Sequence[dict[str, Any]]) -> list[str]:
    """Return the states of the program and the versions of its packages, each once."""
    return distinct(_versions(session) for session in sessions)


def days(sessions: Sequence[dict[str, Any]]) -> str:
    """Return the days on which a search ran: ``20 to 21 November 2026``; empty if they are not known."""
    moments = [session[key] for session in sessions for key in ("began", "ended") if session.get(key)]
    found = sorted({datetime.fromisoformat(moment).date() for moment in moments})
    if not found:
        return ""
    first, last = found[0], found[-1]
    if first == last:
        return f"{last.day} {last:%B %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {last.day} {last:%B %Y}"
    return f"{first.day} {first:%B %Y} to {last.day} {last:%B %Y}"


def sessions_table(sessions: Sequence[dict[str, Any]]) -> Table:
    """Return the runs of the program: when, how many trials at a time, which commit, which command."""
    columns = (
        Column("session", "", "number of the run"),
        Column("began", TIME, "when it began (UTC)"),
        Column("ended", TIME, "when it ended (UTC)"),
        Column("at_a_time", "trials", "most trials at a time"),
        Column("commit", "", "state of the program"),
        Column("command", "", "how it was called"),
    )
    found = [
        {
            "session": session.get("session", index),
            "began": _moment(session.get("began")),
            "ended": _moment(session.get("ended")),
            "at_a_time": session.get("concurrency"),
            "commit": (session.get("commit") or "unknown")[:10],
            "command": session.get("command"),
        }
        for index, session in enumerate(sessions, start=1)
    ]
    frame = pd.DataFrame(found, columns=[column.name for column in columns])
    return Table(title="Sessions", frame=frame, columns=columns)


def _moment(text: str | None) -> str | None:
    return None if not text else f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"


def _machine(session: dict[str, Any]) -> str:
    machine = session.get("hardware") or {}
    gpus = ", ".join(machine.get("gpus") or []) or "no GPU"
    parts = [
        str(machine.get("cpu", "unknown processor")),
        f"{machine.get('cores', '?')} cores",
        f"{machine.get('memory_gib', '?')} GiB",
        gpus,
        str(machine.get("system", "")),
    ]
    return ", ".join(part for part in parts if part) if machine else ""


def _versions(session: dict[str, Any]) -> str:
    packages = session.get("packages") or {}
    parts = [f"paretune {session.get('paretune', '?')}", f"commit {session.get('commit') or 'unknown'}"]
    parts += [f"Python {session.get('python', '?')}"]
    return ", ".join([*parts, *(f"{name} {version}" for name, version in packages.items() if version)])


def distinct(texts: Iterable[str]) -> list[str]:
    """Return texts that are not empty, each once, in their order."""
    return list(dict.fromkeys(str(text) for text in texts if text))
