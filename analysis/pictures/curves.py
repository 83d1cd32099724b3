"""Learning curves: of a search's trials, with rungs and endings, and of seeds that were trained again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from analysis.objectives import accuracy_objective
from analysis.outcomes import OUTCOMES, with_outcomes
from analysis.pictures.marks import Axis, Line, Mark, Picture, Points, Rule
from analysis.pictures.thinning import evenly_chosen, thin
from analysis.rows import SearchRows
from analysis.selection import parameters
from analysis.text import number, plural
from analysis.wording import metric_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CURVES = 60
"""Curves in one picture: more cannot be distinguished."""

_LONGEST_CURVE = 200
_FAR_OUT = 3.0
"""Losses more than so many interquartile ranges above the third quartile are cut off."""

_BUDGET = "steps"
"""The parameter of every task that says how many steps a trial may take."""


def curve_pictures(rows: SearchRows) -> list[Picture]:
    """Return the learning curves of a search: what the plan asks about, and the loss if that is another.

    Of more than :data:`MOST_CURVES` trials that many are drawn, as evenly as there are of each outcome, and
    within an outcome evenly over the sizes. Where early stopping compares trials at shares of their own
    budgets, curves are drawn against these shares.
    """
    if rows.reports.empty:
        return []
    drawn = _chosen(rows)
    along = _along(rows)
    reports = rows.reports[rows.reports["trial"].isin(drawn["trial"])]
    names = [name for name in _metrics(rows) if name in reports.columns and reports[name].notna().any()]
    return [_picture(rows, drawn, reports, name, along) for name in names]


@dataclass(frozen=True, kw_only=True)
class _Along:
    """What curves are drawn against; ``lengths`` by trial where that is a share of each trial's budget."""

    axis: Axis
    rungs: tuple[float, ...]
    lengths: pd.Series[float] | None = None

    def place(self, reports: pd.DataFrame) -> pd.Series[float]:
        """Return where reports lie."""
        steps = reports["step"].astype(float)
        return steps if self.lengths is None else steps / reports["trial"].map(self.lengths)


def _metrics(rows: SearchRows) -> list[str]:
    asked = accuracy_objective(rows)[0]
    losses = (name for name in rows.metrics if name.endswith("loss") and name not in rows.costs)
    # Of a search that asks about a loss, another loss would be the same picture twice.
    return [asked] if rows.metrics[asked]["direction"] == "min" else [asked, *list(losses)[:1]]


def _chosen(rows: SearchRows) -> pd.DataFrame:
    trials = with_outcomes(rows)
    trials = trials[trials["trial"].isin(rows.reports["trial"].unique())]
    trials = trials.sort_values(["params", "trial"], kind="stable")
    return trials.iloc[evenly_chosen(trials["outcome"], MOST_CURVES)]


def _along(rows: SearchRows) -> _Along:
    rule = rows.plan.early_stopping
    budgets = parameters(rows).get(_BUDGET)
    if rule is None or budgets is None:
        return _Along(axis=Axis(label="step"), rungs=())
    if rule.at is not None:
        by_trial = rows.trials.set_index("trial")["configuration"].map(budgets.astype(float))
        axis = Axis(label="steps", unit="share of the trial's budget", limits=(0.0, 1.02))
        return _Along(axis=axis, rungs=tuple(rule.at), lengths=by_trial)
    assert rule.grace_period is not None
    rungs, rung, longest = [], float(rule.grace_period), float(budgets.max())
    while rung < longest and (rule.max_steps is None or rung <= rule.max_steps):
        rungs.append(float(np.ceil(rung)))
        rung *= rule.reduction_factor
    return _Along(axis=Axis(label="step"), rungs=tuple(rungs))


def _picture(
    rows: SearchRows, drawn: pd.DataFrame, reports: pd.DataFrame, metric: str, along: _Along
) -> Picture:
    known = reports[reports[metric].notna()]
    known = known.assign(place=along.place(known))
    known = known[known["place"].notna()].sort_values(["trial", "place"])
    curves = {str(trial): curve for trial, curve in known.groupby("trial", sort=False)}
    marks: list[Mark] = [
        Rule(value=rung, along="x", role="rung", label="rung of early stopping" * (index == 0))
        for index, rung in enumerate(along.rungs)
    ]
    target = (rows.plan.target or {}).get(metric)
    if target is not None:
        marks.append(Rule(value=target, along="y", role="target", label=f"target {target:g}"))
    # The solved last: they lie on top.
    for outcome in reversed(OUTCOMES):
        own = drawn[(drawn["outcome"] == outcome) & drawn["trial"].isin(list(curves))]
        if len(own):
            x, y = _in_a_row([curves[trial] for trial in own["trial"]], metric)
            marks.append(Line(x=x, y=y, role=outcome))
            marks.append(_ends(rows, own, curves, metric, outcome))
    y_axis = _values_axis(rows, metric, known[metric])
    return Picture(
        name=f"curves-{metric.replace('_', '-')}",
        title=f"Learning curves: {metric_text(metric)}",
        x=along.axis,
        y=y_axis,
        marks=marks,
        caption=_caption(rows, drawn, along, y_axis),
    )


def _in_a_row(curves: list[pd.DataFrame], metric: str) -> tuple[list[float], list[float]]:
    """Return curves as one line with gaps."""
    x: list[float] = []
    y: list[float] = []
    for curve in curves:
        shown = thin(curve, _LONGEST_CURVE)
        x += [*shown["place"].tolist(), float("nan")]
        y += [*shown[metric].tolist(), float("nan")]
    return x, y


def _ends(
    rows: SearchRows, trials: pd.DataFrame, curves: Mapping[str, pd.DataFrame], metric: str, outcome: str
) -> Points:
    last = [curves[trial].iloc[-1] for trial in trials["trial"]]
    tells = [
        f"{row.trial}: {row.ending if isinstance(row.ending, str) else 'without an ending'}\n"
        f"{row.params:,} parameters\n"
        f"{metric_text(metric)} {number(end[metric])} at step {int(end['step']):,}"
        for row, end in zip(trials.itertuples(), last, strict=True)
    ]
    return Points(
        x=[float(end["place"]) for end in last],
        y=[float(end[metric]) for end in last],
        role=outcome,
        label=outcome,
        tells=tells,
    )


def _values_axis(rows: SearchRows, metric: str, values: pd.Series[float]) -> Axis:
    label, unit = metric_text(metric), str(rows.metrics[metric]["unit"])
    scale, limits = _scale(metric, values), None
    if scale == "linear" and rows.metrics[metric]["direction"] == "min":
        # A few losses that shot up would press all others flat (Tukey, Exploratory Data Analysis, 1977).
        first, third = values.quantile([0.25, 0.75])
        shown = values[values <= third + _FAR_OUT * (third - first)]
        if len(shown) < len(values):
            margin = 0.05 * float(shown.max() - shown.min())
            limits = (float(shown.min()) - margin, float(shown.max()) + margin)
    return Axis(label=label, unit=unit, scale=scale, limits=limits)


def _scale(metric: str, values: pd.Series[float]) -> Literal["linear", "log"]:
    # Only a loss that falls towards nothing gains by a log scale.
    falls_far = metric.endswith("loss") and len(values) and 0 < 10 * values.min() < values.max()
    return "log" if falls_far else "linear"


def _caption(rows: SearchRows, drawn: pd.DataFrame, along: _Along, y_axis: Axis) -> str:
    reported = rows.reports["trial"].nunique()
    said = "Each curve is a trial, that is one configuration with one seed; its mark is how it ended."
    if len(drawn) < reported:
        said += (
            f" Of {plural(reported, 'trial')} with reports, {len(drawn)} are drawn, as evenly as there are "
            "of each outcome, and of each outcome evenly over the sizes."
        )
    else:
        said += f" {plural(reported, 'trial')} with reports."
    if along.rungs:
        said += " At the dotted rungs, early stopping ended the weakest."
    if y_axis.limits is not None:
        said += f" What is far above, beyond {number(y_axis.limits[1])}, is cut off."
    return said


def curves_figure(
    reports: pd.DataFrame, metrics: dict[str, str], targets: dict[str, float], title: str
) -> Figure:
    """Return training curves of several seeds, one panel per metric.

    Args:
        reports: one row per report, with ``seed``, ``step`` and the metrics.
        metrics: names with their units.
        targets: targets of those that have one.
        title: stands above all.
    """
    from matplotlib.figure import Figure

    from analysis.pictures.painting import paint

    figure = Figure(figsize=(4.2 * len(metrics), 3.6), layout="constrained")
    figure.suptitle(title, fontweight="bold")
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, (name, unit) in zip(panels, metrics.items(), strict=True):
        marks: list[Mark] = []
        for index, (seed, curve) in enumerate(reports.groupby("seed")):
            role, label = f"series {index}", f"seed {seed}"
            marks.append(Line(x=curve["step"].tolist(), y=curve[name].tolist(), role=role, label=label))
        if name in targets:
            marks.append(Rule(value=targets[name], along="y", role="target"))
        y = Axis(label=metric_text(name), unit=unit, scale=_scale(name, reports[name].dropna()))
        paint(axes, Picture(name=name, title="", x=Axis(label="step"), y=y, marks=marks))
        if (legend := axes.get_legend()) is not None and axes is not panels[0]:
            legend.remove()
    return figure
