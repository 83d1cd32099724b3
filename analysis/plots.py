"""Figures of training curves: functions that paint numbers on axes they are given."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.pictures.painting import save_figure
from analysis.pictures.style import look_of

__all__ = ["curves_figure", "draw_curves", "save_figure"]


def draw_curves(axes: Axes, reports: pd.DataFrame, metric: str, *, unit: str, target: float | None) -> None:
    """Paint one curve of a metric against steps per seed; ``reports`` has columns seed, step and metric."""
    for seed, curve in reports.groupby("seed"):
        axes.plot(curve["step"], curve[metric], linewidth=1.4, label=f"seed {seed}")
    if target is not None:
        look = look_of("target")
        axes.axhline(target, color=look.colour, linestyle=look.dash, linewidth=1)
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
