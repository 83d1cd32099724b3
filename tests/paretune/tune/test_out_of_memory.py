"""Trials that have too little memory: the sampler hears why they failed, and so do readers of the rows."""

from __future__ import annotations

import pytest
from helpers.plans import bound

from analysis.files.layout import TrialEnding
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue, outcome_of
from paretune.tune.searcher import QueueSearcher


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


def test_rows_say_it_too():
    """So that whoever reads them, such as the dashboard, tells the same."""
    row = {"step": 3, "error": "torch.OutOfMemoryError: CUDA out of memory."}
    assert outcome_of(TrialEnding.FAILED, row, set()).out_of_memory
    assert not outcome_of(TrialEnding.FINISHED, row, set()).out_of_memory
    assert not outcome_of(TrialEnding.FAILED, {"error": None}, set()).out_of_memory
