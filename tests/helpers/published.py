"""Space files that are shipped."""

from __future__ import annotations

from pathlib import Path

from paretune.plan.binding import BoundPlan
from paretune.plan.loading import load_bound
from search_spaces.loader import SpaceFile

ROOT = Path(__file__).parents[2]


def bound_of(stem: str) -> BoundPlan:
    return load_bound(SpaceFile(ROOT / "search_spaces" / f"{stem}.yaml"), {}, None)
