"""The drill's own eyes: rows that are wrong, missing or double are seen, each as what it is."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from chaos_check import Verdict, check
from chaos_rows import Kill, Rows
from helpers.plans import bound
from helpers.tune_twin import Twin

from analysis.store import RowStore
from paretune.plan.binding import BoundPlan
from trainables.loop import Goal, train

Lines = list[dict[str, Any]]


def plan() -> BoundPlan:
    return bound(
        objectives=[{"metric": "exact_match", "direction": "max"}, {"metric": "params", "direction": "min"}],
        target={"exact_match": 0.99},
        fixed={"digits": 1, "batch": 16, "steps": 60, "eval_every": 20, "d_ff": 8, "n_heads": 1},
        search={"trials": 3, "sampler": "random", "concurrency": 1},
    )


_TRAINED: dict[str, Lines] = {}


def trained(told: dict[str, Any]) -> Lines:
    """Return the reports of a trial, from the training loop itself.

    It is trained once, however often it is asked for: costs of one training do not go on in those of another.
    """
    if (known := _TRAINED.get(told["label"])) is not None:
        return known
    of = plan()
    said = _TRAINED[told["label"]] = []
    config = of.task.config_class.model_validate(told["config"])
    train(
        of.task,
        config,
        device=torch.device("cpu"),
        report=lambda report, snapshot: said.append(report.as_row()),
        goal=Goal(target=of.target),
    )
    return said


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("drill") / "search"
    folder.mkdir()
    RowStore(folder).write_plan(plan().plan)
    assert Twin(plan(), folder, trained).run()
    return folder


def checked(searched: Path, folder: Path, file: str, change: Callable[[Lines], Lines]) -> Verdict:
    """Check a search again, after one of its files was changed."""
    folder.mkdir(exist_ok=True)
    for path in searched.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    rows = [json.loads(line) for line in (searched / file).read_text().splitlines()]
    (folder / file).write_text("".join(f"{json.dumps(row)}\n" for row in change(rows)))
    return check(folder, None, searched.parent / "alone", Path(os.environ["PARETUNE_CACHE"]))


def altered(label: str, step: int, **values: Any) -> Callable[[Lines], Lines]:
    return lambda rows: [
        {**row, **values} if (row["trial"], row.get("step")) == (label, step) else row for row in rows
    ]


def test_what_was_not_harmed_is_right(searched: Path, tmp_path: Path) -> None:
    found = checked(searched, tmp_path, "reports.jsonl", lambda rows: rows)
    assert (found.wrong, found.missing, found.double) == ([], [], [])
    assert found.trials == 3
    assert found.compared == found.reports == 9


CHANGES: dict[str, tuple[str, Callable[[Lines], Lines], str, str]] = {
    "another number": ("reports.jsonl", altered("c001-s0", 20, val_loss=1.0), "wrong", "step 20: val_loss"),
    "a report is gone": (
        "reports.jsonl",
        lambda rows: [row for row in rows if (row["trial"], row["step"]) != ("c000-s0", 40)],
        "missing",
        "no report of step 40",
    ),
    "a report too many": (
        "reports.jsonl",
        lambda rows: [*rows, {**rows[-1], "step": 50}],
        "wrong",
        "a report of step 50",
    ),
    "a report twice": ("reports.jsonl", lambda rows: [*rows, rows[-1]], "double", "was reported twice"),
    "a trial is gone": (
        "trials.jsonl",
        lambda rows: [row for row in rows if row["trial"] != "c002-s0"],
        "missing",
        "2 trials of 3",
    ),
    "a trial without an ending": (
        "trials.jsonl",
        lambda rows: [row for row in rows if row["trial"] != "c001-s0" or row["ending"] is None],
        "missing",
        "its ending is None",
    ),
    "a trial under two names": (
        "trials.jsonl",
        lambda rows: [*rows, {**rows[-1], "trial": "c003-s0", "configuration": 3}],
        "double",
        "once more",
    ),
    "a trial that ran again": (
        "trials.jsonl",
        lambda rows: [*rows, {**rows[-1], "ending": None}, rows[-1]],
        "double",
        "ran again after it had finished",
    ),
    "another ending": ("trials.jsonl", altered("c001-s0", 60, ending="solved"), "wrong", "solved, alone"),
    "another seed": ("trials.jsonl", altered("c001-s0", 60, seed=9), "wrong", "its seed is 9"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_harmed_is_seen(change: str, searched: Path, tmp_path: Path) -> None:
    file, harm, kind, words = CHANGES[change]
    found = checked(searched, tmp_path, file, harm)
    assert any(words in text for text in getattr(found, kind)), vars(found)


def test_rows_that_cannot_be_read_are_wrong(searched: Path, tmp_path: Path) -> None:
    checked(searched, tmp_path, "reports.jsonl", lambda rows: rows)
    trials = tmp_path / "trials.jsonl"
    trials.write_text("no row\n" + trials.read_text())
    found = check(tmp_path, None, searched.parent / "alone", Path(os.environ["PARETUNE_CACHE"]))
    assert len(found.wrong) == 1


def test_what_a_kill_costs_is_read_from_the_rows(tmp_path: Path) -> None:
    """A trial came to step 60, and goes on from 20; another one goes on beyond where it was."""
    rows = Rows(tmp_path)
    kill = Kill(kind="driver", search="by hand", at=0.0, early=False)

    def say(file: str, **row: Any) -> None:
        with (tmp_path / file).open("a") as lines:
            lines.write(json.dumps(row) + "\n")
        rows.read()

    for label in ("c000-s0", "c001-s0"):
        say("trials.jsonl", trial=label, ending=None, session=1, started="now")
        for step in (20, 40, 60):
            say("reports.jsonl", trial=label, step=step, session=1, at="2026-11-30T18:00:00+00:00")
    assert rows.running() == ["c000-s0", "c001-s0"]
    rows.hit(rows.running(), kill)
    for label, step in (("c000-s0", 40), ("c001-s0", 80)):
        say("trials.jsonl", trial=label, ending=None, session=2, started="later")
        say("reports.jsonl", trial=label, step=step, session=2, at="2026-11-30T18:01:00+00:00")
    assert kill.steps_lost == [40, 0]
    assert rows.begun == 4
