"""How a trial can end, and how the end is read off what Tune knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.files.layout import ENDINGS, TrialEnding

__all__ = ["ENDINGS", "HANDED_OVER", "TrialEnding", "ending_of"]

HANDED_OVER = "handed_over"
"""Key of what a trial says that was given notice: it has saved a checkpoint and ends. This is no report."""


def ending_of(last_result: Mapping[str, Any] | None, *, failed: bool) -> TrialEnding:
    """Return the ending of a trial that is over.

    A trial that ends by itself says how in its last report. One that has reported, but says nothing
    of an end, was stopped by the scheduler; one that handed over its checkpoint was interrupted. One that
    never reported has failed, whatever Tune says.
    """
    if last_result and last_result.get(HANDED_OVER) and not failed:
        return TrialEnding.INTERRUPTED
    if failed or not last_result or "step" not in last_result:
        return TrialEnding.FAILED
    return TrialEnding(last_result.get("ending") or TrialEnding.STOPPED_EARLY)
