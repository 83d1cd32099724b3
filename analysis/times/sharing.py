"""Whether trials of a search shared a device, so that elapsed times include waiting for each other."""

from __future__ import annotations

import math

import numpy as np

from analysis.rows import SearchRows
from search_spaces.parts.resources import AUTO

ELAPSED = ("wall_seconds", "seconds_to_target")
"""Costs that count the time on the clock: those that depend on what else ran. Steps, tokens and processor
seconds do not, or little."""


def trials_at_a_time(rows: SearchRows) -> int:
    """Return how many trials shared a device at most; 1 if each had its own, or nothing is known of it.

    A trial that got whole GPUs shared none of them; on processors, trials that ran at the same time shared
    memory and caches, also those whose GPUs were fake.
    """
    if not fake_gpus(rows) and _had_whole_gpus(rows):
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
    at_a_time = f"{words.get(count, f'{count:,}')} trials at a time"
    return f"{at_a_time}{_told_way(rows)}: elapsed times include waiting for each other"


def _told_way(rows: SearchRows) -> str:
    """Say how trials shared GPUs; nothing where they had none."""
    if fake_gpus(rows):
        return " on the processor, with fake GPUs"
    if not any(0 < share < 1 for share in _numbers_in(rows, "gpu")):
        return ""
    ways = {bool((session.get("hardware") or {}).get("mps")) for session in rows.store.sessions()}
    return " on shared GPUs, side by side (CUDA MPS)" if ways == {True} else " on shared GPUs, taking turns"


def fake_gpus(rows: SearchRows) -> int:
    """Return how many GPUs Ray counted at most that were not there, for trials that trained on processors."""
    return int(max(_numbers_in(rows, "fake_gpus"), default=0))


def told_fake_gpus(rows: SearchRows) -> str | None:
    """Say that GPUs were fake; None where none was."""
    if not (count := fake_gpus(rows)):
        return None
    return (
        f"{count} fake {'GPU' if count == 1 else 'GPUs'}: trials were placed by their shares, and trained "
        "on the processor, so times say nothing of a GPU."
    )


def _had_whole_gpus(rows: SearchRows) -> bool:
    """Tell whether no trial had to share its GPUs: by its row, or by the plan where rows do not say."""
    if given := _numbers_in(rows, "gpu"):
        return len(given) == len(rows.trials) and min(given) >= 1
    gpu = rows.plan.resources.gpu
    return gpu != AUTO and gpu >= 1


def _numbers_in(rows: SearchRows, column: str) -> list[float]:
    """Return the numbers that trials have in a column that not all have; what is none is left out."""
    if column not in rows.trials.columns:
        return []
    return [
        float(value)
        for value in rows.trials[column]
        if isinstance(value, int | float | np.number) and math.isfinite(value)
    ]
