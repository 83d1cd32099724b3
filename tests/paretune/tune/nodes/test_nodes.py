"""What is made of machines' answers, of those that join and go, and of trials that lost theirs."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.plans import bound
from ray.core.generated.common_pb2 import ActorDiedErrorContext
from ray.exceptions import ActorDiedError

from analysis.store import RowStore
from paretune.record.recorder import Recorder
from paretune.tune.nodes.checking import Answer, Wanted, ask_for, findings
from paretune.tune.nodes.losses import MOST_LOSSES, Losses, answers, machine_is_lost
from paretune.tune.nodes.watching import Node, NodeWatch
from paretune.tune.notice import looks_every
from paretune.tune.parts import Parts

WANTED = Wanted(task="addition", needs={"CPU": 1.0, "GPU": 0.5}, folder=Path("/here/results/adders"))
HERE = Answer(
    node="here",
    versions={"Python": "3.11.7", "ray": "2.60.0", "torch": "2.13.0+cpu", "paretune": "0.1.0"},
    code="abc",
    sees_folder=True,
)


def there(**changes: Any) -> Answer:
    versions = {**HERE.versions, **changes.pop("versions", {})}
    return replace(HERE, node="far (10.0.0.2)", versions=versions, **changes)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (there(error="it has not answered within 90 s"), "far (10.0.0.2): it has not answered within 90 s"),
        (
            there(versions={"torch": None}, code="x", task_error="no torch"),
            "far (10.0.0.2): torch is not installed there (here 2.13.0+cpu)",
        ),
        (there(versions={"torch": "2.12.1"}), "far (10.0.0.2): torch 2.12.1, here 2.13.0+cpu"),
        (there(versions={"Python": "3.12.1"}), "far (10.0.0.2): Python 3.12.1, here 3.11.7"),
        (there(versions={"ray": "2.60.1"}), "far (10.0.0.2): ray 2.60.1, here 2.60.0"),
        (there(code="abd"), "far (10.0.0.2): the same version of paretune, but other code than here"),
        (there(task_code="x"), "far (10.0.0.2): task addition is other code there than here"),
        (there(task_error="gone"), "far (10.0.0.2): it cannot import task addition: gone"),
        (
            there(sees_folder=False),
            "far (10.0.0.2): it does not see /here/results/adders; keep checkpoints where every machine can "
            "reach them with --storage s3://BUCKET/FOLDER, or results on a folder that all share with "
            "--results",
        ),
    ],
)
def test_what_keeps_a_machine_from_running_trials_is_an_error(answer: Answer, error: str) -> None:
    assert findings(HERE, [answer], WANTED) == ([error], [])


def test_what_is_merely_different_is_a_warning() -> None:
    odd = there(versions={"torch": "2.13.1", "Python": "3.11.9"}, gpus=("A10G",))
    errors, warnings = findings(HERE, [there(gpus=("T4",)), odd], WANTED)
    assert errors == []
    assert warnings == [
        "far (10.0.0.2): Python 3.11.9, here 3.11.7; torch 2.13.1, here 2.13.0+cpu",
        "the machines have different GPUs (A10G; T4), so times of trials do not compare",
    ]
    on_processors = replace(WANTED, needs={"CPU": 1.0, "GPU": 0.0})
    assert findings(HERE, [there(gpus=("T4",)), there(gpus=("A10G",))], on_processors) == ([], [])


def test_with_a_storage_nobody_has_to_see_the_folder() -> None:
    stored = replace(WANTED, storage="s3://bucket/adders")
    assert findings(HERE, [there(sees_folder=False)], stored) == ([], [])
    unseen = there(storage_error="Access Denied")
    assert findings(HERE, [unseen], stored)[0] == [
        "far (10.0.0.2): it cannot reach s3://bucket/adders: Access Denied"
    ]


def test_a_machine_answers_what_it_sees(tmp_path: Path) -> None:
    """Asked here, in this process: the cluster's test asks others."""
    token = tmp_path / "token"
    wanted = Wanted(task="addition", needs={"CPU": 1}, folder=tmp_path, storage=str(tmp_path))
    blind = Answer(node="here", **ask_for(wanted)(str(token)))
    assert not blind.sees_folder
    assert blind.storage_error == "it does not see what was written there a moment ago"
    token.touch()
    seeing = Answer(node="here", **ask_for(wanted)(str(token)))
    assert (seeing.sees_folder, seeing.storage_error, seeing.task_error) == (True, None, None)
    assert seeing.code == blind.code
    assert all(seeing.versions.values())
    lost = ask_for(replace(wanted, task="no.such:Task"))(str(token))
    assert "no.such" in lost["task_error"]


def test_a_task_that_another_machine_has_otherwise_is_told(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    file = tmp_path / "own.py"
    source = "from trainables.addition.task import AdditionTask\n\nclass Own(AdditionTask):\n    pass\n"
    wanted = replace(WANTED, task=f"{file}:Own", folder=tmp_path)
    answers = []
    for text in (source, source, f"{source}    seed = 7\n"):
        file.write_text(text)
        answers.append(Answer(node="far", **ask_for(wanted)(str(tmp_path / "token"))))
    first, same, other = answers
    assert first.task_error is None
    assert findings(first, [same], wanted) == ([], [])
    assert findings(first, [other], wanted) == ([f"far: task {file}:Own is other code there than here"], [])


# Machines that join and go


def node(name: str, *, cpu: float = 2, seconds_left: float | None = None) -> Node:
    return Node(node_id=name, name=name, resources={"CPU": cpu}, seconds_left=seconds_left)


def test_what_changes_among_the_machines_is_told_once() -> None:
    cluster: dict[str, Node] = {"a": node("a"), "b": node("b")}
    rooms: list[list[float]] = []
    notices: list[tuple[str, float]] = []
    said: list[str] = []

    def has_room(machines: Any) -> None:
        rooms.append([machine["CPU"] for machine in machines])

    def gives_notice(name: str, seconds: float) -> None:
        notices.append((name, seconds))

    joined: list[Any] = []
    watch = NodeWatch(has_room, gives_notice, said.append, joined.append, look=lambda: dict(cluster))
    watch.start()
    watch.stop()
    steps: list[Mapping[str, Node]] = [
        {"a": node("a"), "b": node("b")},
        {"a": node("a"), "b": node("b"), "c": node("c", cpu=4)},
        {"a": node("a"), "b": node("b", seconds_left=30), "c": node("c", cpu=4)},
        {"a": node("a"), "b": node("b", seconds_left=29), "c": node("c", cpu=4)},
        {"a": node("a"), "c": node("c", cpu=4)},
        {"a": node("a")},
        {"a": node("a"), "d": node("d", seconds_left=5)},
    ]
    for now in steps:
        watch.tell(now)
    assert rooms == [[2, 2, 4], [2, 4], [2, 4], [2], [2]]
    assert notices == [("b", 30), ("d", 5)]
    assert joined == [["c"]]
    assert said == [
        "Machine c has joined.",
        "Machine b goes in 30 s: its trials hand over and go on elsewhere.",
        "Machine b is gone.",
        "Machine c is lost: its trials go on elsewhere, from their newest checkpoints.",
        "Machine d goes in 5 s: its trials hand over and go on elsewhere.",
    ]


# Trials that lost their machine


class Lost(Exception):  # noqa: N818
    """Stands for Ray's error of a worker that is not there any more."""

    preempted = False


def trial(error: Exception, failures: int = 1) -> SimpleNamespace:
    return SimpleNamespace(
        trial_id="t1",
        config={"label": "c000-s0"},
        run_metadata=SimpleNamespace(num_failures=failures),
        get_pickled_error=lambda: error,
    )


def losses_of(of: SimpleNamespace) -> Losses:
    losses = Losses(lambda label: f"newest of {label}", lambda error: isinstance(error, Lost))
    losses.on_step_begin(0, [of])
    return losses


def test_a_lost_machine_does_not_use_up_the_retry_of_a_crashed_worker() -> None:
    of = trial(Lost())
    losses_of(of).on_trial_recover(0, [], of)
    assert of.run_metadata.num_failures == 0
    crashed = trial(RuntimeError("it crashed by itself"))
    losses_of(crashed).on_trial_recover(0, [], crashed)
    assert crashed.run_metadata.num_failures == 1
    drained = Lost()
    drained.preempted = True  # Tune has not counted it
    of = trial(drained)
    losses_of(of).on_trial_recover(0, [], of)
    assert of.run_metadata.num_failures == 1


def test_a_trial_that_loses_one_machine_after_another_fails_unless_it_gets_on() -> None:
    of = trial(Lost(), failures=MOST_LOSSES)
    losses = losses_of(of)
    for _ in range(MOST_LOSSES):
        assert losses.comes_back("t1", "c000-s0")
        assert losses.brought_back("c000-s0")
        assert not losses.brought_back("c000-s0"), "it is told once"
    assert not losses.comes_back("t1", "c000-s0")
    losses.on_checkpoint(0, [], of, SimpleNamespace(path="anywhere"))
    assert losses.comes_back("t1", "c000-s0")
    assert not losses.comes_back("t2", "c000-s0"), "Tune knows no such trial"


def test_a_machine_that_is_not_there_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert answers("127.0.0.1", port)
    assert not answers("127.0.0.1", port)
    assert not machine_is_lost(RuntimeError("an error of the trial"))


def test_a_worker_whose_machine_died_while_it_was_starting_lost_its_machine() -> None:
    said = "The actor died because its node has died. Node Id: a577\n\tthe actor's node was terminated"
    context = ActorDiedErrorContext(actor_id=bytes(16), error_message=said, never_started=True)
    assert machine_is_lost(ActorDiedError(context))


# The queue and the rows


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    plan = bound(search={"trials": 2, "sampler": "random"})
    store = RowStore(tmp_path)
    return Parts(plan, [], store, [Recorder(store, 1)], concurrency=1)


def begin(parts: Parts, trial_id: str) -> SimpleNamespace:
    config = parts.searcher.suggest(trial_id)
    assert isinstance(config, dict)
    of = trial(Lost())
    of.trial_id, of.config, of.checkpoint, of.error_file = trial_id, config, None, None
    parts.monitor.on_trial_start(0, [], of)
    return of


def row_of(parts: Parts, tmp_path: Path) -> dict[str, Any]:
    return RowStore(tmp_path).trials()["c000-s0"]


@pytest.mark.parametrize("how", ["handed over", "machine lost"])
def test_a_trial_goes_on_from_its_newest_checkpoint(parts: Parts, tmp_path: Path, how: str) -> None:
    losses = Losses(parts.monitor.checkpoint_of, lambda error: isinstance(error, Lost))
    parts.on_machines(losses)
    of = begin(parts, "t1")
    losses.on_step_begin(0, [of])
    parts.monitor.on_trial_result(0, [], of, {"step": 100, "exact_match": 0.1})
    saved = SimpleNamespace(path=str(tmp_path / "ray" / "session-1" / "c000-s0" / "checkpoint_000000"))
    parts.monitor.on_checkpoint(0, [], of, saved)
    losses.on_checkpoint(0, [], of, saved)
    if how == "handed over":
        parts.monitor.on_trial_result(0, [], of, {"handed_over": True})
        parts.searcher.on_trial_complete("t1", {"handed_over": True})
        parts.monitor.on_trial_complete(0, [], of)
    else:
        parts.searcher.on_trial_complete("t1", error=True)
        parts.monitor.on_trial_error(0, [], of)
    row = row_of(parts, tmp_path)
    assert (row["ending"], row["checkpoint"]) == ("interrupted", "ray/session-1/c000-s0/checkpoint_000000")
    assert "error" not in row
    again = begin(parts, "t2")
    assert again.config["label"] == "c000-s0"
    assert again.config["resume_from"] == saved.path
    assert row_of(parts, tmp_path)["ending"] is None
    parts.monitor.on_trial_result(0, [], again, {"step": 200, "exact_match": 1.0, "ending": "finished"})
    parts.searcher.on_trial_complete("t2", {"step": 200, "exact_match": 1.0, "ending": "finished"})
    parts.monitor.on_trial_complete(0, [], again)
    assert row_of(parts, tmp_path)["ending"] == "finished"
    assert parts.queue.history.handed_out == 1, "it is one trial"


def test_a_worker_that_crashed_twice_is_no_lost_machine(parts: Parts, tmp_path: Path) -> None:
    parts.on_machines(Losses(parts.monitor.checkpoint_of, lambda error: False))
    of = begin(parts, "t1")
    parts.searcher.on_trial_complete("t1", error=True)
    parts.monitor.on_trial_error(0, [], of)
    assert row_of(parts, tmp_path)["ending"] == "failed"


def test_tune_is_not_told_that_it_is_over_while_a_trial_may_come_back(parts: Parts) -> None:
    parts.have_room(3, 0.0)
    parts.on_machines(Losses(parts.monitor.checkpoint_of, lambda error: True))
    running = [begin(parts, "t1"), begin(parts, "t2")]
    assert parts.searcher.suggest("t3") is None
    for of in running:
        parts.monitor.on_trial_result(0, [], of, {"step": 1, "ending": "finished"})
        parts.searcher.on_trial_complete(of.trial_id, {"step": 1, "ending": "finished"})
    assert parts.searcher.suggest("t3") == "FINISHED"


def test_as_many_run_as_the_machines_carry_now(parts: Parts) -> None:
    begin(parts, "t1")
    assert parts.searcher.suggest("t2") is None, "one at a time"
    parts.have_room(2, 0.0)
    assert isinstance(parts.searcher.suggest("t2"), dict)


def test_workers_look_for_notices_more_seldom_the_more_there_are(parts: Parts) -> None:
    assert [looks_every(workers) for workers in (1, 400, 4000)] == [0.5, 0.5, 4.0]
    parts.have_room(4000, 0.0)
    assert begin(parts, "t1").config["workers"] == 4000
