"""How a search ends that does not end well, and what is refused before Ray starts."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from helpers.commands import run_cli, start_cli, wait_for_a_report
from helpers.small import QUICKSTART, newcomers_folder

import paretune
from analysis.files.lines import read_lines
from paretune.record.run_folder import RunFolder

MOST_FAIL = """
name: most-fail
task: addition
objectives: [{metric: exact_match, direction: max}]
fixed: {digits: 2, d_model: 4, d_ff: 8, eval_every: 20, steps: 20}
only:
  - {batch: 32}
  # Terabytes of training problems.
  - {batch: 1000000000000}
  - {batch: 1000000000001}
search: {concurrency: 1}
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    place = tmp_path_factory.mktemp("failed")
    (place / "space.yaml").write_text(MOST_FAIL)
    return place, run_cli("search", "space.yaml", cwd=place)


def test_a_search_of_which_most_trials_failed_is_a_failure(failed):
    _, done = failed
    assert done.code == 1, done.out + done.err
    assert "2 of 3 trials failed; the errors are above and in " in done.out
    assert "`paretune resume most-fail` tries them again" in done.out


def test_from_python_too_the_endings_tell(failed):
    place, _ = failed
    assert paretune.open(place / "results" / "most-fail").endings["failed"] == 2


def test_ctrl_c_while_ray_starts_leaves_nothing_and_says_so(tmp_path: Path):
    newcomers_folder(tmp_path)
    process = start_cli("search", "search_spaces/quickstart.yaml", cwd=tmp_path)
    assert process.stdout is not None
    while "Starting Ray" not in (line := process.stdout.readline()):
        assert line, process.communicate()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    # Where Ctrl-C struck in code that was executed from a text, as imports of Ray do, Python ends itself with
    # SIGINT in place of the exit code; a shell shows 130 for both.
    assert process.returncode in (130, -signal.SIGINT), err
    assert "interrupted before a trial was started; nothing is left behind" in err
    assert "Traceback" not in err
    assert list((tmp_path / "results").iterdir()) == []


def test_ctrl_c_again_and_again_is_one_message_keeps_the_rows_and_says_how_to_resume(tmp_path: Path):
    (tmp_path / "space.yaml").write_text(QUICKSTART.replace("steps: 80", "steps: 1000000"))
    process = start_cli("search", "space.yaml", cwd=tmp_path)
    folder = tmp_path / "results" / "quickstart"
    wait_for_a_report(folder, process)
    running = run_cli("rank", "quickstart", cwd=tmp_path)
    assert "quickstart is still running: 0 of 6 trials have ended so far" in running.err
    refused = run_cli("resume", "quickstart", cwd=tmp_path)
    assert refused.code == 2
    assert "another process" in refused.err
    assert "Starting Ray" not in refused.out
    for pause in (0.2, 0.4, 0.4, 0.4):
        process.send_signal(signal.SIGINT)
        time.sleep(pause)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert err == ""
    assert out.count("Interrupted; all rows are kept.") == 1
    assert "Resume with: paretune resume quickstart" in out
    assert "Traceback" not in out
    begun = {row["trial"]: row["ending"] for row in read_lines(folder / "trials.jsonl")}
    assert set(begun.values()) == {"interrupted"}
    (session,) = json.loads((folder / "provenance.json").read_text())["sessions"]
    assert session["ended"]
    assert session["endings"] == {}, "an interrupted trial has not ended"
    after = run_cli("rank", "quickstart", cwd=tmp_path)
    assert "quickstart is not over: " in after.err
    assert "resume it with `paretune resume quickstart`" in after.err


def folder_of(results: Path) -> RunFolder:
    """Write the folder of a search with one trial, as if it had been searched."""
    from paretune.plan.binding import bind

    values = {"digits": 2, "d_model": 4, "d_ff": 8, "batch": 32, "lr": 0.01, "steps": 40, "eval_every": 20}
    plan = paretune.Plan.model_validate(
        {
            "name": "one",
            "task": "addition",
            "objectives": [
                {"metric": "exact_match", "direction": "max"},
                {"metric": "params", "direction": "min"},
            ],
            "only": [values],
        }
    )
    folder = RunFolder.create(results, bind(plan), "")
    row = {
        "trial": "c000-s0",
        "configuration": 0,
        "seed_index": 0,
        "seed": 0,
        "params": 300,
        "values": values,
        "ending": "finished",
        "step": 40,
        "exact_match": 0.5,
    }
    (folder.path / "trials.jsonl").write_text(json.dumps(row) + "\n")
    return folder


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's right to write everywhere, if this process has it."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_read_only_search_is_not_resumed_and_ray_not_started():
    resume = paretune.resume
    # Not below pytest's own folder, which only its user may enter.
    with TemporaryDirectory(prefix="paretune-") as place:
        Path(place).chmod(0o755)
        folder = folder_of(Path(place))
        folder.path.chmod(0o555)
        try:
            with as_nobody(), pytest.raises(paretune.InputError, match="is read-only, so its search cannot"):
                resume(folder.path, progress=False)
        finally:
            folder.path.chmod(0o755)


def test_a_gpu_that_is_not_there_is_refused_without_a_folder(tmp_path: Path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    newcomers_folder(tmp_path)
    with pytest.raises(
        paretune.InputError, match=r"a trial needs 1 GPU, but this machine has none .* --gpu 0"
    ):
        paretune.search(tmp_path / "search_spaces" / "quickstart.yaml", gpu=1, results=tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_figure_that_cannot_be_written_does_not_keep_the_table_back(tmp_path: Path):
    folder = folder_of(tmp_path)
    # A folder in the file's place: even root cannot write a file there.
    (folder.path / "frontier.png").mkdir()
    done = run_cli("frontier", folder.path)
    assert done.code == 0, done.err
    assert "configuration" in done.out
    assert "The figure was not written: " in done.err
    assert "--figure FILE" in done.err
    refused = run_cli("frontier", folder.path, "--figure", folder.path / "frontier.png")
    assert refused.code == 2
    assert "cannot be written" in refused.err


def test_a_full_disk_names_the_command_that_resumes(tmp_path: Path):
    (tmp_path / "space.yaml").write_text(QUICKSTART.replace("steps: 80", "steps: 1000000"))
    process = start_cli("search", "space.yaml", cwd=tmp_path)
    wait_for_a_report(tmp_path / "results" / "quickstart", process)
    # The driver's files only: its workers write checkpoints, which are much larger.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "File too large" in err
    assert "Resume it with: paretune resume quickstart" in err


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:1", r"no Ray cluster at --address 127\.0\.0\.1:1; start one"),
        ("ray://127.0.0.1:10001", r"is that of Ray's client, .*: let this machine join the cluster"),
    ],
)
def test_a_cluster_that_does_not_answer_is_an_error_that_says_what_to_do(
    address: str, says: str, tmp_path: Path
):
    newcomers_folder(tmp_path)
    with pytest.raises(paretune.ClusterError, match=says):
        paretune.search(
            tmp_path / "search_spaces" / "quickstart.yaml",
            results=tmp_path / "results",
            address=address,
            progress=False,
        )
    assert list((tmp_path / "results").iterdir()) == []
