"""The rows of a search as data frames: one row per trial, one row per report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.layout import METRICS_FILE, PLAN_FILE, REPORT_COLUMNS, REPORTS_FILE, TRIAL_COLUMNS, TRIALS_FILE
from analysis.lines import read_lines
from search_spaces.plan import Plan

PARAMS = "params"
"""The cost that every configuration has, and that is known without training."""


@dataclass(frozen=True)
class SearchRows:
    """What a search left behind, read from its folder."""

    folder: Path

    @cached_property
    def plan(self) -> Plan:
        """The plan."""
        return Plan.model_validate_json((self.folder / PLAN_FILE).read_text())

    @cached_property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Every metric by name, with its direction, unit and description."""
        listed: list[dict[str, Any]] = json.loads((self.folder / METRICS_FILE).read_text())
        return {metric["name"]: metric for metric in listed}

    @property
    def costs(self) -> list[str]:
        """The metrics that are costs, ``params`` first; of searches older than that word, it alone."""
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
        frame = pd.DataFrame(read_lines(self.folder / TRIALS_FILE))
        if frame.empty:
            return pd.DataFrame(columns=[column.name for column in TRIAL_COLUMNS])
        frame = frame.drop_duplicates("trial", keep="last")
        # A trial without an ending is one whose search was killed, or still runs.
        return frame.sort_values(["configuration", "seed_index"], ignore_index=True)

    @cached_property
    def reports(self) -> pd.DataFrame:
        """One row per report. Of steps that were repeated after a resumption, the later one."""
        frame = pd.DataFrame(read_lines(self.folder / REPORTS_FILE))
        if frame.empty:
            return pd.DataFrame(columns=[column.name for column in REPORT_COLUMNS])
        frame = frame.drop_duplicates(["trial", "step"], keep="last")
        return frame.sort_values(["trial", "step"], ignore_index=True)
