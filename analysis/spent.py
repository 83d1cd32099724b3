"""What a search has spent: processor time of its trials and fresh seeds, time on GPUs, and elapsed time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from analysis.confirmation.rows import confirmations
from analysis.rows import SearchRows
from analysis.text import duration, plural

_CPU, _ELAPSED = "cpu_seconds", "wall_seconds"
_LONG = 7200
"""From so many seconds on, a time is written in hours."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a search has spent. Processor time is that in training steps; validation, starting processes, and
    Ray are not in it."""

    trials: float | None
    """Processor time of its trials in seconds; None if none reported it."""
    of_trials: int
    """How many trials reported it."""
    unreported: int
    """How many did not: they failed, were killed before a report, or have just begun."""
    fresh: float | None
    """Processor time of confirmations in seconds; None if there are none that report it."""
    of_fresh: int
    """How many fresh seeds reported it."""
    gpu: float
    """Seconds of GPUs that trials and fresh seeds held, by the share that each had."""
    elapsed: float | None
    """Seconds during which sessions of the search ran; None if not known. One that was killed is left out."""

    @property
    def processor(self) -> float | None:
        """Processor time of trials and confirmations together, in seconds."""
        known = [part for part in (self.trials, self.fresh) if part is not None]
        return sum(known) if known else None

    @property
    def which(self) -> str:
        """Which trials the processor time is of, as words behind it; empty if it is of all."""
        return f", of the {self.of_trials:,} trials that reported it" if self.unreported else ""

    @property
    def sentence(self) -> str:
        """All of it in a sentence; empty if nothing is known."""
        if self.trials is None:
            return ""
        told = f"Cost: {hours(self.trials)} of processor time in training steps{self.which}"
        if self.fresh is not None:
            told += f", and {hours(self.fresh)} for {plural(self.of_fresh, 'fresh seed')}"
        if self.gpu:
            told += f"; {hours(self.gpu)} of a GPU"
        return f"{told}."

    def as_json(self) -> dict[str, Any]:
        """Return plain values, in seconds."""
        return {**vars(self), "processor": self.processor}


def spent(rows: SearchRows) -> Spent:
    """Return what a search, or a part of it, has spent; of elapsed time, what the whole has."""
    trials, fresh = rows.trials, confirmations(rows)
    of_trials, of_fresh = _column(trials, _CPU), _column(fresh, _CPU)
    return Spent(
        trials=float(of_trials.sum()) if len(of_trials) else None,
        of_trials=len(of_trials),
        unreported=len(trials) - len(of_trials),
        fresh=float(of_fresh.sum()) if len(of_fresh) else None,
        of_fresh=len(of_fresh),
        gpu=_of_gpus(trials, rows) + _alone_on_gpus(fresh),
        elapsed=_elapsed(rows),
    )


def hours(seconds: float) -> str:
    """Write a cost: ``45 s``, ``3 min 20 s``, and from two hours on ``2.4 hours``."""
    return duration(seconds) if seconds < _LONG else f"{seconds / 3600:,.1f} hours"


def _column(frame: pd.DataFrame, name: str) -> pd.Series[float]:
    column = frame[name] if name in frame.columns else pd.Series(dtype=float)
    return column.dropna().astype(float)


def _of_gpus(trials: pd.DataFrame, rows: SearchRows) -> float:
    """Return the seconds of GPUs of trials; of those that Ray only counted, none."""
    if "gpu" not in trials.columns or _ELAPSED not in trials.columns:
        return 0.0
    shares = pd.to_numeric(trials["gpu"], errors="coerce").fillna(0.0)
    if "fake_gpus" in trials.columns:
        shares = shares.where(trials["fake_gpus"].isna(), 0.0)
    return float((shares * trials[_ELAPSED].astype(float).fillna(0.0)).sum())


def _alone_on_gpus(fresh: pd.DataFrame) -> float:
    """Return the seconds of GPUs of fresh seeds, each of which has one to itself."""
    return float(_column(fresh[fresh["device"] == "cuda"], "seconds").sum())


def _elapsed(rows: SearchRows) -> float | None:
    spans = [
        (datetime.fromisoformat(session["ended"]) - datetime.fromisoformat(session["began"])).total_seconds()
        for session in rows.store.sessions()
        if session.get("began") and session.get("ended")
    ]
    return sum(spans) if spans else None
