"""The rows of a search as data frames: one row per trial, one row per report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_integer_dtype, is_numeric_dtype

from analysis.files.layout import REPORT_COLUMNS, REPORTS_FILE, TRIAL_COLUMNS, TRIALS_FILE, DamagedError
from analysis.store import RowStore
from search_spaces.plan import Plan

PARAMS = "params"
"""The cost that every configuration has, and that is known without training."""


_OLDER_COSTS = {
    "samples": None,
    "cpu_seconds": None,
    "wall_seconds": None,
    "steps_to_target": "step",
    "cpu_seconds_to_target": "cpu_seconds",
}
"""Costs, and what a trial without the target has spent instead, in searches that are older than these
words."""


@dataclass(frozen=True)
class SearchRows:
    """The rows of a search, read from its folder; or a part of them, as :meth:`of_configurations` makes
    it."""

    folder: Path
    _whole: SearchRows | None = field(default=None, kw_only=True, repr=False)
    _kept: frozenset[int] = field(default=frozenset(), kw_only=True, repr=False)

    @classmethod
    def of_frames(
        cls,
        plan: Plan,
        metrics: Sequence[dict[str, Any]],
        trials: pd.DataFrame,
        reports: pd.DataFrame | None = None,
        defaults: dict[str, Any] | None = None,
    ) -> SearchRows:
        """Return a search that lies in memory and in no folder: a simulated one, or one that still runs."""
        rows = cls(Path(plan.name))
        none = pd.DataFrame(columns=[column.name for column in REPORT_COLUMNS])
        rows.__dict__.update(
            plan=plan,
            metrics={metric["name"]: metric for metric in metrics},
            trials=trials,
            reports=none if reports is None else reports,
            defaults=defaults or {},
        )
        return rows

    def of_configurations(self, numbers: Iterable[int]) -> SearchRows:
        """Return the same search, of which only some configurations are looked at."""
        part = SearchRows(self.folder, _whole=self, _kept=frozenset(numbers))
        # A search in memory has no files to read them from again.
        part.__dict__.update(plan=self.plan, metrics=self.metrics, defaults=self.defaults)
        return part

    @property
    def store(self) -> RowStore:
        """The files that all of this is read from."""
        return RowStore(self.folder)

    @cached_property
    def plan(self) -> Plan:
        """The plan."""
        return self.store.plan()

    @cached_property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Every metric by name, with its direction, unit and description."""
        listed = self.store.metrics()
        is_older = not any("is_cost" in metric for metric in listed)
        older = {
            name: {"is_cost": True, "spent": spent} if is_older else {}
            for name, spent in _OLDER_COSTS.items()
        }
        return {metric["name"]: {**metric, **older.get(metric["name"], {})} for metric in listed}

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The task's parameters with the values that a configuration has where it states none.

        Empty for searches that are older than the file that holds them.
        """
        return self.store.defaults()

    @property
    def costs(self) -> list[str]:
        """The metrics that are costs, ``params`` first."""
        marked = (name for name, metric in self.metrics.items() if metric.get("is_cost"))
        return list(dict.fromkeys([PARAMS, *marked]))

    @property
    def cost_objectives(self) -> list[str]:
        """The costs that the plan wants small, in its order; ``params`` if it names none."""
        return [o.metric for o in self.plan.objectives if o.metric in self.costs] or [PARAMS]

    def is_of_target(self, cost: str) -> bool:
        """Tell whether a cost is one of reaching the target, which a trial without it does not have."""
        return self.metrics.get(cost, {}).get("spent") is not None

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial: the last one written. Columns: results/README.md."""
        if self._whole is not None:
            whole = self._whole.trials
            return whole[whole["configuration"].isin(self._kept)].reset_index(drop=True)
        frame = _trials(self.store)
        if frame.empty:
            return pd.DataFrame(columns=[column.name for column in TRIAL_COLUMNS])
        self._require_numbers(frame, TRIALS_FILE)
        # A trial without an ending is one whose search was killed, or still runs.
        return frame.sort_values(["configuration", "seed_index"], ignore_index=True)

    @cached_property
    def reports(self) -> pd.DataFrame:
        """One row per report. Of steps that were repeated after a resumption, the later one."""
        if self._whole is not None:
            whole = self._whole.reports
            return whole[whole["configuration"].isin(self._kept)].reset_index(drop=True)
        frame = self.store.reports()
        self._require_numbers(frame, REPORTS_FILE)
        return pd.DataFrame(columns=[column.name for column in REPORT_COLUMNS]) if frame.empty else frame

    def _require_numbers(self, frame: pd.DataFrame, name: str) -> None:
        """Check that metrics are numbers: whoever edits rows, or makes some up, may have put anything there.

        Raises:
            DamagedError: one is something else.
        """
        for metric in self.metrics.keys() & set(frame.columns):
            column = frame[metric]
            if is_numeric_dtype(column):
                continue
            for label, value in zip(frame["trial"].tolist(), column.tolist(), strict=True):
                is_number = isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**63)
                if not is_number and not _is_missing(value):
                    raise DamagedError(
                        f"{self.folder / name}: {metric!r} of {label} is {_shown(value)}, no number; "
                        "correct it, or remove that row"
                    )


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _trials(store: RowStore) -> pd.DataFrame:
    """Return the last row of every trial, in the order of the file, with the columns of all rows."""
    appearances: Counter[str] = Counter()
    frame = pd.DataFrame(list(store.trials(appearances).values()), columns=list(appearances))
    # A metric is a float column from the first row on, which has no metrics yet: not only while trials run.
    partly = {name: float for name, count in appearances.items() if count < appearances["trial"]}
    return frame.astype({name: kind for name, kind in partly.items() if is_integer_dtype(frame[name])})
