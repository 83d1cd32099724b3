"""How many trials fit on machines, and which share of a GPU each gets; told without Ray."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paretune.errors import InputError
from trainables.config import TrainingConfig
from trainables.contract import Task, parameter_count
from trainables.machines.demand import StatesDemand

if TYPE_CHECKING:
    from paretune.plan.binding import BoundPlan

MEMORY = "memory"
"""Ray's name of a machine's memory, in bytes."""

CONTEXT_BYTES = 600 * 2**20
"""What a process takes of a GPU besides its tensors, where that was not measured: CUDA's context and the
kernels of its libraries."""


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


def usually_carried(bound: BoundPlan, nodes: Sequence[Mapping[str, float]]) -> int:
    """Return how many of a plan's trials machines carry if all are like one in the middle of its space.

    It differs from :func:`carried_by` only where trials get different shares of a GPU.
    """
    shares = bound.shares
    if shares is None or shares.middle is None:
        return carried_by(bound, nodes)
    alike = Shares(by_size=((None, shares.middle),))
    return carried_by(replace(bound, shares=alike), nodes)


def as_asked(bound: BoundPlan, carried: int) -> int:
    """Return how many trials run at a time: what was asked for, at most what is carried."""
    asked = bound.plan.search.concurrency
    return carried if asked is None else min(asked, carried)


def concurrency_of(bound: BoundPlan, nodes: Sequence[Mapping[str, float]]) -> int:
    """Return how many trials run at a time: what was asked for, at most what the machines carry.

    Args:
        bound: the plan.
        nodes: the resources of each machine, such as ``{"CPU": 8, "GPU": 1}``.

    Raises:
        InputError: no machine carries even one trial.
    """
    # Plans import this module: they know which share a configuration gets.
    from paretune.plan.binding import written

    needs = needs_of(bound)
    for name, share in needs.items():
        most = max(node.get(name, 0.0) for node in nodes)
        if share > most:
            flag = name.lower()
            if name == MEMORY:
                raise InputError(
                    f"a trial needs {written(MEMORY, share)} of memory, but the largest machine has "
                    f"{written(MEMORY, most)} for trials; state less with resources.memory in the space file"
                )
            raise InputError(
                f"a trial needs {share:g} {name}, but the largest machine has {most:g}; "
                f"ask for less with --{flag} or resources.{flag} in the space file"
            )
    carried = carried_by(bound, nodes)
    if carried == 0:
        memory = f" and {written(MEMORY, needs[MEMORY])} of memory" if MEMORY in needs else ""
        raise InputError(
            f"no machine has both {needs['CPU']:g} CPU and {needs['GPU']:g} GPU{memory} for a trial"
        )
    return as_asked(bound, carried)


def _fits(name: str, share: float, node: Mapping[str, float]) -> int:
    there = node.get(name, 0.0)
    if name == "GPU" and share < 1:
        # A share of a GPU must lie on one of them: 0.4 fits twice on each, not five times on two.
        return int(there) * int(1 / share + 1e-9)
    return int(there / share + 1e-9)


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Which share of a GPU a configuration gets, by its size.

    >>> two = Shares(by_size=((1e6, 0.125), (None, 0.5)))
    >>> two.of(2e5), two.of(2e6), two.least
    (0.125, 0.5, 0.125)
    """

    by_size: tuple[tuple[float | None, float], ...]
    """Sizes up to which, with the share, small sizes first; the last has no end. See :func:`size_of`."""
    middle: float | None = None
    """The share of a configuration in the middle of the space; None where that is not known."""
    measured: Mapping[str, Any] | None = None
    """How they were chosen, as provenance keeps it."""

    @property
    def least(self) -> float:
        """The smallest share, with which most trials run at a time."""
        return min(share for _, share in self.by_size)

    @property
    def differ(self) -> bool:
        """Whether trials get different shares."""
        return len({share for _, share in self.by_size}) > 1

    def of(self, size: float) -> float:
        """Return the share of a configuration of a size."""
        return next(share for up_to, share in self.by_size if up_to is None or size <= up_to)

    def as_record(self) -> list[list[float | None]]:
        """Return plain values, as provenance keeps them."""
        return [[up_to, share] for up_to, share in self.by_size]

    @classmethod
    def of_record(cls, record: Sequence[Sequence[Any]]) -> Shares:
        """Return the shares that :meth:`as_record` made these values from.

        Raises:
            TypeError, ValueError: they are none.
        """
        by_size = tuple((None if up_to is None else float(up_to), float(share)) for up_to, share in record)
        if not by_size or by_size[-1][0] is not None or any(not 0 <= share <= 1 for _, share in by_size):
            raise ValueError(f"{record} are no shares of a GPU")
        return cls(by_size=by_size)


class Room:
    """Whether there is room for one more trial, where trials get different shares of a GPU.

    Shares are halves of each other, so trials whose sum is at most the number of GPUs have a place on them.
    One that finds no room waits, and nothing smaller passes it: otherwise small trials could keep a large one
    waiting for the whole search.

    Args:
        gpus: of all machines.
    """

    def __init__(self, gpus: float) -> None:
        self.gpus = gpus
        self._shares: dict[str, float] = {}

    def has(self, label: str, share: float, running: Collection[str]) -> bool:
        """Tell whether a trial has room beside others that run; where none does, it has.

        Args:
            label: the trial.
            share: of a GPU, that it gets.
            running: labels of the trials that run, each of which was asked for before.
        """
        self._shares[label] = share
        others = [self._shares.get(other, 0.0) for other in running if other != label]
        return not others or sum(others) + share <= self.gpus + 1e-9


def size_of(task: Task, config: TrainingConfig) -> float:
    """Return the size by which shares are decided.

    It is the memory that training needs by the task's formula; of a task without one the parameters times the
    samples of a batch.
    """
    if isinstance(task, StatesDemand):
        return float(task.demand(config).memory)
    return float(parameter_count(task, config)) * config.batch


def gpus_in(nodes: Sequence[Mapping[str, float]]) -> float:
    """Return the whole GPUs of all machines."""
    return float(sum(int(node.get("GPU", 0.0)) for node in nodes))
