"""A valid space file, and changes to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.plan.binding import BoundPlan
from paretune.plan.loading import load_bound, search_overrides
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import SpaceFileError

RIGHT = """\
name: tiny
task: addition
objectives:
  - {metric: exact_match, direction: max}
target: {exact_match: 0.99}
fixed:
  digits: 3
  steps: 400
space:
  d_model: {type: int, low: 4, high: 16, step: 4}
  schedule: {type: choice, values: [constant, warmup_cosine]}
  warmup: {type: float, low: 0.1, high: 0.3, when: {schedule: warmup_cosine}}
  lr: {type: float, low: 1e-3, high: 1e-1, log: true}
try_first:
  - {d_model: 8, lr: 0.01}
constraints:
  params: {max: 5000}
search: {trials: 6, seeds: 2}
early_stopping: {metric: token_accuracy, direction: max, grace_period: 100}
resources: {cpu: 1}
"""


def changed(old: str, new: str, text: str = RIGHT) -> str:
    """Return the right file with one passage replaced."""
    assert text.count(old) == 1, f"{old!r} must be in the file once"
    return text.replace(old, new)


WITHOUT_TRY_FIRST = changed("try_first:\n  - {d_model: 8, lr: 0.01}\n", "")


def with_only(configurations: str) -> str:
    """Return the right file with explicit configurations instead of a space."""
    before, after = RIGHT.index("space:"), RIGHT.index("constraints:")
    # All of them, however many there are.
    rest = changed("{trials: 6, seeds: 2}", "{seeds: 2}", RIGHT[after:])
    return f"{RIGHT[:before]}only:\n{configurations}\n{rest}"


def load(path: Path, budget: int | None = None, **options: Any) -> BoundPlan:
    """Load and check a file the way the commands do."""
    given = {"trials": None, "seeds": None, "seed": None, "concurrency": None, "cpu": None, "gpu": None}
    return load_bound(SpaceFile(path), search_overrides(**given | options), budget)


def refusal_of(path: Path, **options: Any) -> SpaceFileError:
    with pytest.raises(SpaceFileError) as caught:
        load(path, **options)
    return caught.value
