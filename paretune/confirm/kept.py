"""Which checkpoint of a search's retraining is the best. Read from the reports; torch is not needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.files.layout import RETRAIN_FOLDER
from analysis.names import inside
from analysis.ranking import ranking
from analysis.rows import SearchRows


def best_checkpoint(rows: SearchRows) -> Path | None:
    """Return the best checkpoint that retraining kept; None if there is none.

    Of several retrained configurations it is the one that ranks first, and of its seeds the one that is
    best by validation. Reports that cannot be read, or whose checkpoint is gone, do not count.
    """
    ranked = ranking(rows)
    place = dict(zip(ranked["configuration"].tolist(), ranked["rank"].tolist(), strict=True))
    known = [
        (place[report["configuration"]], _badness(rows, seed["validation"]), checkpoint)
        for report in _reports(rows)
        for seed in report["seeds"]
        if seed["validation"] and seed["seed"] == report.get("best_seed") and report["configuration"] in place
        if (checkpoint := _found(rows.folder, seed["checkpoint"])) is not None
    ]
    return min(known, default=(0, (), None))[2]


def _reports(rows: SearchRows) -> list[dict[str, Any]]:
    found = []
    for name in sorted(rows.store.retrain_reports):
        try:
            found.append(rows.store.retrain_report(name))
        except (OSError, ValueError):
            continue
    return found


def _badness(rows: SearchRows, validation: dict[str, float]) -> tuple[float, ...]:
    """Return what checkpoints of one configuration are compared by, the task's own metrics first.

    Smaller is better.
    """
    return tuple(
        (-1 if metric["direction"] == "max" else 1) * validation[name]
        for name, metric in rows.metrics.items()
        if name in validation
    )


def _found(folder: Path, checkpoint: str | None) -> Path | None:
    """Return a checkpoint, also if the search's folder was moved since."""
    if checkpoint is None:
        return None
    path = Path(checkpoint)
    for name in (checkpoint, str(Path(RETRAIN_FOLDER, *path.parts[-3:]))):
        # A report from someone else can name any file; the model is one that lies in the search's folder.
        place = inside(folder, name)
        if place is not None and place.is_file():
            return place
    return None
