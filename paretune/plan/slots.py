"""How many trials fit on machines, told without Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paretune.plan.binding import BoundPlan

MEMORY = "memory"
"""Ray's name of a machine's memory, in bytes."""


def needs_of(bound: BoundPlan) -> dict[str, float]:
    """Return what a trial needs, by Ray's names of resources; memory, in bytes, only where it is stated.

    Where shares of a GPU differ by configuration, it is the smallest: so many trials run at most.
    """
    resources = bound.plan.resources
    needs = {"CPU": resources.cpu, "GPU": bound.least_gpus}
    return needs if resources.memory_bytes is None else {**needs, MEMORY: float(resources.memory_bytes)}


def carried_by(bound: BoundPlan, nodes: Sequence[Mapping[str, float]]) -> int:
    """Return how many of a plan's trials machines carry at a time, whatever was asked for.

    Args:
        bound: the plan.
        nodes: the resources of each machine, such as ``{"CPU": 8, "GPU": 1}``.
    """
    needs = needs_of(bound).items()
    return sum(min(_fits(name, share, node) for name, share in needs if share) for node in nodes)


def as_asked(bound: BoundPlan, carried: int) -> int:
    """Return how many trials run at a time: what was asked for, at most what is carried."""
    asked = bound.plan.search.concurrency
    return carried if asked is None else min(asked, carried)


def _fits(name: str, share: float, node: Mapping[str, float]) -> int:
    there = node.get(name, 0.0)
    if name == "GPU" and share < 1:
        # A share of a GPU must lie on one of them: 0.4 fits twice on each, not five times on two.
        return int(there) * int(1 / share + 1e-9)
    return int(there / share + 1e-9)
