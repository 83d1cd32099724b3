"""Final losses beside a target: the test by hand, the sentence, the row, and a real retraining."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.commands import Search, run_cli
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from analysis.statistics.intervals import mean_against
from paretune.confirm import leaderboard
from paretune.confirm.report import write_report
from paretune.confirm.retraining import Chosen, SeedRun
from paretune.plan.binding import BoundPlan, bind
from search_spaces.plan import Plan
from trainables.contract import Ending, Evaluation, Report, Table

SPACE = """
name: tiny-text
task: gpt2
objectives: [{metric: val_loss, direction: min}, {metric: params, direction: min}]
target: {val_loss: 9.0}
target_hold: 1
stop_at_target: false
fixed:
  {d_model: 16, n_heads: 2, n_layers: 1, d_ff: 32, context: 16, batch: 2, steps: 4, eval_every: 2,
   val_tokens: 256}
only: [{lr: 0.01}]
"""


def plan_of(metric: str = "val_loss", target: float | None = 3.28) -> BoundPlan:
    direction = "max" if metric == "exact_match" else "min"
    task = "addition" if metric == "exact_match" else "gpt2"
    content: dict[str, Any] = {
        "name": "x",
        "task": task,
        "objectives": [{"metric": metric, "direction": direction}],
        "only": [{"lr": 0.01}],
    }
    return bind(Plan.model_validate(content | ({} if target is None else {"target": {metric: target}})))


def run_of(loss: float | None, ending: Ending = "finished", **more: float) -> SeedRun:
    spent = {"wall_seconds": 10.0, "cpu_seconds": 8.0, "tokens": 4000, "peak_memory": 512.0}
    measured = {} if loss is None else {"val_loss": loss}
    last = {"step": 40, **spent, **measured, **more}
    return SeedRun(seed=1, ending=ending, reports=[{**last, "step": 20, "val_loss": 9.0}, last])


def content_of(runs: list[SeedRun]) -> dict[str, Any]:
    return leaderboard.as_json(plan_of(), runs)


# The test


def test_the_test_of_a_mean_is_students_by_hand() -> None:
    values, target = [3.27, 3.28, 3.26, 3.275], 3.28
    found = mean_against(values, target, "min")
    mean = sum(values) / 4
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / 3 / 4)
    assert found.runs == 4
    assert found.mean == pytest.approx(mean)
    assert found.standard_error == pytest.approx(error)
    assert found.p_value == pytest.approx(float(student.cdf((mean - target) / error, df=3)))
    assert found.p_value is not None
    assert found.p_value == pytest.approx(0.06642, abs=1e-5)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=12), st.integers(-1000, 1000))
def test_the_other_direction_is_the_other_tail(values: list[int], target: int) -> None:
    least, most = (mean_against(values, target, direction) for direction in ("min", "max"))
    assert (least.mean, least.standard_error) == (most.mean, most.standard_error)
    if least.p_value is None or most.p_value is None:
        assert len({*values}) == 1
        assert least.p_value is most.p_value is None
        assert least.standard_error == 0
    else:
        assert least.p_value + most.p_value == pytest.approx(1)
        assert (least.p_value < 0.5) == (least.mean < target)


def test_one_run_has_a_mean_and_no_error() -> None:
    found = mean_against([3.2], 3.28, "min")
    assert (found.runs, found.mean, found.standard_error, found.p_value) == (1, 3.2, None, None)


def test_equal_runs_have_no_error_and_no_p_value() -> None:
    found = mean_against([0.1] * 3, 3.28, "min")
    assert (found.mean, found.standard_error, found.p_value) == (pytest.approx(0.1), 0.0, None)


# What is said


def test_the_sentence_has_mean_error_target_and_p_value() -> None:
    content = content_of([run_of(3.27), run_of(3.25), run_of(3.26)])
    said = leaderboard.sentence(content)
    p_value = content["final"]["p_value"]
    assert p_value == pytest.approx(mean_against([3.27, 3.25, 3.26], 3.28, "min").p_value)
    assert said == (
        "Final val loss 3.2600 +- 0.0058 (standard error), mean of 3 seeds; target 3.28, "
        f"p = {p_value:.2g} (one-sided t test against a true mean at the target)."
    )


def test_a_mean_that_misses_the_target_reads_as_what_was_tested() -> None:
    """A p-value is of runs at the target: it is no chance that the mean is on either side of it."""
    content = content_of([run_of(3.30), run_of(3.31), run_of(3.29)])
    assert content["final"]["p_value"] > 0.9
    said = leaderboard.sentence(content)
    assert said is not None
    assert "mean of 3 seeds; target 3.28, p = 0.96 (one-sided t test against a true mean" in said
    assert "below" not in said


def test_one_seed_says_what_it_lacks() -> None:
    said = leaderboard.sentence(content_of([run_of(3.27)]))
    assert said == (
        "Final val loss 3.2700, mean of 1 seed; target 3.28; one seed has no standard "
        "error: train two or more."
    )


def test_diverged_seeds_are_told_and_not_averaged() -> None:
    content = content_of([run_of(3.2), run_of(None, "diverged"), run_of(3.4)])
    assert (content["final"]["runs"], content["final"]["diverged"]) == (2, 1)
    assert content["final"]["mean"] == pytest.approx(3.3)
    said = leaderboard.sentence(content)
    assert said is not None
    assert said.endswith("at the target). 1 seed diverged and is not in the mean.")
    more = content_of([run_of(3.2), run_of(None, "diverged"), run_of(None, "diverged")])
    assert "2 seeds diverged and are not in the mean." in str(leaderboard.sentence(more))


@pytest.mark.parametrize(
    ("bound", "runs"),
    [
        (plan_of(target=None), [run_of(3.2)]),
        (plan_of("exact_match", 0.99), [run_of(3.2, exact_match=1.0)]),
        (plan_of(), [run_of(None, "diverged")]),
        (plan_of(), [SeedRun(seed=1, ending="diverged")]),
    ],
    ids=["no target", "a share", "all diverged", "no reports"],
)
def test_where_there_is_nothing_to_test_nothing_is_said(bound: BoundPlan, runs: list[SeedRun]) -> None:
    assert leaderboard.final_test(bound, runs) is None
    assert leaderboard.as_json(bound, runs) == {}
    assert leaderboard.sentence({}) is None


def test_the_row_has_means_of_what_was_spent_and_the_most_memory() -> None:
    runs = [run_of(3.2, wall_seconds=60.0), run_of(3.4, wall_seconds=180.0, peak_memory=2048.0)]
    content = content_of(runs) | {
        "gpu": None,
        "hardware": {"cpu": "A Processor", "gpus": ["G", "H"]},
        "command": "paretune retrain x",
    }
    assert content["leaderboard"]["tokens_per_second"] == pytest.approx((4000 / 60 + 4000 / 180) / 2)
    table = leaderboard.table(content, 123456)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row == {
        "hardware": "A Processor",
        "memory": "2.00 GiB",
        "time from step 0 to the final validation": "2 min 00 s",
        "processor time": "8.0 s",
        "tokens": "4,000",
        "val loss": "3.3000 +- 0.1000",
        "step": "40",
        "parameters": "123,456",
        "command": "`paretune retrain x`",
    }
    on_a_gpu = leaderboard.table(content | {"gpu": "H"}, 1)
    assert on_a_gpu.rows[0][0] == "H", "the one that trained, not all of the machine's"


def test_memory_that_is_not_known_is_said_to_be_so() -> None:
    run = run_of(3.2)
    del run.reports[-1]["peak_memory"]
    content = content_of([run]) | {"gpu": None, "hardware": {"cpu": "A"}, "command": "c"}
    assert leaderboard.table(content, 1).rows[0][1] == "unknown"


def test_the_report_names_the_gpu_that_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = torch.device("cuda", 1)
    names = {second: "The Second"}
    monkeypatch.setattr(torch.cuda, "get_device_name", names.__getitem__)
    chosen = Chosen(number=0, values={"lr": 0.01}, why="it was asked for")
    content = write_report(tmp_path, "x", plan_of(), chosen, [run_of(3.2), run_of(3.4)], second)
    assert (content["device"], content["gpu"]) == ("cuda:1", "The Second")
    report = (tmp_path / "report.md").read_text()
    assert "\n| The Second | 0.50 GiB |" in report
    assert "; trained on The Second\n" in report


def test_the_report_holds_a_test_evaluation_letter_by_letter(tmp_path: Path) -> None:
    """Whatever a task calls its problems means nothing to Markdown, and no cell ends a row of a table."""
    run = run_of(3.2)
    run.best = Report(step=40, metrics={"val_loss": 3.2, "bits_per_byte": 1.1})
    carries = Table(title="By <carry>", columns=("carries", "share"), rows=[("a|b", 0.5), ("*c*", 0.75)])
    run.evaluation = Evaluation(
        metric="exact_match",
        problems=100,
        successes=90,
        called="pairs",
        drawn_from="all <pairs>",
        tables=(carries, Table(title="Errors", columns=("problem",), rows=[])),
    )
    chosen = Chosen(number=0, values={"lr": 0.01}, why="it was asked for")
    write_report(tmp_path, "x", plan_of(target=None), chosen, [run], torch.device("cpu"))
    report = (tmp_path / "report.md").read_text()
    assert "full budget of 500 steps on 1 fresh seed.\n" in report
    assert (
        "Test evaluation of the checkpoint that is best by validation (seed 1): **exact match 90.00 %"
        in report
    )
    assert "drawn uniformly from all &lt;pairs&gt;. No trial" in report
    table = "| carries | share |\n| --- | ---: |\n| a\\|b | 0.50000 |\n| \\*c\\* | 0.75000 |\n"
    assert f"\n## By &lt;carry&gt;\n\n{table}\n## Errors\n\nNone.\n\n## Parameters" in report
    assert report.endswith("`\n")
    assert "\n\n\n" not in report


# A real retraining


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    """A search of one trial on text, which any model solves."""
    folder = tmp_path_factory.mktemp("leaderboard")
    (folder / "space.yaml").write_text(SPACE)
    results = folder / "results"
    done = run_cli("search", folder / "space.yaml", "--results", results)
    assert done.code == 0, done.err + done.out
    return Search("tiny-text", results, done)


def test_retraining_states_the_final_loss_and_a_leaderboards_row(search: Search) -> None:
    done = search.cli("retrain", "--seeds", "2", "--problems", "5", "--device", "cpu")
    assert done.code == 0, done.err
    place = search.folder / "retrain" / "c000"
    content = json.loads((place / "report.json").read_text())
    final, row = content["final"], content["leaderboard"]
    assert (content["device"], content["gpu"]) == ("cpu", None)
    assert (final["metric"], final["target"], final["runs"], final["diverged"]) == ("val_loss", 9.0, 2, 0)
    assert 4 < final["mean"] < 7
    assert final["standard_error"] > 0
    assert 0 < final["p_value"] < 0.5
    assert (row["step"], row["tokens"]) == (4, 4 * 2 * 16)
    assert 0 < row["cpu_seconds"] < 60
    # The same rows as those of `paretune confirm`, with the checkpoint that retrain keeps.
    lines = (search.folder / "confirmations.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["seed"] for row in rows] == [500, 501]
    assert sum(row["val_loss"] for row in rows) / 2 == pytest.approx(final["mean"])
    assert [row["checkpoint"] for row in rows] == [f"retrain/c000/seed-{n}/checkpoint.pt" for n in range(2)]
    assert {row["test_metric"] for row in rows} == {"val_loss"}
    assert all((search.folder / row["checkpoint"]).exists() for row in rows)
    report = (place / "report.md").read_text()
    loss = f"{final['mean']:.4f} +- {final['standard_error']:.4f}"
    said = f"Final val loss {loss} (standard error), mean of 2 seeds"
    assert said in report
    assert said in " ".join(done.out.split())
    assert f"p = {final['p_value']:.2g} (one-sided t test against a true mean at the target)" in report
    table = report.split("## Leaderboard row")[1].split("## ")[0]
    assert "| hardware | memory | time from step 0 to the final validation | processor time |" in table
    assert f"| 128 | {loss} | 4 | {content['params']:,} |" in table


def test_what_learns_on_a_gpu_only_is_neither_retrained_nor_resumed_without_one(
    search: Search, tmp_path: Path
) -> None:
    """Of a search on a GPU, whose results were brought to a machine without one."""
    shutil.copytree(search.folder, tmp_path / "tiny-text")
    for path, key in (("plan.json", '"fixed": {'), ("trials.jsonl", '"values": {')):
        file = tmp_path / "tiny-text" / path
        file.write_text(file.read_text().replace(key, f'{key}"attention": "flex", '))
    before = sorted(tmp_path.rglob("*"))
    flex = "attention: flex trains on a GPU only, auto and sdpa everywhere"
    done = run_cli("retrain", "tiny-text", "--results", tmp_path, "--device", "cpu")
    assert done.code == 2
    assert f"configuration 0 cannot be trained on a processor ({flex})" in done.err
    done = run_cli("search", "--resume", "tiny-text", "--results", tmp_path, "--gpu", "0")
    assert done.code == 2
    assert f"fixed.attention: got 'flex', but trials get no GPU ({flex})" in done.err
    assert sorted(tmp_path.rglob("*")) == before
