"""Trials that have too little memory: the sampler hears why they failed, and so do readers of the rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.commands import run_cli
from helpers.own_tasks import copy_of_example
from helpers.plans import bound

import paretune
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue
from paretune.tune.searcher import QueueSearcher

STRINGS = "        strings, odd = batch\n"

WIDE = f"""{STRINGS}        if self.config.width > 6:
            raise MemoryError("too wide")
        if self.config.width > 4:
            raise RuntimeError("something else")
"""


@pytest.mark.parametrize(
    ("error", "expected"),
    [("MemoryError: too wide", True), ("ValueError: no", False), (None, False)],
)
def test_the_queue_hears_what_the_error_of_a_failed_trial_says(
    error: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
):
    queue = TrialQueue(bound(search={"trials": 4}))
    heard: list[SeedOutcome] = []
    monkeypatch.setattr(queue, "ended", lambda label, outcome: heard.append(outcome))
    searcher = QueueSearcher(queue, 2, set(), lambda spec: {}, error_of=lambda label: error)
    assert searcher.suggest("first") == {}
    searcher.on_trial_complete("first", error=True)
    (outcome,) = heard
    assert (outcome.ending, outcome.out_of_memory) == ("failed", expected)


def test_a_real_search_goes_on_and_its_rows_say_what_was_infeasible(tmp_path: Path):
    space = copy_of_example(tmp_path)
    code = space.parent / "parity.py"
    code.write_text(code.read_text().replace(STRINGS, WIDE, 1))
    text = space.read_text()
    beginning = text[: text.index("search:")]
    space.write_text(f"""{beginning}
search: {{trials: 3, concurrency: 1}}
fixed: {{bits: 12, steps: 20, batch: 8, eval_every: 10}}
space: {{width: {{type: choice, values: [3, 5, 8]}}}}
try_first: [{{width: 8}}, {{width: 5}}, {{width: 3}}]
""")
    done = run_cli("search", space, "--results", tmp_path, "--allow-task-code")
    assert done.code == 1, done.out + done.err
    study = paretune.open(tmp_path / "parity").study(allow_task_code=True)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert study.trials[0].user_attrs["reason"] == "out of memory"
    assert study.trials[0].constraints["feasible"] > 0.5
