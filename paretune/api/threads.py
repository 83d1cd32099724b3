"""How many threads torch computes with, for as long as we train in the caller's own process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from paretune.plan.binding import BoundPlan


@contextmanager
def torch_threads(bound: BoundPlan) -> Iterator[None]:
    """Give torch the processor cores that a trial of the plan gets, and the caller its own number back."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, int(bound.plan.resources.cpu)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
