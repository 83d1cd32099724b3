"""Measures of configurations: a cost, a loss, or the success rate, as columns with name and unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.configurations import is_all_or_nothing
from analysis.files.layout import SelectionError
from analysis.objectives import accuracy_objective
from analysis.rows import PARAMS, SearchRows
from analysis.wording import cost_text, metric_text

Array = NDArray[np.float64]

SUCCESS_RATE = "success_rate"
"""The name of the success rate among the qualities that a frontier can have."""

Kind = Literal["size", "cost", "cost of a success", "rate", "share", "loss"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure of configurations."""

    name: str
    """As it is asked for: a metric, ``params``, or ``success_rate``."""
    column: str
    """Of :func:`analysis.configurations.configurations`."""
    text: str
    """As it is called in sentences and on axes."""
    unit: str
    direction: Literal["min", "max"]
    kind: Kind

    @property
    def is_cost(self) -> bool:
        """Return whether it is a cost."""
        return self.kind in ("size", "cost", "cost of a success")

    def costs(self, table: pd.DataFrame) -> Array:
        """Return the column so that less is better; NaN where it is missing."""
        values = table[self.column].to_numpy(dtype=float)
        return -values if self.direction == "max" else values

    def ends(self, table: pd.DataFrame) -> tuple[Array, Array] | None:
        """Return the ends of the 95 % interval of each row's value, and None of what has no interval.

        A rate's are those of fresh seeds where there are some. They always hold the value itself, which for
        an expected rate is drawn towards that of other sizes.
        """
        values = table[self.column].to_numpy(dtype=float)
        if self.kind == "rate":
            is_fresh = table["confirmed_seeds"].to_numpy() > 0
            low, high = (
                np.where(is_fresh, table[f"confirmed_{end}"], table[f"success_{end}"])
                for end in ("low", "high")
            )
        elif self.kind == "cost of a success":
            low, high = (table[f"{self.column}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
        else:
            return None
        high = np.where(np.isfinite(high), high, values)
        return np.fmin(low, values), np.fmax(high, values)


def cost_measure(rows: SearchRows, name: str) -> Measure:
    """Return a cost as a measure.

    Raises:
        SelectionError: it is a cost of reaching the target, and the search has none.
    """
    of_target = rows.is_of_target(name)
    if of_target and rows.plan.target is None:
        raise SelectionError(f"{name} is a cost of reaching the target, and {rows.plan.name} has no target")
    return Measure(
        name=name,
        column=name,
        text=cost_text(rows, name),
        # Older descriptions of metrics leave it out where a search has no cost but the size.
        unit=str(rows.metrics.get(name, {}).get("unit", "")),
        direction="min",
        kind="size" if name == PARAMS else "cost of a success" if of_target else "cost",
    )


def quality_measure(rows: SearchRows, name: str | None = None) -> Measure:
    """Return what a frontier sets against a cost.

    Args:
        rows: the search.
        name: a metric of the task, another cost, or ``success_rate``. If None it is the first objective that
            is no cost: itself where it is a loss, and the success rate where it is all or nothing.

    Raises:
        SelectionError: it is the success rate, or a cost of reaching the target, and the search has no
            target.
    """
    usual, direction = accuracy_objective(rows)
    has_target = rows.plan.target is not None
    if name == SUCCESS_RATE or (name is None and has_target and is_all_or_nothing(rows, usual)):
        if not has_target:
            raise SelectionError(f"{SUCCESS_RATE} needs a target, and {rows.plan.name} has none")
        return Measure(
            name=SUCCESS_RATE,
            column="expected_rate",
            text="expected success rate",
            unit="share",
            direction="max",
            kind="rate",
        )
    if name in rows.costs:
        return cost_measure(rows, str(name))
    metric = usual if name is None else name
    stated = rows.metrics[metric]
    wanted = direction if metric == usual else stated["direction"]
    is_share = is_all_or_nothing(rows, metric)
    return Measure(
        name=metric,
        column=f"{metric}_median" if is_share else metric,
        text=f"{metric_text(metric)}, median" if is_share else metric_text(metric),
        unit=stated["unit"],
        direction="max" if wanted == "max" else "min",
        kind="share" if is_share else "loss",
    )


def qualities_of(rows: SearchRows) -> list[str]:
    """Return the names that :func:`quality_measure` accepts."""
    names = list(rows.metrics)
    of_task = names[: names.index(PARAMS)] if PARAMS in names else names
    rate = [SUCCESS_RATE] if rows.plan.target is not None else []
    return [*rate, *of_task, *rows.costs]
