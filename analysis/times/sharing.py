"""Whether trials of a search shared a device, so that elapsed times include waiting for each other."""

from __future__ import annotations

from analysis.rows import SearchRows
from search_spaces.parts.resources import AUTO

ELAPSED = ("wall_seconds", "seconds_to_target")
"""Costs that count the time on the clock: those that depend on what else ran. Steps, tokens and processor
seconds do not, or little."""


def trials_at_a_time(rows: SearchRows) -> int:
    """Return how many trials shared a device at most; 1 if each had its own, or nothing is known of it.

    A trial that got whole GPUs shared none of them; on processors, trials that ran at the same time shared
    memory and caches.
    """
    gpu = rows.plan.resources.gpu
    if gpu != AUTO and gpu >= 1:
        return 1
    has_sessions = "session" in rows.trials.columns
    worked = {int(number) for number in rows.trials["session"].dropna()} if has_sessions else set()
    counts = [
        int(session.get("concurrency") or 1)
        for session in rows.store.sessions()
        if not worked or session.get("session") in worked
    ]
    return max([1, *counts])


def shared_device(rows: SearchRows) -> str | None:
    """Say that elapsed times are not those of a trial alone; None where they are, or nothing is known."""
    count = trials_at_a_time(rows)
    if count == 1:
        return None
    words = {2: "two", 3: "three", 4: "four"}
    return f"{words.get(count, f'{count:,}')} trials at a time: elapsed times include waiting for each other"
