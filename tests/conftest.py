"""What several tests share: the command line as a real process, and one real search of every ending."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from helpers.commands import Finished, Search, run_cli
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
# Processes that tests start find the helpers too, and the rooms before folders of tests of the same names.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH")])
)
# How long an example takes depends on what else runs.
settings.register_profile("paretune", deadline=None)
settings.load_profile("paretune")
# Kernels of tests stay out of their user's cache, and are there again for the next run.
os.environ["PARETUNE_CACHE"] = str(ROOT / ".pytest_cache" / "kernels")


# One configuration for every way in which a trial can end, in this order.
EVERY_ENDING = """
name: every-ending
task: addition
objectives:
  - {metric: exact_match, direction: max}
  - {metric: params, direction: min}
target: {exact_match: 0.99}
fixed: {digits: 3, n_heads: 4, final_norm: false, eval_every: 100}
only:
  # Learns: seen in 10 of 10 seeds.
  - {d_model: 24, d_ff: 64, lr: 0.01, batch: 128, steps: 2000}
  # Too short to learn anything.
  - {d_model: 16, d_ff: 16, lr: 0.02, batch: 128, steps: 200}
  # Far too slow, and worse than the first at the rung.
  - {d_model: 4, d_ff: 8, lr: 1.0e-6, batch: 128, steps: 2000}
  # Loses its footing at once.
  - {d_model: 8, d_ff: 8, lr: 1.0e+30, batch: 128, steps: 300}
  # Asks for terabytes of training problems.
  - {d_model: 8, d_ff: 16, lr: 0.02, batch: 1000000000000, steps: 300}
search: {concurrency: 1}
early_stopping:
  {metric: token_accuracy, direction: max, grace_period: 300, reduction_factor: 2, max_steps: 400}
"""


@pytest.fixture(scope="session")
def every_ending(tmp_path_factory: pytest.TempPathFactory) -> Search:
    """A search whose trials were solved, finished, stopped early, diverged, and failed.

    It runs once for all processes of the tests: who writes into its folder makes a copy.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "every-ending"
    finished = folder / "finished.json"
    results = folder / "results"
    with FileLock(f"{folder}.lock"):
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            space = folder / "space.yaml"
            space.write_text(EVERY_ENDING)
            finished.write_text(json.dumps(asdict(run_cli("search", space, "--results", results))))
    return Search("every-ending", results, Finished(**json.loads(finished.read_text())))


@pytest.fixture(autouse=True)
def one_thread():
    """Models of these tests are too small for two threads, and one gives the same sums everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_token_of_another_test():
    """Joining a cluster that asks for a token sets this for the process; the next test's Ray has another."""
    before = os.environ.get("RAY_AUTH_MODE")
    yield
    os.environ.pop("RAY_AUTH_MODE", None)
    if before is not None:
        os.environ["RAY_AUTH_MODE"] = before


LONGEST = (
    "test_drill.py",
    *("test_search.py", "test_examples.py", "test_endings.py", "test_native_gradients.py", "test_answers.py"),
    *("test_search_costs.py", "test_native_sanitized.py", "test_confirm.py", "test_task.py"),
    *("test_scripts_run.py", "test_retraining.py", "test_cluster.py", "test_execution.py"),
    *("test_warnings.py", "test_pausing.py", "test_lost_nodes.py", "test_slurm.py"),
)
"""Files that take longest, as measured: they begin first, so that none is waited for alone at the end."""

SLOW = (
    "test_drill_check.py",
    *("test_odd_searches.py", "test_rows_at_scale.py", "test_coverage_runs.py", "test_pages.py"),
    *("test_scripts_run.py", "test_retraining.py", "test_gpt2_training.py", "test_gpt2_optimizers.py"),
    *("test_addition_evaluation.py", "test_execution.py", "test_recipes.py", "test_task.py", "test_tasks.py"),
    *("test_cliff.py", "test_regimes.py", "test_effects.py", "test_times.py", "test_task_contract.py"),
    *("test_adderboard.py", "test_published_space_files.py", "test_space_files.py", "test_cost_frontiers.py"),
    *("test_gpt2_masks.py", "test_comparison.py", "test_published_results.py", "test_data_command.py"),
    *("test_generation.py", "test_finishing.py", "test_space_file_edges.py", "test_addition_formats.py"),
    *("test_gpt2_model.py", "test_text_dataset.py", "test_stopping_contract.py", "test_stopped.py"),
    *("test_replays.py", "test_rules_chosen.py", "test_curve_library.py", "test_misleading_rungs.py"),
    *("test_fuzzed_searches.py", "test_fuzzed_inputs.py", "test_texts_of_strangers.py"),
)
"""Files that take more than some four seconds of a processor without Ray or a compiler, as measured."""

STARTS_RAY = re.compile(
    r"""every_ending|["']search["'], (space|folder|tmp_path|"space|"--resume)|ray_cluster|newcomers_folder"""
)
COMPILES = re.compile(r"needs_compiler|g\+\+|nothing_compiled")
LOOKS_OUTSIDE = re.compile(r"playwright|Gpt2Tokenizer\(download=True\)")
"""What a file of tests says if it starts Ray, compiles, or needs a browser or a network."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, mark what a file needs, and skip ``gpu`` where torch finds none."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
    needs = {path: _needs_of(path) for path in {item.path for item in items}}
    for item in items:
        for name in needs[item.path]:
            item.add_marker(name)
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def _needs_of(path: Path) -> set[str]:
    source = path.read_text(encoding="utf-8")
    kinds = {"ray": STARTS_RAY, "compiler": COMPILES, "network": LOOKS_OUTSIDE}
    found = {name for name, pattern in kinds.items() if pattern.search(source)}
    return found | ({"slow"} if path.name in SLOW else set())
