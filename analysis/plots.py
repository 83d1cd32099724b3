"""Figures: functions that paint numbers on axes they are given, and a helper that saves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from analysis.frontier import Frontier
from analysis.rows import PARAMS

FIGURE_FORMATS = (".png", ".svg", ".pdf")
_ON, _OFF, _TARGET, _NAMED = "#1b6ca8", "#b4bcc4", "#c0392b", "#b9770e"


def draw_frontier(
    axes: Axes,
    front: Frontier,
    *,
    unit: str,
    target: float | None,
    title: str,
    cost_unit: str = "parameters",
) -> None:
    """Paint a cost against accuracy: the frontier as steps, dominated configurations in grey."""
    name = front.metric.replace("_", " ")
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xscale("log")
    axes.set_xlabel(
        cost_name(front.cost) if front.cost == PARAMS else f"{cost_name(front.cost)} ({cost_unit})"
    )
    axes.set_ylabel(f"{name} ({unit})")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    points, others = front.points, front.others
    # What was stopped could have become better only.
    bound = "a lower bound" if front.direction == "max" else "an upper bound"
    if target is not None:
        axes.axhline(target, color=_TARGET, linestyle="--", linewidth=1, label=f"target {target:g}", zorder=1)
    if len(others):
        axes.scatter(
            others[front.cost], others[front.metric], s=26, color=_OFF, label="other configurations", zorder=2
        )
    if len(points):
        axes.step(points[front.cost], points[front.metric], where="post", color=_ON, linewidth=1.6, zorder=3)
        whole = points["stopped_early"] == 0
        for chosen, face, label in (
            (points[whole], _ON, "frontier"),
            (points[~whole], "white", f"frontier, stopped early: {bound}"),
        ):
            if len(chosen):
                axes.scatter(
                    chosen[front.cost],
                    chosen[front.metric],
                    s=46,
                    facecolor=face,
                    edgecolor=_ON,
                    linewidth=1.4,
                    label=label,
                    zorder=4,
                )
    if front.direction == "min":
        # The best is at the bottom, and below it and to its left a label.
        axes.margins(x=0.12, y=0.16)
        _cut_off_far_out(axes, front, target)
    _mark_baselines(axes, front)
    _label_cheapest_at_target(axes, front, target, cost_unit)
    axes.xaxis.set_major_formatter(FuncFormatter(_with_thousands))
    costs = [cost for cost in (*points[front.cost], *others[front.cost]) if cost > 0]
    if costs and max(costs) / min(costs) < 30:
        # Within little more than a decade, ten-to-the-somethings alone would say nothing.
        axes.xaxis.set_minor_formatter(FuncFormatter(_one_two_five))
    else:
        axes.xaxis.set_minor_formatter(NullFormatter())
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, loc="best")


def frontier_figure(
    front: Frontier, *, unit: str, target: float | None, title: str, cost_unit: str = "parameters"
) -> Figure:
    """Return the frontier as a figure of the size of half a slide."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    draw_frontier(figure.subplots(), front, unit=unit, target=target, title=title, cost_unit=cost_unit)
    return figure


def frontiers_figure(
    fronts: Sequence[Frontier], *, unit: str, target: float | None, title: str, cost_units: Sequence[str]
) -> Figure:
    """Return several frontiers of one search, a panel for each cost."""
    figure = Figure(figsize=(6.4 * len(fronts), 4.4), layout="constrained")
    figure.suptitle(title, fontweight="bold")
    panels = figure.subplots(1, len(fronts), squeeze=False)[0]
    for axes, front, cost_unit in zip(panels, fronts, cost_units, strict=True):
        name = f"against {cost_name(front.cost)}"
        draw_frontier(axes, front, unit=unit, target=target, title=name, cost_unit=cost_unit)
    return figure


def draw_curves(axes: Axes, reports: pd.DataFrame, metric: str, *, unit: str, target: float | None) -> None:
    """Paint one curve of a metric against steps per seed; ``reports`` has columns seed, step and metric."""
    for seed, curve in reports.groupby("seed"):
        axes.plot(curve["step"], curve[metric], linewidth=1.4, label=f"seed {seed}")
    if target is not None:
        axes.axhline(target, color=_TARGET, linestyle="--", linewidth=1)
    axes.set_xlabel("step")
    axes.set_ylabel(f"{metric.replace('_', ' ')} ({unit})")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def curves_figure(
    reports: pd.DataFrame, metrics: dict[str, str], targets: dict[str, float], title: str
) -> Figure:
    """Return training curves, one panel per metric; ``metrics`` maps names to units."""
    figure = Figure(figsize=(4.2 * len(metrics), 3.6), layout="constrained")
    figure.suptitle(title, fontweight="bold")
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, (name, unit) in zip(panels, metrics.items(), strict=True):
        draw_curves(axes, reports, name, unit=unit, target=targets.get(name))
        seen = reports[name].dropna()
        # Only a loss that falls towards nothing gains by a log scale.
        if name.endswith("loss") and len(seen) and 0 < 10 * seen.min() < seen.max():
            axes.set_yscale("log")
    panels[0].legend(frameon=False)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure; the ending names the format (.png, .svg)."""
    # Without a date the same numbers give the same file.
    figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)


def _cut_off_far_out(axes: Axes, front: Frontier, target: float | None) -> None:
    """Mark losses that are far out at the upper edge, so that they do not squeeze all others flat.

    Far out is what lies more than three interquartile ranges above the third quartile (Tukey, Exploratory
    Data Analysis, 1977). The frontier, the target and named configurations are always shown where they are.
    """
    table = pd.concat([front.points, front.others])
    values = table[front.metric].dropna()
    first, third = values.quantile([0.25, 0.75]) if len(values) else (0.0, 0.0)
    if third == first:
        return
    named = table["baseline"].notna() if "baseline" in table.columns else pd.Series(False, index=table.index)
    shown = [*front.points[front.metric], *table[named][front.metric], *([] if target is None else [target])]
    edge = max(third + 3 * (third - first), *shown)
    beyond = table[table[front.metric] > edge]
    if beyond.empty:
        return
    within = [*values[values <= edge], *shown]
    top = max(within) + 0.16 * (max(within) - min(within))
    axes.set_ylim(min(within) - (top - max(within)), top)
    axes.scatter(
        beyond[front.cost],
        [top] * len(beyond),
        s=40,
        marker="^",
        color=_OFF,
        clip_on=False,
        zorder=4,
        label=f"{len(beyond)} far above, up to {beyond[front.metric].max():.3g}",
    )


def _mark_baselines(axes: Axes, front: Frontier) -> None:
    """Mark named configurations, whether on the frontier or not, each with its name beside it."""
    named = [
        (row[front.cost], row[front.metric], row["baseline"])
        for table in (front.points, front.others)
        if "baseline" in table.columns
        for _, row in table[table["baseline"].notna()].iterrows()
    ]
    if not named:
        return
    across, up, names = zip(*named, strict=True)
    axes.scatter(across, up, s=64, marker="D", color=_NAMED, label="baselines", zorder=5)
    for x, y, name in zip(across, up, names, strict=True):
        axes.annotate(
            name, (x, y), xytext=(0, 7), textcoords="offset points", ha="center", color=_NAMED, zorder=6
        )


def _label_cheapest_at_target(axes: Axes, front: Frontier, target: float | None, cost_unit: str) -> None:
    if target is None or front.points.empty:
        return
    values = front.points[front.metric]
    reached = front.points[values >= target if front.direction == "max" else values <= target]
    if len(reached):
        first = reached.iloc[0]
        axes.annotate(
            f"{_amount(first[front.cost])} {cost_unit}",
            (first[front.cost], first[front.metric]),
            # To the left, where by the nature of a frontier nothing else is that good.
            xytext=(-10, -16),
            textcoords="offset points",
            ha="right",
            color=_ON,
            fontweight="bold",
        )


def cost_name(cost: str) -> str:
    """Return a cost's name as people write it."""
    return "parameters" if cost == PARAMS else cost.replace("_", " ")


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _with_thousands(value: float, _position: object) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _one_two_five(value: float, _position: object) -> str:
    leading = f"{value:e}"[0]
    return _with_thousands(value, _position) if leading in "25" else ""
