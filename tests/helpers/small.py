"""A folder as a newcomer has it, with a space file in place of the quickstart that is searched in seconds."""

from __future__ import annotations

from pathlib import Path

QUICKSTART = """
name: quickstart
task: addition
objectives: [{metric: exact_match, direction: max}, {metric: params, direction: min}]
target: {exact_match: 0.99}
fixed: {digits: 2, batch: 32, steps: 80, eval_every: 20, final_norm: false}
space:
  d_model: {type: int, low: 4, high: 16, step: 4}
  n_heads: {type: choice, values: [1, 2]}
  d_ff: {type: int, low: 8, high: 16, step: 8}
  lr: {type: float, low: 0.005, high: 0.03, log: true}
try_first: [{d_model: 4}, {d_model: 16}]
search: {trials: 6, sampler: random, concurrency: 1}
"""


def newcomers_folder(path: Path) -> Path:
    """Put the space file where the examples look for it, and return the folder."""
    (path / "search_spaces").mkdir()
    (path / "search_spaces" / "quickstart.yaml").write_text(QUICKSTART)
    return path
