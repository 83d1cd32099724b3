"""What a person sees while a search runs, without Ray."""

from __future__ import annotations

import heapq
import io
import logging
from dataclasses import replace

import pytest
from helpers.plans import bound
from helpers.published import bound_of
from rich.console import Console

from analysis.text import duration, roughly, values_text
from paretune.plan.binding import BoundPlan
from paretune.sampling.history import PastTrial
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue
from paretune.terminal.board import Board, RunningTrial
from paretune.terminal.display import LineDisplay, LiveDisplay, details, headline, running_lines
from paretune.terminal.progress import SeedProgress


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
    # Of two trials that came half way one ended: a trial takes three quarters of its budget. At 0.06 s a step
    # that is 45 s for each of those to come, and 30 s for the one that runs, two at a time.
    assert board.seconds_left == pytest.approx(60.0)
    assert headline(board) == "1 of 4 trials ended (1 solved), 30 s elapsed, about 1 min left"
    others = [second, queue.next(), queue.next()]
    for spec in others:
        board.started(spec)
        board.ended(spec, "solved", {"step": 1000, "exact_match": 0.99}, None)
    assert headline(board).endswith("30 s elapsed"), "nothing is left"
    least = min([first, *others], key=lambda spec: spec.params)
    expected = f"smallest so far: {least.params:,} parameters, 1 of 1 seed solved"
    assert details(board)[1] == f"{expected} (configuration {least.configuration})"


def simulated(
    budgets: list[int], shares: list[float], per_step: list[float]
) -> list[tuple[float, float, float]]:
    """Two trials at a time, each 3 s of start and then steps of its own speed, reported 20 times.

    Returns:
        at every report the share of the search's time, the estimate of the time left, and the time left.
    """
    plan = bound(search={"trials": len(budgets)}, fixed={"steps": 1000})
    clock = Clock()
    board = Board(plan, [], clock)
    first = TrialQueue(plan).next()
    specs = [
        replace(
            first, label=f"c{number:03d}-s0", configuration=number, values={**first.values, "steps": budget}
        )
        for number, budget in enumerate(budgets)
    ]
    told: list[tuple[float, float | None]] = []
    waiting = list(range(len(specs)))
    events: list[tuple[float, int, int]] = []

    def start(at: float) -> None:
        if waiting:
            number = waiting.pop(0)
            board.started(specs[number])
            every = budgets[number] // 20
            heapq.heappush(events, (at + 3.0 + every * per_step[number], number, every))

    start(0.0)
    start(0.0)
    while events:
        clock.now, number, step = heapq.heappop(events)
        board.reported(specs[number], {"step": step})
        if step < shares[number] * budgets[number]:
            every = budgets[number] // 20
            heapq.heappush(events, (clock.now + every * per_step[number], number, step + every))
        else:
            board.ended(specs[number], "finished", {"step": step}, None)
            start(clock.now)
        told.append((clock.now, board.seconds_left))
    return [(at / clock.now, left, clock.now - at) for at, left in told if left is not None]


def between_shares(told: list[tuple[float, float, float]], low: float, high: float) -> list[float]:
    """Return by what factor the estimates of a part of a search are off."""
    return [left / true for at, left, true in told if low <= at <= high]


def test_the_time_left_of_equal_trials_is_right_though_processes_need_time_to_start():
    told = simulated([1000] * 24, [1.0] * 24, [0.01] * 24)
    assert all(0.95 < factor < 1.15 for factor in between_shares(told, 0.15, 0.8))


def test_the_time_left_knows_that_some_trials_are_stopped_early_and_do_not_stand_for_all():
    """Two in three are stopped at a tenth: those that end first are all of that kind."""
    shares = [0.1, 0.1, 1.0] * 10
    told = simulated([1000] * 30, shares, [0.03] * 30)
    assert all(0.7 < factor < 1.5 for factor in between_shares(told, 0.15, 0.8))


def test_the_time_left_is_at_least_that_of_the_longest_trial():
    """By counting trials, 24 of 25 done would leave a few seconds."""
    told = simulated([1000] * 24 + [40_000], [1.0] * 25, [0.01] * 25)
    assert all(0.99 < factor < 1.01 for factor in between_shares(told, 0.5, 0.99))


def test_the_time_left_goes_by_budgets_and_not_by_trials():
    """One in two has a fifth of the steps of the other."""
    told = simulated([500, 2500] * 12, [1.0] * 24, [0.02] * 24)
    assert all(0.75 < factor < 1.1 for factor in between_shares(told, 0.15, 0.75))


def test_a_resumed_trial_has_not_done_in_this_session_what_it_brings_along():
    plan = bound(search={"trials": 2}, fixed={"steps": 1000})
    clock, queue = Clock(), TrialQueue(plan)
    board = Board(plan, [], clock)
    resumed = replace(queue.next(), resume_from="checkpoint")
    board.started(resumed)
    for now, step in ((10.0, 900), (20.0, 910), (30.0, 920)):
        clock.now = now
        board.reported(resumed, {"step": step})
    # One step a second: 80 s for its rest. What the other trial needs is reckoned from 20 steps in 30 s.
    assert board.seconds_left == pytest.approx(80 + 1.5 * 1000)


def test_estimates_are_written_as_coarsely_as_they_are_known():
    spans = (0, 3, 41, 58, 200, 3540, 3599, 7300, 35_000, 90_000)
    assert [roughly(seconds) for seconds in spans] == [
        "10 s",
        "10 s",
        "50 s",
        "1 min",
        "3 min",
        "59 min",
        "1 h 00 min",
        "2 h 00 min",
        "9 h 40 min",
        "25 h",
    ]


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


def test_a_trial_that_reported_nothing_in_this_session_is_not_said_to_be_at_step_0():
    board, queue, _ = search()
    console = Console(file=io.StringIO(), width=140)
    display = LineDisplay(board, board._bound, console)
    new, old = queue.next(), replace(queue.next(), resume_from="ray/session-1/c000-s1/checkpoint_000001")
    display.ended(new, "interrupted", {}, None)
    display.ended(old, "interrupted", {}, None)
    display.ended(old, "interrupted", {"step": 300}, None)
    first, second, third = console.file.getvalue().splitlines()
    assert f"params={new.params}  no report  " in first
    assert f"params={old.params}  no further report  " in second
    assert f"params={old.params}  step=300  " in third


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


def begun(plan: BoundPlan, count: int) -> list[RunningTrial]:
    """Trials of a plan that have reported once."""
    board, queue = Board(plan, [], Clock()), TrialQueue(plan)
    for _ in range(count):
        spec = queue.next()
        board.started(spec)
        board.reported(spec, {"step": 250, "val_loss": 2.345, "bits_per_byte": 3.456})
    return list(board.running.values())


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_the_live_table_says_what_it_does_not_show(width: int):
    plan = bound_of("gpt2_laptop")
    # Two seeds of each: the first of the first two configurations.
    trials = begun(plan, 3)[::2]
    drawn = [line for line, _ in running_lines(plan, trials, width=width, height=25)]
    assert max(map(len, drawn)) <= width
    header, *lines = drawn
    assert header.split() == ["trial", "parameters", "step", "val", "loss", "bits", "per", "byte"]
    assert [line.split() for line in lines[::2]] == [
        ["c000-s0", "834,304", "250", "of", "500", "2.345", "3.456"],
        ["c001-s0", "851,968", "250", "of", "500", "2.345", "3.456"],
    ]
    for line, trial in zip(lines[1::2], trials, strict=True):
        *shown, sign, more = line.split()
        assert len(shown) + int(sign.removeprefix("+")) == len(plan.plan.searched(trial.spec.values))
        assert more == "more"
    # That both are of 500 steps says nothing of either; the first has its head tied, and the second has not.
    assert "steps=" not in "".join(lines)
    assert "tied_head=True" in lines[1]
    assert "tied_head=False" in lines[3]


def test_metrics_without_room_stand_with_the_values():
    plan = bound()
    trials = begun(plan, 1)
    trials[0].last |= {"exact_match": 0.25, "token_accuracy": 0.75}
    head, _, row, below = (line for line, _ in running_lines(plan, trials, width=40, height=25))
    assert head.split() == ["trial", "parameters", "step", "exact"]
    assert row.split()[-1] == "0.25"
    assert below == "  token accuracy 0.75  val loss 2.345  +2 more"


def test_in_a_low_terminal_a_trial_is_one_line():
    plan = bound_of("gpt2_laptop")
    drawn = [line for line, _ in running_lines(plan, begun(plan, 12), width=100, height=24)]
    rows = [line for line in drawn if line.startswith("c0")]
    assert rows == drawn[-12:]
    assert all(row.endswith(" more") for row in rows)
    assert max(map(len, drawn)) <= 100


@pytest.mark.parametrize("display_class", [LiveDisplay, LineDisplay])
def test_a_warning_of_any_trial_is_shown_once_in_yellow_without_its_trace(display_class: type):
    board, queue, _ = search()
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=60, color_system="standard")
    warning = "no compiler: trained without one, which is [slow] and takes five times as long"
    with display_class(board, board._bound, console) as display:
        for _ in range(2):
            spec = queue.next()
            board.started(spec)
            display.reported(spec, {"step": 1, "warnings": [f"{warning}\nTraceback: line 3\n"]})
            display.reported(spec, {"step": 2, "warnings": [warning, "another one"]})
    said = [line for line in stream.getvalue().replace("\r", "\n").splitlines() if "warning:" in line]
    assert [line.split("\x1b[33m")[-1].removesuffix("\x1b[0m") for line in said] == [
        f"warning: {warning}",
        "warning: another one",
    ]
    assert "Traceback" not in stream.getvalue()


def test_a_warning_of_retraining_is_shown_once_for_all_seeds(capsys: pytest.CaptureFixture[str]):
    plan = bound(fixed={"steps": 100})
    stream = io.StringIO()
    log = logging.getLogger("trainables.loop")
    with SeedProgress(Console(file=stream, width=200), plan, {"d_model": 8, "lr": 0.01}, seeds=2):
        for _ in range(2):
            log.warning("no compiler: %s", "g++")
    assert stream.getvalue() == "warning: no compiler: g++\n"
    assert capsys.readouterr().err == ""
    log.warning("afterwards")
    assert stream.getvalue().count("warning:") == 1


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


def test_a_line_of_a_pipe_stays_short_and_says_how_many_values_it_leaves_out():
    plan = bound_of("gpt2_laptop")
    board, queue = Board(plan, [], Clock()), TrialQueue(plan)
    stream = io.StringIO()
    with LineDisplay(board, plan, Console(file=stream, width=1000)) as display:
        for _ in range(4):
            spec = queue.next()
            board.started(spec)
            board.ended(spec, "finished", {"step": 500}, None)
            display.ended(spec, "finished", {"step": 500}, None)
            line = stream.getvalue().splitlines()[-1]
            values = line.partition("  step=500  ")[2].split()
            assert len(line) < 200
            assert len(values) - 2 + int(values[-2]) == len(plan.plan.searched(spec.values))
            defaults = {f"{name}={value}" for name, value in plan.defaults.items()}
            assert not defaults & set(values)


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
