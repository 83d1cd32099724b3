"""The terms of a training run: its goal, its start, who hears its reports, and what its host asks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from trainables.checkpoints import Snapshot
from trainables.checkpoints.prefixes import SharedPrefixes
from trainables.contract import CheckpointError, Report, Target

ReportFunction = Callable[[Report, Callable[[], Snapshot]], None]
"""Receives every report, with a function that returns the current checkpoint.

The checkpoint holds the live weights, not a copy: save it before returning.
"""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The goal of a run.

    Attributes:
        target: what counts as solved: reached at ``target.hold`` evaluations in a row, those at
            ``report_at`` not counted; None for no target.
        ends_run: whether the run ends as soon as it is solved, instead of using its whole budget.
    """

    target: Target | None = None
    ends_run: bool = True


@dataclass(frozen=True, kw_only=True)
class Start:
    """The start of a run, if not its first step.

    Attributes:
        resume: a checkpoint of the same configuration to resume from.
        prefixes: shared states of runs with other horizons: read if no checkpoint is given, and
            extended by this run.
    """

    resume: Snapshot | None = None
    prefixes: SharedPrefixes | None = None


def never() -> bool:
    """Return that no notice is given."""
    return False


@dataclass(frozen=True, kw_only=True)
class Host:
    """What a run may use of its machine, and how it learns that it has to leave.

    Attributes:
        memory_share: share of the device's memory that this run may use, up to 1.
        is_given: tells whether notice was given; asked after every step, or after the few dozen that an
            engine takes at once.
        hand_over: receives, once there is notice, a function that returns the current checkpoint, as a
            report function does.
    """

    memory_share: float = 1.0
    is_given: Callable[[], bool] = never
    hand_over: Callable[[Callable[[], Snapshot]], None] = lambda snapshot: None


class HandedOverError(Exception):
    """Raised when a run was given notice and has handed its checkpoint over: it has not ended."""


class UnfitError(CheckpointError):
    """A checkpoint to resume from that is whole, but not of this configuration's model or optimizer."""


@contextmanager
def taken_from_checkpoint() -> Iterator[None]:
    """Turn what goes wrong while a checkpoint's content is taken over into an error that says so.

    Raises:
        UnfitError: the content does not fit.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
            raise
        (said, *_) = str(error).strip().splitlines() or [""]
        raise UnfitError(f"it does not fit this model: {type(error).__name__}: {said}") from error
