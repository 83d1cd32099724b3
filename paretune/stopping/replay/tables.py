"""The tables of replayed rules, and their plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.files.layout import Column
from analysis.finding import Table
from analysis.statistics.estimate import Estimate
from paretune.stopping.replay.choosing import FOLDS, Losses, is_within
from paretune.stopping.replay.curves import Population

if TYPE_CHECKING:
    from paretune.stopping.replay.cliffs import CliffUnder
    from paretune.stopping.replay.finding import Judged, Stopping


def band_names(count: int) -> Sequence[str]:
    """Return what bands of sizes are called, the smallest first."""
    if count == 1:
        return ["all"]
    if count == 3:
        return ["small", "middle", "large"]
    return [f"band {number}" for number in range(1, count + 1)]


def part_name(finding: Stopping, part: int) -> str:
    """Return what a part of the curves is called."""
    if len(finding.populations) > 1:
        return finding.populations[part].name
    return f"{part + 1} of {min(FOLDS, len(finding.parts))}"


def sizes_of(population: Population, bands: int) -> list[str]:
    """Return the sizes of the winners of each band, as ``488 to 876``; a dash without winners."""
    band = population.bands(bands)
    texts = []
    for number in range(bands):
        won = population.params[population.solved & (band == number)]
        texts.append("-" if not len(won) else _from_to(won.min(), won.max()))
    return texts


def tables(finding: Stopping) -> list[Table]:
    """Return the rules; those chosen on other curves; the searches; the cliffs."""
    return [_rules(finding), _parts(finding), _searches(finding), *_cliffs(finding)]


def as_json(finding: Stopping) -> dict[str, Any]:
    """Return everything as plain values, without NaN."""
    return {
        "kind": finding.kind,
        "searches": [population.name for population in finding.populations],
        "without_winners": list(finding.without_winners),
        "sentences": list(finding.sentences),
        "looked_at": finding.looked_at,
        "orders": finding.orders,
        "replayed": finding.replayed,
        "slots": finding.tried.slots,
        "most_lost": finding.tried.most_lost,
        "recommended": _plain(finding.recommended),
        "nearest": _plain(finding.nearest),
        "elsewhere": _losses_as_json(finding.elsewhere),
        "early_stopping": None if finding.best is None else finding.best.rule.block(),
        **{
            name: [
                {key: _finite(value) for key, value in row.items()}
                for row in table.frame.to_dict(orient="records")
            ]
            for name, table in zip(
                ("rules", "left_out", "population", "cliffs"), finding.tables, strict=False
            )
        },
    }


def _rules(finding: Stopping) -> Table:
    bands = band_names(finding.tried.bands)
    alone = finding.populations[0] if len(finding.populations) == 1 else None
    nothing = {"metric": "no rule", "rungs": "-", "factor": math.nan, "below_cut": "-", "bands": "-"}
    none = Estimate(value=0.0)
    rows: list[dict[str, Any]] = [
        {
            **nothing,
            **_spread("ratio", Estimate(value=1.0)),
            **({} if alone is None else {"steps_per_success": alone.steps_per_success}),
            **_spread("lost", none),
            **_by_band([none] * len(bands), bands),
            "within": True,
        }
    ]
    for one in finding.judged:
        rule, losses = one.rule, one.losses
        steps = {} if alone is None else {"steps_per_success": losses.ratio * alone.steps_per_success}
        rows.append(
            {
                "metric": rule.metric,
                "rungs": rule.rungs_text,
                "factor": rule.factor,
                "below_cut": rule.below_cut,
                "bands": "yes" if rule.is_banded else "no",
                **_spread("ratio", one.ratio),
                **steps,
                **_spread("lost", losses.lost),
                **_by_band(losses.by_band, bands),
                "within": is_within(losses.worst, finding.tried.most_lost),
            }
        )
    columns = [
        Column("metric", "", "the metric that is compared at the rungs"),
        Column("rungs", "", "where they lie: shares of each trial's own steps, or a step"),
        Column("factor", "", "the reduction factor: one in so many goes on"),
        Column("below_cut", "", "whether a trial below the cut stops, or pauses and may go on"),
        Column("bands", "", "whether trials are compared within bands of sizes"),
        Column("ratio", "", "steps per success over those without a rule"),
        Column("ratio_low", "", "lower end of the middle 90 % over orders"),
        Column("ratio_high", "", "upper end of the middle 90 % over orders"),
        Column("steps_per_success", "steps", "steps of all trials over the winners that ran on"),
        *_all_lost_columns(bands),
        Column("within", "", "whether at most the accepted share of the winners of each band is lost"),
    ]
    return Table(
        title=f"Rules, in {finding.orders} random orders; no trial is kept by lot (reserve 0)",
        frame=pd.DataFrame(rows),
        columns=columns,
    )


def _parts(finding: Stopping) -> Table:
    bands = band_names(finding.tried.bands)
    rows: list[dict[str, Any]] = [
        {
            "judged_on": part_name(finding, one.part),
            "chosen_on_the_others": "no rule" if one.rule is None else str(one.rule),
            "winners": one.losses.winners,
            "ratio": one.losses.ratio,
            **_spread("lost", one.losses.lost),
            **_by_band(one.losses.by_band, bands),
        }
        for one in finding.parts
    ]
    rows.append(
        {
            "judged_on": "all",
            "chosen_on_the_others": "-",
            "winners": finding.elsewhere.winners,
            "ratio": finding.elsewhere.ratio,
            **_spread("lost", finding.elsewhere.lost),
            **_by_band(finding.elsewhere.by_band, bands),
        }
    )
    columns = [
        Column("judged_on", "", "the search, or the part of the configurations, that the rule is judged on"),
        Column("chosen_on_the_others", "", "the rule that was chosen without it"),
        Column("winners", "", "trials there that solved the task"),
        Column("ratio", "", "steps per success there over those without a rule"),
        *_all_lost_columns(bands),
    ]
    return Table(
        title="Rules that were chosen on other curves than they are judged on",
        frame=pd.DataFrame(rows),
        columns=columns,
    )


def _searches(finding: Stopping) -> Table:
    bands = finding.tried.bands
    rows = []
    for people in finding.populations:
        named = zip(band_names(bands), sizes_of(people, bands), strict=True)
        rows.append(
            {
                "search": people.name,
                "trials": len(people),
                "configurations": len(np.unique(people.configurations)),
                "solved": int(people.solved.sum()),
                "not_known": people.unknown,
                "sizes": _from_to(people.params.min(), people.params.max()),
                "steps_per_success": people.steps_per_success,
                **{f"winners_{name.replace(' ', '_')}": text for name, text in named},
            }
        )
    columns = [
        Column("search", "", "the search"),
        Column("trials", "", "whole curves"),
        Column("configurations", "", "configurations that they are of"),
        Column("solved", "", "winners: trials that reached the target and held it"),
        Column("not_known", "", "trials that were left out, since their outcome is not known"),
        Column("sizes", "", "parameters of the smallest and of the largest"),
        Column("steps_per_success", "steps", "steps of all trials over the winners, without a rule"),
    ]
    return Table(title="Curves, and the sizes of winners", frame=pd.DataFrame(rows), columns=columns)


def _cliffs(finding: Stopping) -> list[Table]:
    if not finding.cliffs:
        return []
    rows = [
        {
            "search": one.search,
            "rule": str(one.rule),
            **_spread("without_rule", one.whole),
            **_spread("stopped_left_out", one.left_out),
            "bias": one.bias,
            **_spread("with_reserve", one.reserve),
            "bias_with_reserve": one.bias_with_reserve,
            "ratio_with_reserve": ratio_with_reserve(finding, one),
        }
        for one in finding.cliffs
    ]
    columns = [
        Column("search", "", "the search"),
        Column("rule", "", "the rule"),
        Column("without_rule", "parameters", "50 % size, with its 95 % interval"),
        Column("stopped_left_out", "parameters", "50 % size of the trials that ran on; the middle 90 %"),
        Column("bias", "", "that over the size without a rule"),
        Column("with_reserve", "parameters", "50 % size where one in ten runs on by lot; the middle 90 %"),
        Column("bias_with_reserve", "", "that over the size without a rule"),
        Column("ratio_with_reserve", "", "steps per success with it, over those without a rule"),
    ]
    title = "The size at which half of the trials solve, as it would be read under a rule"
    return [Table(title=title, frame=pd.DataFrame(rows), columns=columns)]


def ratio_with_reserve(finding: Stopping, one: CliffUnder) -> float:
    """Return the steps per success of one search with a reserve, over those without a rule."""
    (people,) = (each for each in finding.populations if each.name == one.search)
    kept = one.with_reserve.kept.sum()
    return float(one.with_reserve.steps.sum() / kept / people.steps_per_success) if kept else math.inf


def _spread(name: str, estimate: Estimate) -> dict[str, float]:
    is_known = estimate.is_known
    return {
        name: estimate.value,
        f"{name}_low": estimate.low if is_known else math.nan,
        f"{name}_high": estimate.high if is_known else math.nan,
    }


def _by_band(estimates: Sequence[Estimate], bands: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, estimate in zip(bands, estimates, strict=True):
        found |= _spread(f"lost_{name.replace(' ', '_')}", estimate)
    return found


def _all_lost_columns(bands: Sequence[str]) -> list[Column]:
    by_band = {f"lost_{name.replace(' ', '_')}": f"the winners of {name} size" for name in bands}
    return [
        column
        for name, of in {"lost": "the winners", **by_band}.items()
        for column in _lost_columns(name, of)
    ]


def _lost_columns(name: str, of: str) -> list[Column]:
    return [
        Column(name, "share", f"share of {of} that would have ended early"),
        Column(f"{name}_low", "share", "lower end of its 95 % interval over configurations"),
        Column(f"{name}_high", "share", "upper end of its 95 % interval over configurations"),
    ]


def _from_to(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _losses_as_json(losses: Losses) -> dict[str, Any]:
    return {
        "winners": losses.winners,
        "lost": losses.lost.as_json(),
        "lost_by_band": [band.as_json() for band in losses.by_band],
        "ratio": _finite(losses.ratio),
        "ratio_by_band": [_finite(ratio) for ratio in losses.ratio_by_band],
    }


def _plain(one: Judged | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "rule": str(one.rule),
        "early_stopping": one.rule.block(),
        **_losses_as_json(one.losses),
        "ratio": one.ratio.as_json(),
    }


def _finite(value: Any) -> Any:
    is_number = isinstance(value, float) and not math.isfinite(value)
    return None if is_number else value
