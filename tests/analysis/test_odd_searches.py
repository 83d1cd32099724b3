"""Every finding of searches of which little, or nothing, can be told: said, drawn, written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from truths import METRICS

from analysis.answer import answer
from analysis.cliff import cliff
from analysis.confirmation import confirmation
from analysis.effects import effects
from analysis.frontier import frontier
from analysis.pictures.painting import paint
from analysis.ranking import ranking
from analysis.regimes import regimes
from analysis.report import write_report
from analysis.rows import SearchRows
from analysis.times import times

STEPS = 1000
SIZES = (200, 400, 800, 1600)
RATES = (0.001, 0.01, 0.1)


@dataclass
class Odd:
    """What the files of a search hold."""

    trials: list[dict[str, Any]]
    reports: list[dict[str, Any]]
    plan: dict[str, Any] = field(default_factory=dict)
    cut: int = 0
    """Bytes that are missing at the end of both files of rows."""
    without: tuple[str, ...] = ()
    """Files that are not there."""


def usual(
    sizes: tuple[int, ...] = SIZES,
    rates: tuple[float, ...] = RATES,
    seeds: int = 2,
    ending: Callable[[int, float, int], str | None] = lambda size, rate, seed: None,
) -> Odd:
    """Make a search over sizes and rates; the larger sizes solve unless ``ending`` says otherwise."""
    trials, reports = [], []
    for number, (size, rate) in enumerate((size, rate) for size in sizes for rate in rates):
        for seed in range(seeds):
            ended = ending(size, rate, seed) or ("solved" if size >= 800 else "finished")
            trial = f"c{number:03d}-s{seed}"
            last = {"solved": 8, "finished": 10, "stopped early": 3}.get(ended, 4)
            metrics: dict[str, Any] = {}
            for index in range(1, last + 1):
                reached = ended == "solved" and index >= 7
                metrics = {
                    "step": index * STEPS // 10,
                    "train_loss": 2.0 / index,
                    "exact_match": 1.0 if reached else 0.01 * index,
                    "val_loss": 0.01 if reached else 2.1 / index,
                    "samples": index * 100,
                    "cpu_seconds": size * index / 1000,
                    "wall_seconds": size * index / 900,
                }
                if ended == "diverged" and index == last:
                    metrics = {name: metrics[name] for name in ("step", "samples", "cpu_seconds")}
                head = {"trial": trial, "configuration": number, "seed": seed, "session": 1}
                reports.append({**head, "at": "2026-11-21T10:32:21.206+00:00", **metrics})
            if ended == "solved":
                metrics |= {"steps_to_target": 700, "cpu_seconds_to_target": size * 0.007}
            said = {} if ended == "running" else {**metrics, "ending": ended}
            trials.append(
                {
                    "trial": trial,
                    "configuration": number,
                    "seed_index": seed,
                    "seed": seed,
                    "params": size,
                    "values": {"d_model": size // 10, "n_layers": 1 + number % 2, "lr": rate, "steps": STEPS},
                    "ending": None,
                    "session": 1,
                    "checkpoint": None,
                    **({"error": "RuntimeError: out of memory"} if ended == "failed" else {}),
                    **said,
                }
            )
    return Odd(trials, reports)


def all_ending(ending: str) -> Odd:
    return usual(ending=lambda size, rate, seed: ending)


def without_columns(odd: Odd, *names: str) -> Odd:
    for row in [*odd.trials, *odd.reports]:
        for name in names:
            row.pop(name, None)
    return odd


def with_plan(odd: Odd, **changes: Any) -> Odd:
    odd.plan |= changes
    return odd


def as_a_loss(odd: Odd) -> Odd:
    """Make it a search for a loss, as that of a language model."""
    odd.plan |= {
        "objectives": [
            {"metric": name, "direction": "min"} for name in ("val_loss", "cpu_seconds", "params")
        ],
        "target": {"val_loss": 0.1},
    }
    return without_columns(odd, "exact_match")


def empty() -> Odd:
    return Odd([], [])


def without_rows() -> Odd:
    return Odd([], [], without=("trials.jsonl", "reports.jsonl"))


def only_reports_missing() -> Odd:
    odd = usual()
    return Odd(odd.trials, [], without=("reports.jsonl",))


def half_written() -> Odd:
    odd = usual(ending=lambda size, rate, seed: "running" if size == 1600 else None)
    odd.cut = 40
    return odd


def just_begun() -> Odd:
    """The first row of the first trial, and no report."""
    return Odd(all_ending("running").trials[:1], [])


def one_of(ending: str) -> Callable[[], Odd]:
    return lambda: usual(sizes=(400,), rates=(0.01,), seeds=1, ending=lambda size, rate, seed: ending)


SEARCHES: dict[str, Callable[[], Odd]] = {
    "usual": usual,
    "empty": empty,
    "without rows": without_rows,
    "without reports": only_reports_missing,
    "just begun": just_begun,
    "all running": lambda: all_ending("running"),
    "half running": lambda: usual(ending=lambda size, rate, seed: "running" if seed else None),
    "half written": half_written,
    "one solved trial": one_of("solved"),
    "one failed trial": one_of("failed"),
    "one unlearned trial": one_of("finished"),
    "all failed": lambda: all_ending("failed"),
    "all solved": lambda: all_ending("solved"),
    "none solved": lambda: all_ending("finished"),
    "all diverged": lambda: all_ending("diverged"),
    "all stopped early": lambda: all_ending("stopped early"),
    "all interrupted": lambda: all_ending("interrupted"),
    "no target": lambda: without_columns(
        with_plan(usual(ending=lambda size, rate, seed: "finished"), target=None),
        "steps_to_target",
        "cpu_seconds_to_target",
    ),
    "one configuration with many seeds": lambda: usual(
        sizes=(400,),
        rates=(0.01,),
        seeds=30,
        ending=lambda size, rate, seed: "solved" if seed % 3 else "finished",
    ),
    "all of one size": lambda: usual(
        sizes=(400,), ending=lambda size, rate, seed: "solved" if rate == 0.01 else "finished"
    ),
    "all of one rate": lambda: usual(rates=(0.01,)),
    "one seed each": lambda: usual(seeds=1),
    "without metrics": lambda: without_columns(usual(), "exact_match", "val_loss", "train_loss"),
    "without costs": lambda: without_columns(
        usual(), "cpu_seconds", "wall_seconds", "samples", "steps_to_target", "cpu_seconds_to_target"
    ),
    "only params as objective": lambda: with_plan(
        usual(), objectives=[{"metric": "params", "direction": "min"}]
    ),
    "two costs as objectives": lambda: with_plan(
        usual(),
        objectives=[{"metric": name, "direction": "min"} for name in ("cpu_seconds_to_target", "params")],
    ),
    "a loss": lambda: as_a_loss(usual()),
    "a loss, all failed": lambda: as_a_loss(all_ending("failed")),
    "a loss, all diverged": lambda: as_a_loss(all_ending("diverged")),
    "a loss, none solved": lambda: as_a_loss(all_ending("finished")),
    "a loss, one trial": lambda: as_a_loss(one_of("solved")()),
    "a loss without a target": lambda: with_plan(as_a_loss(all_ending("finished")), target=None),
}

FINDINGS: dict[str, Callable[[SearchRows], Any]] = {
    "cliff": lambda rows: cliff(rows, None),
    "cliff by": lambda rows: cliff(rows, "n_layers"),
    "regimes": lambda rows: regimes(rows, "lr", "params"),
    "times": lambda rows: times(rows, None, None),
    "times by": lambda rows: times(rows, "n_layers", None),
    "effects": effects,
    "confirmation": confirmation,
    "frontier": frontier,
    "frontier against time": lambda rows: frontier(rows, "cpu_seconds"),
    "answer": answer,
}


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], SearchRows]:
    """Searches by their names, each written to a folder once and read once."""
    made: dict[str, SearchRows] = {}

    def search(name: str) -> SearchRows:
        if name not in made:
            folder = tmp_path_factory.mktemp("odd") / name.replace(",", "").replace(" ", "-")
            folder.mkdir()
            write(SEARCHES[name](), folder)
            made[name] = SearchRows(folder)
        return made[name]

    return search


@pytest.fixture(scope="module")
def painted() -> set[str]:
    """What was painted already."""
    return set()


def write(odd: Odd, folder: Path) -> None:
    plan = {
        "name": folder.name,
        "task": "addition",
        "objectives": [
            {"metric": "exact_match", "direction": "max"},
            {"metric": "params", "direction": "min"},
        ],
        "target": {"exact_match": 0.99},
        "fixed": {"steps": STEPS},
        "space": {
            "d_model": {"type": "int", "low": 10, "high": 200},
            "n_layers": {"type": "int", "low": 1, "high": 2},
            "lr": {"type": "float", "low": 0.0001, "high": 1.0, "log": True},
        },
        "search": {"trials": max(1, len(odd.trials)), "seeds": 1},
        **odd.plan,
    }
    usual_metrics = [
        {"name": "train_loss", "direction": "min", "unit": "nats/token", "description": "loss"},
        {"name": "samples", "direction": "min", "unit": "samples", "description": "seen", "is_cost": True},
        {"name": "wall_seconds", "direction": "min", "unit": "s", "description": "elapsed", "is_cost": True},
    ]
    provenance = {"sessions": [{"session": 1, "began": "2026-11-21T10:00:00+00:00", "command": "paretune"}]}
    files = {
        "plan.json": json.dumps(plan),
        "metrics.json": json.dumps([*METRICS, *usual_metrics]),
        "defaults.json": json.dumps({"batch": 64}),
        "provenance.json": json.dumps(provenance),
        "trials.jsonl": "".join(json.dumps(row) + "\n" for row in odd.trials),
        "reports.jsonl": "".join(json.dumps(row) + "\n" for row in odd.reports),
    }
    for name, text in files.items():
        if name not in odd.without:
            text = text[: len(text) - odd.cut] if name.endswith(".jsonl") else text
            (folder / name).write_text(text)


GROUPED = ("usual", "just begun", "half written", "all failed", "all diverged", "all of one size", "a loss")
"""Searches that are also asked for each value of a parameter."""

REPORTED = ("empty", "without rows", "just begun", "half written", "all diverged", "no target", "a loss")
"""Searches of which a report is written: it takes a second."""


def cases() -> Iterator[tuple[str, str]]:
    for name in SEARCHES:
        yield from ((name, finding) for finding in FINDINGS if name in GROUPED or not finding.endswith(" by"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("name", "finding"), list(cases()))
def test_every_finding_says_what_can_be_said(
    searches: Callable[[str], SearchRows], painted: set[str], name: str, finding: str
):
    found = FINDINGS[finding](searches(name))

    assert found.kind
    assert found.title
    assert found.sentences
    for sentence in found.sentences:
        assert sentence.endswith((".", "!", "?")), sentence
        assert sentence[0] == sentence[0].upper() or "=" in sentence.split(":")[0], sentence
        assert not set(re.findall(r"\w+", sentence.lower())) & {"nan", "inf", "<na>"}, sentence
    json.dumps(found.as_json(), allow_nan=False)
    for table in found.tables:
        assert set(table.frame.columns) <= {column.name for column in table.columns}
    for picture in found.pictures:
        if repr(picture) not in painted:  # many are alike, and painting takes longer than all else
            painted.add(repr(picture))
            figure = Figure()
            paint(figure.subplots(), picture)
            figure.draw_without_rendering()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SEARCHES)
def test_every_configuration_has_its_rank(searches: Callable[[str], SearchRows], name: str):
    rows = searches(name)
    assert len(ranking(rows)) == rows.trials["configuration"].nunique()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", REPORTED)
def test_a_report_is_written(searches: Callable[[str], SearchRows], tmp_path: Path, name: str):
    rows = searches(name)

    written = write_report(rows, tmp_path / "report.html")

    assert [path.name for path in written] == ["report.html", "report.md"]
    for path in written:
        text = path.read_text()
        assert answer(rows).sentences[0].split(".")[0][:30] in text
        assert ">nan<" not in text.lower()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("all solved", "solved"),
        ("none solved", "not learned"),
        ("all diverged", "diverged"),
        ("all running", "unknown"),
        ("all stopped early", "unknown"),
        ("all interrupted", "unknown"),
    ],
)
def test_the_answer_counts_what_came_of_the_trials(
    searches: Callable[[str], SearchRows], name: str, words: str
):
    tried = answer(searches(name)).tried
    assert tried.startswith(f"24 trials of 12 configurations with 200 to 1,600 parameters: 24 {words}"), tried
