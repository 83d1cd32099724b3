"""What several tests share: the command line as a real process, and one real search of every ending."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from helpers.commands import Search, run_cli

ROOT = Path(__file__).resolve().parent.parent
# Processes that tests start find the helpers too, and the rooms before folders of tests of the same names.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH")])
)
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
    """A search whose trials were solved, finished, stopped early, diverged, and failed."""
    folder = tmp_path_factory.mktemp("every-ending")
    space = folder / "space.yaml"
    space.write_text(EVERY_ENDING)
    results = folder / "results"
    return Search("every-ending", results, run_cli("search", space, "--results", results))


@pytest.fixture(autouse=True)
def one_thread():
    """Models of these tests are too small for two threads, and one gives the same sums everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


LONGEST = ("test_native_gradients.py", "test_search.py", "test_answers.py", "test_gpt2_training.py")
"""Files that take longest: they begin first, so that no process waits for them alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, and skip tests marked ``gpu`` where torch finds none."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
