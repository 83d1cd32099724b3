"""Searches written as rows, without training anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.pictures.marks import Note, Picture, Points
from analysis.rows import SearchRows

PLAN = {
    "name": "by-hand",
    "task": "addition",
    "objectives": [
        {"metric": "exact_match", "direction": "max"},
        {"metric": "params", "direction": "min"},
    ],
    "target": {"exact_match": 0.99},
    "space": {"d_model": {"type": "int", "low": 1, "high": 9}},
    "search": {"trials": 12, "seeds": 2},
}


METRICS = [
    {"name": "exact_match", "direction": "max", "unit": "share", "description": "answers right"},
    {"name": "params", "direction": "min", "unit": "parameters", "description": "count"},
]


# (configuration, parameters, endings, exact matches) with one entry per seed
TRIALS = [
    (0, 500, ["solved", "solved"], [1.0, 0.99]),
    (1, 300, ["solved", "finished"], [0.99, 0.5]),
    (2, 200, ["stopped early", "finished"], [0.1, 0.3]),
    (3, 100, ["diverged", "failed"], [None, None]),
    (4, 400, ["finished", "diverged"], [0.6, None]),
    (5, 100, ["finished", "interrupted"], [0.05, 0.9]),
]


def write_search(folder: Path, trials: list[tuple[Any, ...]] = TRIALS, **changes: Any) -> SearchRows:
    folder.mkdir(exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(PLAN | changes))
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    lines = []
    for configuration, params, endings, values in trials:
        for seed, (ending, value) in enumerate(zip(endings, values, strict=True)):
            row = {
                "trial": f"c{configuration:03d}-s{seed}",
                "configuration": configuration,
                "seed_index": seed,
                "seed": seed,
                "params": params,
                "values": {"d_model": configuration + 1},
            }
            lines.append(json.dumps(row | {"ending": None}))  # the row of its start
            if value is not None:
                row["exact_match"] = value
            lines.append(json.dumps(row | {"ending": ending}))
    (folder / "trials.jsonl").write_text("\n".join(lines) + "\n")
    return SearchRows(folder)


def dots(picture: Picture, role: str) -> list[tuple[float, float]]:
    """Return where the dots of a role are."""
    marks = [mark for mark in picture.marks if isinstance(mark, Points) and mark.role == role]
    return [place for mark in marks for place in zip(mark.x, mark.y, strict=True)]


def texts(picture: Picture) -> list[str]:
    return [mark.text for mark in picture.marks if isinstance(mark, Note)]
