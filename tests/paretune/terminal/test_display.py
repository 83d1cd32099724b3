"""What a person sees while a search runs, without Ray."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from helpers.plans import bound
from rich.console import Console

from analysis.text import duration, values_text
from paretune.plan.binding import bind
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import PastTrial, TrialQueue
from paretune.terminal.board import Board
from paretune.terminal.display import LineDisplay, LiveDisplay, details, headline
from search_spaces.loader import load_space


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def search(trials: int = 4) -> tuple[Board, TrialQueue, Clock]:
    plan = bound(search={"trials": trials}, fixed={"steps": 1000}, target={"exact_match": 0.99})
    clock = Clock()
    return Board(plan, [], clock), TrialQueue(plan), clock


def test_board_counts_endings_and_estimates_the_time_left():
    board, queue, clock = search()
    first, second = queue.next(), queue.next()
    board.started(first)
    board.started(second)
    assert board.seconds_left is None, "nothing is known before any work is done"
    clock.now = 30.0
    board.ended(first, "solved", {"step": 500, "exact_match": 0.995}, None)
    board.reported(second, {"step": 500, "exact_match": 0.2})
    # One and a half trials in 30 s: the other two and a half take 50 s.
    assert board.seconds_left == 50.0
    assert headline(board) == "1 of 4 trials ended (1 solved), 30 s elapsed, about 50 s left"
    expected = f"smallest so far: {first.params:,} parameters, 1 of 1 seed solved (configuration 0)"
    assert details(board)[1] == expected


def test_best_so_far_prefers_accuracy_then_small_size():
    board, queue, _ = search()
    specs = [queue.next() for _ in range(3)]
    for spec, value in zip(specs, (0.5, 0.7, 0.6), strict=True):
        board.started(spec)
        board.reported(spec, {"step": 100, "exact_match": value})
    assert board.best.label == specs[1].label


def test_interrupted_trials_are_not_counted_as_ended():
    board, queue, _ = search()
    spec = queue.next()
    board.started(spec)
    board.ended(spec, "interrupted", {"step": 10}, None)
    assert board.ended_count == 0


def test_resumed_search_counts_what_earlier_sessions_did():
    plan = bound(search={"trials": 4}, target={"exact_match": 0.99})
    spec = TrialQueue(plan).next()
    outcome = SeedOutcome(ending="solved", step=500, metrics={"exact_match": 1.0})
    board = Board(plan, [PastTrial(spec=spec, outcome=outcome)], Clock())
    assert board.ended_count == 1
    assert board.smallest["configuration"] == spec.configuration
    assert board.seconds_left is None, "earlier sessions say nothing about this one's pace"


def test_live_table_shows_running_trials_with_their_metrics():
    board, queue, _ = search()
    console = Console(file=io.StringIO(), force_terminal=True, width=140, color_system=None)
    with LiveDisplay(board, board._bound, console) as display:
        spec = queue.next()
        board.started(spec)
        board.reported(spec, {"step": 500, "exact_match": 0.25, "token_accuracy": 0.75, "val_loss": 0.5})
        with console.capture() as capture:
            console.print(display._draw())
        display.ended(queue.next(), "failed", {}, "RuntimeError: out of memory")
    shown = capture.get()
    assert "500 of 1,000" in shown
    assert "0.25" in shown
    assert "0.75" in shown
    assert "d_model=" in shown
    assert "RuntimeError: out of memory" in console.file.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_live_table_keeps_its_numbers_whatever_a_configuration_has_to_say(width: int):
    """Thirty values are searched here, which would fill any line."""
    plan = bind(load_space(Path(__file__).parents[3] / "search_spaces" / "gpt2_laptop.yaml"))
    board, queue = Board(plan, [], Clock()), TrialQueue(plan)
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    display = LiveDisplay(board, plan, console)
    for loss in (2.345, 1.987):
        spec = queue.next()
        board.started(spec)
        board.reported(spec, {"step": 250, "val_loss": loss, "bits_per_byte": 3.456})
    with console.capture() as capture:
        console.print(display._draw())
    lines = [line.rstrip() for line in capture.get().splitlines()]
    rows = [line.split() for line in lines if line.startswith("c00")]
    assert [row[:6] for row in rows] == [
        ["c000-s0", "834,304", "250", "of", "500", "2.345"],
        ["c001-s0", "851,968", "250", "of", "500", "1.987"],
    ]
    assert all(row[6] == "3.456" and row[7].startswith("steps=500") for row in rows)
    assert max(map(len, lines)) <= width


def test_lines_for_pipes_hold_no_colour_and_everything_else():
    board, queue, _ = search()
    console = Console(file=io.StringIO(), width=40)
    with LineDisplay(board, board._bound, console) as display:
        spec = queue.next()
        for listener in (board, display):
            listener.started(spec)
            listener.reported(spec, {"step": 100, "exact_match": 0.5})
            listener.ended(spec, "failed", {"step": 100, "exact_match": 0.5}, "ValueError: [odd] markup")
            listener.tick()
    (line,) = console.file.getvalue().splitlines()
    assert line.startswith(f"[1/4]  {spec.label}  failed  params={spec.params}  exact_match=0.5")
    assert line.endswith("error: ValueError: [odd] markup")


def test_time_spans_and_values_are_short():
    assert [duration(s) for s in (0, 0.44, 9.9, 9.97, 59.4, 60, 3599, 3600, 7500)] == [
        "0 s",
        "0.4 s",
        "9.9 s",
        "10 s",
        "59 s",
        "1 min 00 s",
        "59 min 59 s",
        "1 h 00 min",
        "2 h 05 min",
    ]
    assert values_text({"d_model": 16.0, "lr": 0.0123456, "norm": "rmsnorm", "ffn_bias": True}) == (
        "d_model=16 lr=0.0123 norm=rmsnorm ffn_bias=True"
    )
