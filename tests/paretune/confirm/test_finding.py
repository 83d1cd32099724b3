"""From a file or a search's name to the checkpoint of a trained model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from paretune.confirm.finding import find_checkpoint
from paretune.errors import InputError

PUBLISHED = Path(__file__).parents[3] / "results" / "published" / "attention-heads"
REPORT = json.loads((PUBLISHED / "retrain" / "c000" / "report.json").read_text())


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    """A search whose configurations were not retrained."""
    folder = tmp_path / "results" / PUBLISHED.name
    shutil.copytree(PUBLISHED, folder, ignore=shutil.ignore_patterns("retrain"))
    return folder


def retrained(folder: Path, place: str, configuration: int, losses: dict[int, float]) -> dict[int, Path]:
    """Add what retraining leaves behind: a report, and a checkpoint for each seed.

    The training loss says the opposite of the validation's.
    """
    checkpoints = {seed: folder / "retrain" / place / f"seed-{seed}" / "checkpoint.pt" for seed in losses}
    for path in checkpoints.values():
        path.parent.mkdir(parents=True)
        path.write_bytes(b"a checkpoint")
    seeds = [
        {
            **REPORT["seeds"][0],
            "seed": seed,
            "validation": {"train_loss": -loss, "exact_match": 1.0, "token_accuracy": 1.0, "val_loss": loss},
            "checkpoint": str(checkpoints[seed]),
        }
        for seed, loss in losses.items()
    ]
    best = min(losses, key=lambda seed: losses[seed])
    report = {**REPORT, "configuration": configuration, "seeds": seeds, "best_seed": best}
    (folder / "retrain" / place / "report.json").write_text(json.dumps(report))
    return checkpoints


def test_a_search_stands_for_its_best_retrained_checkpoint(searched: Path, tmp_path: Path) -> None:
    from analysis.ranking import ranking
    from analysis.rows import SearchRows

    first, second = ranking(SearchRows(searched))["configuration"].tolist()[:2]
    retrained(searched, "a", second, {500: 0.0})
    worse = retrained(searched, "b", first, {500: 0.3, 501: 0.2})
    best = retrained(searched, "c", first, {500: 0.4, 501: 0.1})
    assert find_checkpoint(searched.name, searched.parent) == best[501]
    assert find_checkpoint(searched, Path("nowhere")) == best[501]
    best[501].unlink()
    assert find_checkpoint(searched.name, searched.parent) == worse[501]
    moved = searched.rename(tmp_path / "results" / "moved")
    assert find_checkpoint("moved", moved.parent) == moved / worse[501].relative_to(searched)


def test_a_search_without_a_retrained_model_says_how_to_make_one(searched: Path) -> None:
    with pytest.raises(InputError, match=r"no retrained model yet; make one with `paretune retrain"):
        find_checkpoint(searched.name, searched.parent)


def test_a_file_is_itself_and_what_is_neither_is_said(searched: Path, tmp_path: Path) -> None:
    file = tmp_path / "model"
    file.touch()
    assert find_checkpoint(file, tmp_path) == file
    assert find_checkpoint("missing.pt", tmp_path) == Path("missing.pt"), "whoever reads it says so"
    with pytest.raises(InputError, match="there is no search 'nothing'"):
        find_checkpoint("nothing", searched.parent)
