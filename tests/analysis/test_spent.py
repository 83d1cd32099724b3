"""What a search has spent, against the lines of its files and against rows made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.commands import run_cli
from truths import search_of

import paretune
from analysis.rows import SearchRows
from analysis.spent import hours, spent

PUBLISHED = Path(__file__).parents[2] / "results" / "published"


def lines(path: Path, key: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the last line of each key of a file of rows."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return list({tuple(row[name] for name in key): row for row in rows}.values())


def by_hand(**of_each: list[Any]) -> SearchRows:
    many = len(next(iter(of_each.values())))
    same = {"params": 100, "values": {"d_model": 1}, "ending": "finished"}
    return search_of(
        [
            {
                "configuration": 0,
                "seed_index": seed,
                **same,
                **{name: column[seed] for name, column in of_each.items()},
            }
            for seed in range(many)
        ]
    )


def test_trials_and_fresh_seeds_are_summed_as_their_files_have_them():
    found = spent(SearchRows(PUBLISHED / "under-777"))
    trials = lines(PUBLISHED / "under-777" / "trials.jsonl", ("trial",))
    fresh = lines(PUBLISHED / "under-777" / "confirmations.jsonl", ("configuration", "seed"))
    assert found.trials == pytest.approx(sum(row["cpu_seconds"] for row in trials))
    # The third was confirmed before there was such a file; the reports of its seeds tell what they took.
    part = spent(SearchRows(PUBLISHED / "under-777").of_configurations({2, 11}))
    assert part.fresh == pytest.approx(sum(row["cpu_seconds"] for row in fresh))
    assert part.fresh < (found.fresh or 0)
    assert found.processor == pytest.approx((found.trials or 0) + (found.fresh or 0))
    assert (found.of_trials, found.of_fresh, found.unreported, found.gpu) == (24, 30, 0, 0.0)
    # One session, from 11:48:42 to 11:50:41.
    assert found.elapsed == 119


def test_a_trial_that_reported_nothing_is_said_to_be_missing():
    found = spent(SearchRows(PUBLISHED / "attention-heads"))
    assert (found.of_trials, found.unreported) == (7, 1)
    assert (
        "of processor time in training steps, of the 7 trials that reported it, and 18 min 00 s for 3 fresh"
        in found.sentence
    )


def test_a_part_of_a_search_costs_less():
    rows = SearchRows(PUBLISHED / "gpt_acc_jax_sweep")
    part, rest = (spent(rows.of_configurations(numbers)).trials for numbers in (range(10), range(10, 42)))
    assert part is not None
    assert rest is not None
    assert part + rest == pytest.approx(spent(rows).trials)


def test_seconds_of_gpus_count_by_the_share_that_a_trial_had():
    seconds = {"cpu_seconds": [1.0, 1.0, 1.0], "wall_seconds": [7200.0, 7200.0, 7200.0]}
    assert spent(by_hand(**seconds, gpu=[1.0, 0.25, None])).gpu == 9000
    assert spent(by_hand(**seconds, gpu=[1.0, 0.25, None])).sentence == (
        "Cost: 3.0 s of processor time in training steps; 2.5 hours of a GPU."
    )
    counted_only = by_hand(**seconds, gpu=[1.0, 0.25, None], fake_gpus=[2.0, 2.0, None])
    assert spent(counted_only).gpu == 0


def test_where_nothing_is_known_nothing_is_said():
    found = spent(by_hand(exact_match=[0.5, 0.6]))
    assert (found.trials, found.fresh, found.processor, found.elapsed, found.sentence) == (
        None,
        None,
        None,
        None,
        "",
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (7199, "1 h 59 min"), (7200, "2.0 hours"), (4e6, "1,111.1 hours")]
)
def test_long_times_are_in_hours(seconds: float, text: str):
    assert hours(seconds) == text


def test_the_answer_states_the_cost():
    found = paretune.open(PUBLISHED / "under-777").answer()
    done = run_cli("answer", PUBLISHED / "under-777")
    assert f"\n{found.spent.sentence}\n" in done.out
    assert found.as_json()["cost"]["trials"] == found.spent.trials
