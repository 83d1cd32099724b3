"""What workers warn of reaches the rows and the terminal of a search."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from helpers.commands import run_cli

from analysis.files.lines import read_lines
from analysis.rows import SearchRows
from paretune.tune.worker.warned import collected_warnings

SPACE = """
name: warned
task: addition
objectives:
  - {metric: exact_match, direction: max}
fixed: {digits: 1, steps: 4, eval_every: 2, batch: 8, val_problems: 4, compile: "on", engine: torch}
space:
  d_model: {type: choice, values: [4, 8]}
search: {trials: 2, concurrency: 1, seeds: 1}
"""


def test_warning_of_a_worker_is_in_its_row_and_on_the_terminal_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a compiler, torch.compile fails, and training is done without it."""
    (tmp_path / "warned.yaml").write_text(SPACE)
    monkeypatch.setenv("CXX", str(tmp_path / "no-compiler"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "inductor"))
    done = run_cli("search", tmp_path / "warned.yaml", "--results", tmp_path)
    assert done.code == 0, done.out + done.err
    trials = SearchRows(tmp_path / "warned").trials
    assert len(trials) == 2
    for warnings in trials["warnings"]:
        (text,) = warnings
        assert text.startswith("torch.compile failed and is not used: ")
    assert done.out.count("torch.compile failed and is not used") == 1
    assert all("warnings" not in row for row in read_lines(tmp_path / "warned" / "reports.jsonl"))


def test_each_text_is_collected_once_and_only_within_the_block() -> None:
    log = logging.getLogger("trainables.somewhere")
    with collected_warnings("trainables", "trainables.somewhere", "mine.task") as warnings:
        log.warning("the shared prefix %s\nis not saved", "x")
        log.info("nothing")
        logging.getLogger("elsewhere").warning("of another")
        assert warnings.take() == ["the shared prefix x is not saved"]
        log.warning("the shared prefix x is not saved")
        logging.getLogger("mine.task.inner").warning("mine")
        assert warnings.take() == ["mine"]
        for number in range(100):
            log.warning("number %d %s", number, "x" * 2000)
        taken = warnings.take()
    log.warning("after")
    assert warnings.take() == []
    assert len(taken) == 18
    assert all(len(text) == 1000 for text in taken)
