"""What was published can be read, comes from its space file, and the exported adder adds."""

from __future__ import annotations

import random
import runpy
from pathlib import Path

import pytest

from analysis.ranking import ranking
from analysis.report import write_report
from analysis.rows import SearchRows
from paretune.confirm.evaluation import estimate
from paretune.confirm.retraining import evaluate_checkpoint
from search_spaces.loader import SpaceFile

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
# The library of learning curves is no search.
FOLDERS = sorted(path.parent for path in PUBLISHED.glob("*/plan.json"))
CHECKPOINTS = sorted(PUBLISHED.glob("*/retrain/*/seed-*/checkpoint.pt"))
ADDERS = sorted(PUBLISHED.glob("*/*.py"))


def test_there_are_published_searches_and_the_page_names_each() -> None:
    page = (PUBLISHED / "README.md").read_text()
    assert len(FOLDERS) >= 3
    assert all(f"[{folder.name}]({folder.name})" in page for folder in FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_published_search_can_be_ranked_and_is_of_its_space_file(folder: Path) -> None:
    rows = SearchRows(folder)
    assert len(ranking(rows)) == rows.trials["configuration"].nunique() > 0
    asked = SpaceFile(folder / "space.yaml").draft()
    assert (asked.name, asked.space, asked.only) == (rows.plan.name, rows.plan.space, rows.plan.only)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_published_report_is_what_its_rows_say(folder: Path, tmp_path: Path) -> None:
    page, text = write_report(SearchRows(folder), tmp_path / "report.html")
    assert text.read_text() == (folder / "report.md").read_text(), f"run `paretune report {folder}`"
    assert page.exists()
    assert (folder / "report.html").exists()


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda path: "-".join(path.parts[-5:-1]))
def test_a_published_checkpoint_still_solves_what_it_solved(checkpoint: Path) -> None:
    import torch

    exam = evaluate_checkpoint(checkpoint, torch.device("cpu"), problems=2000, seed=11)
    assert estimate(exam)[0] >= 0.99


@pytest.mark.parametrize("file", ADDERS, ids=lambda path: path.parent.name)
def test_a_published_adder_adds(file: Path) -> None:
    import torch

    torch.set_num_threads(1)
    submission = runpy.run_path(str(file))
    model, _ = submission["build_model"]()
    draw = random.Random(5)
    pairs = [(draw.randrange(10**10), draw.randrange(10**10)) for _ in range(300)]
    # A model that is right for 99 of 100 problems fails here less than once in ten thousand times.
    assert sum(submission["add"](model, a, b) == a + b for a, b in pairs) >= 288
