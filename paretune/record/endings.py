"""How a trial can end, and how the end is read off what Tune knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.layout import ENDINGS, TrialEnding

__all__ = ["ENDINGS", "TrialEnding", "ending_of"]


def ending_of(last_result: Mapping[str, Any] | None, *, failed: bool) -> TrialEnding:
    """Return the ending of a trial that is over.

    A trial that ends by itself says how in its last report. One that has reported, but says nothing
    of an end, was stopped by the scheduler. One that never reported has failed, whatever Tune says.
    """
    if failed or not last_result or "step" not in last_result:
        return TrialEnding.FAILED
    return TrialEnding(last_result.get("ending") or TrialEnding.STOPPED_EARLY)
