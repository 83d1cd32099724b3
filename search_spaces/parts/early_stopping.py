"""The rungs at which weak trials end."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from search_spaces.dimensions import STRICT

Share = Annotated[float, Field(gt=0, lt=1)]

DEFAULT_BANDS = 4
"""Bands of the parameter count, if a plan that wants some does not say how many."""


DEFAULT_RESERVE = 0.1
"""The share of the trials that run on below the cut, if a plan does not say otherwise."""


class RungMetric(BaseModel):
    """One of several metrics that are compared at a rung."""

    model_config = STRICT

    metric: str = Field(description="A metric of the task, or of the training loop such as `train_loss`.")
    direction: Literal["max", "min"] = Field(description="Which way is better.")
    weight: float | None = Field(
        None,
        gt=0,
        description="How much it counts in the mean of a trial's ranks; all metrics have one, or none.",
    )


class EarlyStopping(BaseModel):
    """ASHA: at each rung a trial goes on only if it is among the best 1/`reduction_factor` so far.

    Rungs lie at steps that are the same for all trials, from ``grace_period`` on, or at shares of
    each trial's own steps, stated in ``at``. Trials below the cut are stopped, or paused until those
    that came after them turn out worse; a random share of them runs on.
    """

    model_config = STRICT

    metric: str | None = Field(
        None,
        description="The metric that is compared at a rung: of the task, or of the training loop such as "
        "`train_loss`; or state `metrics`.",
    )
    direction: Literal["max", "min"] | None = Field(None, description="Which way is better.")
    metrics: list[RungMetric] | None = Field(
        None,
        min_length=2,
        description="Several metrics instead of `metric`: with weights their ranks are averaged, without "
        "trials are sorted by which dominate which.",
    )
    grace_period: int | None = Field(
        None, ge=1, description="The first rung, in steps: no trial is stopped before; or state `at`."
    )
    at: list[Share] | None = Field(
        None,
        min_length=1,
        description="The rungs as shares of each trial's own steps, increasing; instead of `grace_period`.",
    )
    reduction_factor: float = Field(
        3.0,
        gt=1,
        description="One in so many goes on; from `grace_period` on, each rung is so many times the last.",
    )
    max_steps: int | None = Field(
        None,
        ge=1,
        description="No rung lies beyond this many steps; by default the budget; not with `at`.",
    )
    within: Literal["params"] | None = Field(
        None,
        description="`params`: trials are compared with those of about their own size, in bands of the "
        "parameter count.",
    )
    bands: Annotated[int, Field(ge=2)] | list[Annotated[int, Field(ge=1)]] | None = Field(
        None,
        description="How many bands, each as wide as the others by ratio, or the sizes between them; with "
        f"`within`, {DEFAULT_BANDS} by default.",
    )
    below_cut: Literal["stop", "pause"] = Field(
        "stop",
        description="What happens to a trial below the cut: it ends, or it waits, and goes on once it is "
        "above the cut, or when nothing better is left to do.",
    )
    reserve: float = Field(
        DEFAULT_RESERVE,
        ge=0,
        lt=1,
        description="Share of the trials, drawn by lot, that run on below the cut: they tell how many of "
        "those that were stopped would have solved the task.",
    )

    @model_validator(mode="after")
    def _metrics_are_stated(self) -> Self:
        if (self.metric is None) == (self.metrics is None):
            stated = "neither" if self.metric is None else "both"
            raise ValueError(
                "state metric with its direction, or metrics, a list of several, such as "
                "[{metric: token_accuracy, direction: max, weight: 1}, {metric: train_loss, direction: min, "
                f"weight: 1}}], but got {stated}"
            )
        if (self.metric is None) != (self.direction is None):
            found = (
                f"direction={self.direction!r}" if self.metric is None else f"metric={self.metric!r} alone"
            )
            raise ValueError(f"metric and direction belong together, but got {found}")
        names = [one.metric for one in self.compared]
        if len(set(names)) < len(names):
            raise ValueError(f"each metric may be stated once, but got metrics={names}")
        weighted = [one.weight is not None for one in self.metrics or ()]
        if any(weighted) and not all(weighted):
            without = [one.metric for one in self.compared if one.weight is None]
            raise ValueError(f"all metrics have a weight, or none, but got none for {', '.join(without)}")
        return self

    @model_validator(mode="after")
    def _rung_exists(self) -> Self:
        if (self.grace_period is None) == (self.at is None):
            stated = "neither" if self.at is None else "both"
            raise ValueError(
                "state grace_period, rungs at the same steps for all trials, or at, rungs at shares of each "
                f"trial's own steps such as [0.25, 0.5], but got {stated}"
            )
        if self.at is not None and self.max_steps is not None:
            raise ValueError("max_steps belongs to grace_period; with at, leave out the shares beyond it")
        if self.at is not None and any(a >= b for a, b in pairwise(self.at)):
            raise ValueError(f"at must increase from share to share, but got at={self.at}")
        if (
            self.max_steps is not None
            and self.grace_period is not None
            and self.grace_period > self.max_steps
        ):
            raise ValueError(
                "grace_period <= max_steps must hold, but got "
                f"(grace_period={self.grace_period}, max_steps={self.max_steps})"
            )
        return self

    @model_validator(mode="after")
    def _bands_belong_to_sizes(self) -> Self:
        if self.bands is not None and self.within is None:
            raise ValueError(f"bands need within: params, but got bands={self.bands} alone")
        edges = self.bands if isinstance(self.bands, list) else []
        if isinstance(self.bands, list) and not edges:
            raise ValueError("bands needs a number, or at least one size between two bands, but got []")
        if any(a >= b for a, b in pairwise(edges)):
            raise ValueError(f"bands must increase from size to size, but got bands={edges}")
        return self

    @property
    def compared(self) -> list[RungMetric]:
        """What is compared at a rung, one metric or several."""
        if self.metrics is not None:
            return self.metrics
        assert self.metric is not None
        assert self.direction is not None
        return [RungMetric(metric=self.metric, direction=self.direction)]
