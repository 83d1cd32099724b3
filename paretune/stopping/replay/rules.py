"""Rules of early stopping to try: each a few values, from which the part of a plan is made."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from paretune.plan.budget import step_at
from paretune.stopping.bands import edges_between
from paretune.stopping.replay.curves import Curve, Population
from search_spaces.parts.early_stopping import DEFAULT_BANDS, EarlyStopping

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Where rungs are tried, as shares of each trial's own steps: alone, and in pairs."""

FACTORS = (1.25, 1.5, 2.0, 3.0)
"""Reduction factors that are tried."""

BelowCut = Literal["stop", "pause"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule of early stopping, of one metric."""

    metric: str
    direction: Literal["max", "min"]
    rungs: tuple[float, ...]
    """Shares of each trial's own steps; or one number of steps, the same for all."""
    factor: float
    below_cut: BelowCut = "stop"
    is_banded: bool = False
    """Whether trials are compared with those of about their own size."""

    @property
    def is_at_step(self) -> bool:
        """Whether its rung lies at the same step for all trials."""
        return self.rungs[0] >= 1

    @property
    def rungs_text(self) -> str:
        """Its rungs in a cell: ``0.1, 0.3``, or ``10,000 steps``."""
        if self.is_at_step:
            return f"{self.rungs[0]:,.0f} steps"
        return ", ".join(f"{share:g}" for share in self.rungs)

    def __str__(self) -> str:
        where = self.rungs_text if self.is_at_step else f"{self.rungs_text} of the steps"
        bands = ", within bands of sizes" if self.is_banded else ""
        return f"{self.metric} at {where}, factor {self.factor:g}, {self.below_cut}{bands}"

    def block(self) -> dict[str, Any]:
        """Return what a plan says of it under ``early_stopping``; what is left out is the default."""
        step = round(self.rungs[0])
        said: dict[str, Any] = {"metric": self.metric, "direction": self.direction}
        said |= {"grace_period": step, "max_steps": step} if self.is_at_step else {"at": list(self.rungs)}
        said["reduction_factor"] = self.factor
        if self.is_banded:
            said |= {"within": "params", "bands": DEFAULT_BANDS}
        if self.below_cut == "pause":
            said["below_cut"] = "pause"
        return said

    def yaml(self) -> str:
        """Return the lines of a space file that state it."""
        lines = ["early_stopping:"]
        for name, value in self.block().items():
            lines.append(f"  {name}: {value:g}" if isinstance(value, float) else f"  {name}: {value}")
        return "\n".join(lines)

    def model(self, reserve: float = 0.0) -> EarlyStopping:
        """Return it as a plan's part, with a share of trials that is never stopped."""
        return EarlyStopping.model_validate({**self.block(), "reserve": reserve})

    def report_at(self, curve: Curve) -> list[int]:
        """Return the steps at which a trial comes to its rungs."""
        if self.is_at_step:
            return [round(self.rungs[0])]
        return [step_at(share, curve.budget) for share in self.rungs]

    def edges(self, population: Population) -> Sequence[float]:
        """Return the sizes between its bands: of equal ratio between the smallest and the largest size."""
        smallest, largest = int(population.params.min()), int(population.params.max())
        if not self.is_banded or smallest == largest:
            return ()
        return edges_between(smallest, largest, DEFAULT_BANDS)


def grid(
    directions: dict[str, Literal["max", "min"]],
    shares: Sequence[float] = SHARES,
    factors: Sequence[float] = FACTORS,
    steps: Sequence[int] = (),
) -> Iterator[Rule]:
    """Return the rules that are tried: each metric, rungs alone and in pairs, factors, bands and none, each
    stopping and pausing.

    Args:
        directions: the metrics, with the way that is better.
        shares: where rungs are tried, as shares of each trial's own steps.
        factors: reduction factors.
        steps: rungs at the same step for all trials, each alone; in place of shares where there are some.
    """
    alone: list[tuple[float, ...]] = [(step,) for step in steps] or [(share,) for share in sorted(shares)]
    pairs: list[tuple[float, ...]] = [] if steps else list(itertools.combinations(sorted(shares), 2))
    ways: tuple[BelowCut, ...] = ("stop", "pause")
    for (metric, direction), rungs, factor, is_banded, below_cut in itertools.product(
        directions.items(), alone + pairs, factors, (False, True), ways
    ):
        yield Rule(
            metric=metric,
            direction=direction,
            rungs=rungs,
            factor=factor,
            below_cut=below_cut,
            is_banded=is_banded,
        )
