"""Rows of a search that was killed, against what each of its trials does alone: wrong, missing or double.

A trial that runs alone goes through the training loop without Ray, kills and checkpoints. Its reports are to
be the same numbers, bit for bit but for times and memory; so is its ending, unless early stopping ended it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from analysis.files.layout import REPORTS_FILE, TRIALS_FILE
from analysis.store import RowStore
from paretune.errors import Error
from paretune.plan.binding import BoundPlan, bind, canonical
from paretune.plan.rungs import rungs_of
from trainables.contract import Report
from trainables.loop import Goal, train

TIMED = frozenset(
    {"cpu_seconds", "wall_seconds", "tokens_per_second", "mfu", "peak_memory"}
    | {"cpu_seconds_to_target", "seconds_to_target"}
)
"""What differs from run to run."""

_OWN = ("solved", "finished", "diverged")
"""Endings of which a trial alone is the measure."""

Row = dict[str, Any]


@dataclass(kw_only=True)
class Verdict:
    """What was found in the rows of a search."""

    trials: int = 0
    reports: int = 0
    endings: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    compared: int = 0
    """Reports that were compared with those of the trial alone."""


def check(folder: Path, reference: Path | None, cache: Path, kernels: Path) -> Verdict:
    """Return what is wrong, missing or double in the rows of a search; rows that cannot be read are wrong.

    Args:
        folder: the search's folder.
        reference: the folder of a search of the same configurations that nobody killed.
        cache: a folder where what trials do alone is kept.
        kernels: the folder of compiled kernels.
    """
    torch.set_num_threads(1)
    os.environ["PARETUNE_CACHE"] = str(kernels)
    store, found = RowStore(folder), Verdict()
    try:
        bound = bind(store.plan())
        trials, reports = store.trials(), store.reports_by_trial()
    except Error as error:
        found.wrong.append(str(error))
        return found
    found.trials, found.reports = len(trials), sum(map(len, reports.values()))
    for row in trials.values():
        ending = str(row.get("ending"))
        found.endings[ending] = found.endings.get(ending, 0) + 1
    _count(bound, trials, found)
    _look_for_doubles(folder, trials, found)
    for label, row in trials.items():
        _compare(bound, label, row, reports.get(label, []), cache, found)
    if reference is not None:
        _compare_with_reference(trials, RowStore(reference).trials(), bound, found)
    return found


def _count(bound: BoundPlan, trials: dict[str, Row], found: Verdict) -> None:
    """See whether all trials are there, each with an ending and its own seed."""
    plan = bound.plan
    may_end_early = plan.question is not None or plan.search.race is not None
    if not may_end_early and len(trials) != plan.trials:
        (found.missing if len(trials) < plan.trials else found.double).append(
            f"{len(trials)} trials of {plan.trials}"
        )
    seeds: dict[int, set[int]] = {}
    for label, row in trials.items():
        seeds.setdefault(row["configuration"], set()).add(row["seed_index"])
        if row.get("ending") in (None, "interrupted", "failed"):
            found.missing.append(f"{label}: its ending is {row.get('ending')}: {row.get('error')}")
        if row["seed"] != plan.trial_seed(row["seed_index"]):
            found.wrong.append(f"{label}: its seed is {row['seed']}")
        if row["params"] != bound.params(row["values"]):
            found.wrong.append(f"{label}: params is {row['params']}")
    for number, indices in seeds.items():
        if indices != set(range(len(indices))):
            found.missing.append(f"configuration {number}: seeds {sorted(indices)}")
    if sorted(seeds) != list(range(len(seeds))):
        found.missing.append(f"configurations {sorted(set(range(max(seeds))) - set(seeds))}")


def _look_for_doubles(folder: Path, trials: dict[str, Row], found: Verdict) -> None:
    """See whether anything was done twice, in the files as they are."""
    owners: dict[tuple[str, int], str] = {}
    for label, row in trials.items():
        other = owners.setdefault((canonical(row["values"]), row["seed"]), label)
        if other != label:
            found.double.append(f"{label} is {other} once more")
    over: dict[str, str] = {}
    started: dict[str, list[str]] = {}
    session = 0
    for row in _lines(folder / TRIALS_FILE):
        label, ending = row["trial"], row.get("ending")
        if label in over and ending is None:
            found.double.append(f"{label}: ran again after it had {over.pop(label)}")
        if ending in (*_OWN, "stopped early"):
            over[label] = ending
        if moment := row.get("started"):
            started.setdefault(label, []).append(moment)
        if ending is None and row["session"] < session:
            found.double.append(f"{label}: a row of session {row['session']} after one of session {session}")
        session = max(session, row["session"])
    seen: dict[tuple[str, int, int], str] = {}
    for row in _lines(folder / REPORTS_FILE):
        key = (row["trial"], row["session"], row["step"])
        before, at = seen.get(key), row["at"]
        seen[key] = at
        # After its worker died, a trial begins anew, and repeats what came after its checkpoint.
        if before is not None and not any(before <= begun <= at for begun in started.get(row["trial"], [])):
            found.double.append(f"{row['trial']}: step {row['step']} was reported twice at {before} and {at}")


def _lines(path: Path) -> Iterator[Row]:
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "trial" in row:
            yield row


def _compare(bound: BoundPlan, label: str, row: Row, reports: list[Row], cache: Path, found: Verdict) -> None:
    """Compare a trial with itself, alone."""
    alone, untimed = _alone(bound, row, cache), bound.metrics.keys() - TIMED
    ending, last = row.get("ending"), int(row.get("step") or 0)
    if ending in _OWN:
        if ending != alone[-1]["ending"]:
            found.wrong.append(f"{label}: {ending}, alone {alone[-1]['ending']}")
        last = max(last, int(alone[-1]["step"]))
    elif ending == "stopped early":
        rungs = rungs_of(bound, row["values"])
        if last not in rungs or not row.get("below_cut_at"):
            found.wrong.append(
                f"{label}: stopped early at {last}, below the cut at {row.get('below_cut_at')}"
            )
    said = {int(report["step"]): report for report in reports}
    known = {int(report["step"]): report for report in alone if report["step"] <= last}
    for step in sorted(known.keys() - said.keys()):
        found.missing.append(f"{label}: no report of step {step}")
    for step in sorted(said.keys() - known.keys()):
        found.wrong.append(f"{label}: a report of step {step}, which it does not have alone")
    for step in sorted(known.keys() & said.keys()):
        found.compared += 1
        here, there = (
            {name: row[name] for name in row if name in untimed} for row in (said[step], known[step])
        )
        if here != there:
            names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
            differ = ", ".join(f"{name} is {here.get(name)}, alone {there.get(name)}" for name in names)
            found.wrong.append(f"{label}: step {step}: {differ}")
    final = said.get(last, {})
    for name in final.keys() & bound.metrics.keys():
        if row.get(name) != final[name]:
            found.wrong.append(f"{label}: {name} is {row.get(name)}, in its last report {final[name]}")
    costs = [said[step].get("cpu_seconds", 0.0) for step in sorted(said)]
    if any(later < earlier for earlier, later in pairwise(costs)):
        found.wrong.append(f"{label}: processor time decreases")


def _alone(bound: BoundPlan, row: Row, cache: Path) -> list[Row]:
    """Return all reports of a trial that runs alone, as they are written into rows."""
    config = bound.config(row["values"], row["seed"])
    between = [step for step in rungs_of(bound, row["values"]) if step % config.eval_every]
    key = json.dumps([config.model_dump(mode="json"), between], sort_keys=True)
    kept = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
    if kept.exists():
        content = json.loads(kept.read_text())
        assert content["key"] == key
        return list(content["reports"])
    said: list[Row] = []

    def note(report: Report, snapshot: object) -> None:
        said.append(json.loads(json.dumps({k: v for k, v in report.as_row().items() if _is_written(v)})))

    goal = Goal(target=bound.target, ends_run=bound.plan.stop_at_target)
    ending = train(bound.task, config, device=torch.device("cpu"), report=note, report_at=between, goal=goal)
    said[-1]["ending"] = ending
    cache.mkdir(exist_ok=True)
    kept.write_text(json.dumps({"key": key, "reports": said}))
    return said


def _is_written(value: object) -> bool:
    return not (isinstance(value, float) and not math.isfinite(value))


def _compare_with_reference(
    trials: dict[str, Row], reference: dict[str, Row], bound: BoundPlan, found: Verdict
) -> None:
    """Compare trials with those of the same names in a search that was not killed."""
    for label, row in trials.items():
        if (other := reference.get(label)) is None:
            continue
        names = ["values", "seed", "params", *([] if bound.plan.early_stopping else ["ending", "step"])]
        for name in names:
            if row.get(name) != other.get(name):
                found.wrong.append(f"{label}: {name} is {row.get(name)}, unharmed {other.get(name)}")
