"""Every script of benchmarks/ and examples/ runs, at its smallest size, and says what it is for it to say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.commands import run_cli, run_script

ROOT = Path(__file__).resolve().parents[2]

TINY = """
name: tiny
task: addition
objectives: [{metric: exact_match, direction: max}, {metric: params, direction: min}]
target: {exact_match: 0.99}
target_hold: 1
fixed: {digits: 1, batch: 64, eval_every: 100, lr: 0.02, steps: 300, d_ff: 16}
only: [{d_model: 8}]
search: {concurrency: 1}
"""

SMALL_GPT2 = (
    *("vocabulary=256", "n_layers=4", "d_model=16", "n_heads=2", "d_ff=16", "context=16", "batch=2"),
    *("without_attention=[]", "without_mlp=[]", "window=[8, 8]", "micro_batch=null"),
)
"""The published model's fields at their smallest, for texts in bytes."""


def text_in(folder: Path) -> Path:
    path = folder / "text.txt"
    path.write_text("To be, or not to be, that is the question:\n" * 400)
    return path


def of_adder_step(folder: Path) -> list[str]:
    return ["--models", "777", "--batches", "8", "--rounds", "1", "--seconds", "0.01", "--without-compile"]


def of_chaos(folder: Path) -> list[str]:
    one = ["--seed", "26", "--searches", "1", "--only", "plain", "--kills", "driver", "--most-kills", "1"]
    return [
        *one,
        "--trials",
        "2",
        "--at-a-time",
        "1",
        "--without-reference",
        "--output",
        str(folder / "drill.json"),
    ]


def of_char_lm(folder: Path) -> list[str]:
    short = ("--seeds", "1", "--steps", "20", "--baseline-steps", "25", "--val-tokens", "512")
    return ["--text", str(text_in(folder)), *short]


def of_coverage(folder: Path) -> list[str]:
    return ["--simulations", "1", "--finding", "comparison"]


def of_deadline(folder: Path) -> list[str]:
    (folder / "tiny.yaml").write_text(TINY)
    return ["--space", str(folder / "tiny.yaml"), "--within", "1s", "--times", "1"]  # refused


def of_equal_loss(folder: Path) -> list[str]:
    modern = ("n_layers=4", "norm=rms", "steps=500")
    return [str(ROOT / "results/published/gpt2-laptop"), "--where", *modern, "--loss", "2.6"]


def of_gpt2_gpu(folder: Path) -> list[str]:
    made = run_cli("data", "text", text_in(folder), "--tokenizer", "bytes", "--folder", folder / "data")
    assert made.code == 0, made.err
    short = ("--steps", "2", "--every", "1", "--val-tokens", "64", "--attention", "sdpa")
    return ["--data", str(folder / "data"), *short, *(f"--set={field}" for field in SMALL_GPT2)]


def of_gpt2_step(folder: Path) -> list[str]:
    return ["--threads", "1", "--rounds", "1", "--steps", "1", "--variants", "plain", "winner"]


def of_gpu_packing(folder: Path) -> list[str]:
    (folder / "tiny.yaml").write_text(TINY)
    return ["--space", str(folder / "tiny.yaml"), "--fake", "1", "--most", "1", "--seconds", "0.05"]


def of_learning(folder: Path) -> list[str]:
    return ["--searches", "1", "--configurations", "4", "--learned", "3"]


def of_learned_stopping(folder: Path) -> list[str]:
    named = ("under-777", "speedrun-3digit")
    return ["--orders", "1", "--folders", *(str(ROOT / "results/published" / name) for name in named)]


def of_learning_curves(folder: Path) -> list[str]:
    return ["--library", str(folder / "library"), "--add", str(ROOT / "results/published/quickstart")]


def of_overhead(folder: Path) -> list[str]:
    return ["--trials", "2", "--seconds", "0.05", "--variants", "paretune", "reuse"]


def of_pages(folder: Path) -> list[str]:
    return ["--help"]  # tests/pages/test_pages.py compares every block


def of_pausing(folder: Path) -> list[str]:
    few = ["--seeds", "0", "--trials", "2", "--budget", "100"]
    return [str(ROOT / "benchmarks/pausing.yaml"), "--results", str(folder / "results"), *few]


def of_question_cliff(folder: Path) -> list[str]:
    return ["--searches", "1", "--within", "0.5", "--processes", "1"]


def of_question_effects(folder: Path) -> list[str]:
    return ["--searches", "1", "--within", "0.5"]


def of_question_regimes(folder: Path) -> list[str]:
    return ["--searches", "1", "--only", "steep", "--processes", "1"]


def of_question_time(folder: Path) -> list[str]:
    return ["--searches", "1", "--trials", "30"]


def of_racing(folder: Path) -> list[str]:
    return ["--searches", "1", "--tests", "100", "--trials", "12", "--sampler", "random"]


def of_sampler_truths(folder: Path) -> list[str]:
    short = ("--searches", "1", "--slow-searches", "1", "--configurations", "6", "--truths", "cliff")
    return [*short, "--samplers", "random", "two objectives", "constrained", "default"]


def of_sampler(folder: Path) -> list[str]:
    return ["--told", "20", "--proposals", "1", "--searches", "2", "--trials", "30", "--most-others", "10"]


def of_scale(folder: Path) -> list[str]:
    return ["search", "--trials", "6", "--every", "3"]  # of answers: tests/analysis/test_rows_at_scale.py


def of_scaling(folder: Path) -> list[str]:
    return ["simulate", "--machines", "3", "--hours", "0.1"]  # its searches are those of scale.py


def of_start_up(folder: Path) -> list[str]:
    return ["--starts", "1"]


def of_time_to_777(folder: Path) -> list[str]:
    (folder / "tiny.yaml").write_text(TINY)
    return ["--space", str(folder / "tiny.yaml"), "--seeds", "0"]


def of_published(folder: Path) -> list[str]:
    page = folder / "page.md"
    page.write_text((ROOT / "docs" / "experiments.md").read_text())
    return ["--write", "--page", str(page), "--figure", str(folder / "images" / "atlas.png")]


def of_quickstart(folder: Path) -> list[str]:
    return ["--trials", "2", "--budget", "100", "--results", str(folder / "results")]


SMALLEST: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "benchmarks/adder_step.py": (of_adder_step, "777"),
    "benchmarks/chaos.py": (of_chaos, "2 trials: 0 wrong, 0 missing, 0 double"),
    "benchmarks/char_lm.py": (of_char_lm, "baseline"),
    "benchmarks/coverage.py": (of_coverage, "comparison"),
    "benchmarks/deadline.py": (of_deadline, "not even one configuration"),
    "benchmarks/equal_loss.py": (of_equal_loss, "| muon | 500 | 1 |"),
    "benchmarks/gpt2_gpu.py": (of_gpt2_gpu, "| sdpa |"),
    "benchmarks/gpt2_step.py": (of_gpt2_step, "winner"),
    "benchmarks/gpu_packing.py": (of_gpu_packing, "chosen: each trial has a GPU of its own"),
    "benchmarks/learned_stopping.py": (
        of_learned_stopping,
        "| learned: rank of loss, size, by folds inside |",
    ),
    "benchmarks/learning.py": (of_learning, "| one that misleads |"),
    "benchmarks/learning_curves.py": (of_learning_curves, "48 whole curves"),
    "benchmarks/overhead.py": (of_overhead, "| reuse |"),
    "benchmarks/pages.py": (of_pages, "--write"),
    "benchmarks/pausing.py": (of_pausing, "| 0 | pause |"),
    "benchmarks/published.py": (of_published, "| all |"),
    "benchmarks/question_cliff.py": (of_question_cliff, "family's cliff"),
    "benchmarks/question_effects.py": (of_question_effects, "| all near one half |"),
    "benchmarks/question_regimes.py": (of_question_regimes, "| steep edges |"),
    "benchmarks/question_time.py": (of_question_time, "| 30 |"),
    "benchmarks/racing.py": (of_racing, "| configurations differ | 2 to 16, racing |"),
    "benchmarks/sampler.py": (of_sampler, "the last fifth, mean"),
    "benchmarks/sampler_truths.py": (of_sampler_truths, "| one objective, left out |"),
    "benchmarks/scale.py": (of_scale, "6 of 6 trials ended"),
    "benchmarks/scaling.py": (of_scaling, "3 machines: driver"),
    "benchmarks/start_up.py": (of_start_up, "processor time of all processes"),
    "benchmarks/time_to_777.py": (of_time_to_777, "searches confirmed one"),
    "examples/quickstart.py": (of_quickstart, "figure: "),
}
"""For each script the arguments of its smallest size, and words that it prints at its end."""


def scripts() -> set[str]:
    """Return what can be run in the two folders; the other files are modules of these."""
    return {
        str(path.relative_to(ROOT))
        for folder in ("benchmarks", "examples")
        for path in (ROOT / folder).glob("*.py")
        if "add_argument(" in (text := path.read_text(encoding="utf-8")) or "__main__" in text
    }


def test_every_script_has_a_smallest_size() -> None:
    assert scripts() == set(SMALLEST)


@pytest.mark.parametrize("script", SMALLEST)
def test_a_script_runs_at_its_smallest_size(script: str, tmp_path: Path) -> None:
    arguments, words = SMALLEST[script]
    done = run_script(ROOT / script, *arguments(tmp_path))
    assert done.code == 0, done.out + done.err
    assert words in done.out
