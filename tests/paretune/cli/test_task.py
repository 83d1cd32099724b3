"""``paretune task``: what it writes works, and a task of one's own goes the whole way."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.commands import run_cli
from helpers.own_tasks import EXAMPLE

from paretune.testing import check_task
from trainables.tasks import get_task
from trainables.trusted import trusted_files


@pytest.fixture(autouse=True)
def of_this_user(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes what this machine's user trusts; workers are told as well."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("configuration")))
    monkeypatch.delenv("PARETUNE_ALLOW_TASK_CODE", raising=False)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_the_example_is_what_the_command_writes(here: Path) -> None:
    done = run_cli("task", "new", "parity", "--folder", "examples/parity_task")
    assert (done.code, done.err) == (0, "")
    assert written_in(here / "examples" / "parity_task") == written_in(EXAMPLE)


def test_a_first_task_is_some_sixty_lines_and_its_test_five() -> None:
    def code(name: str) -> list[str]:
        lines = (EXAMPLE / name).read_text().splitlines()
        return [line for line in lines if line.strip() and not line.strip().startswith(('"""', "#"))]

    assert len(code("parity.py")) <= 65
    assert len(code("test_parity.py")) <= 5


def test_it_says_what_to_do_and_what_it_says_works(here: Path) -> None:
    done = run_cli("task", "new", "two-words")
    folder = here / "two_words_task"
    assert sorted(written_in(folder)) == ["README.md", "test_two_words.py", "two-words.yaml", "two_words.py"]
    for said in (
        "Test it:    python -m pytest two_words_task",
        "Search it:  paretune search two_words_task/two-words.yaml",
        "paretune retrain two-words",
    ):
        assert said in done.out
    assert trusted_files() == [folder / "two_words.py"]
    checked = run_cli("check", "two_words_task/two-words.yaml")
    assert checked.code == 0, checked.err
    assert f"task {folder}/two_words.py:TwoWords" in checked.out.replace("\n", "")
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "two_words_task"],
        capture_output=True, text=True, cwd=here, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout
    assert "27 passed" in tested.stdout


def test_the_suite_at_a_prompt_finds_nothing_against_the_example() -> None:
    check_task(get_task(f"{EXAMPLE / 'parity.py'}:Parity", allow_code=True))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Parity", "named by lower-case letters"),
        ("2bits", "a letter first"),
        ("a b", "named by lower-case letters"),
        ("../x", "named by lower-case letters"),
        ("addition", "there is a task addition already"),
        ("random", "random is a module or a word of Python's here"),
        ("class", "class is a module or a word of Python's here"),
    ],
)
def test_a_name_that_would_not_work_is_refused(here: Path, name: str, said: str) -> None:
    done = run_cli("task", "new", name)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert list(here.iterdir()) == []


def test_nothing_is_overwritten(here: Path) -> None:
    place = here / "parity_task"
    place.mkdir()
    (place / "README.md").write_text("mine")
    done = run_cli("task", "new", "parity")
    assert done.code == 2
    assert "README.md exists; nothing was written" in done.err
    assert written_in(place) == {"README.md": "mine"}
    assert trusted_files() == []


def test_the_list_says_what_there_is_and_where_it_comes_from(here: Path) -> None:
    run_cli("task", "new", "parity")
    path = here / "parity_task" / "parity.py"
    told = {row["task"]: row for row in json.loads(run_cli("task", "list", "--json").out)}
    assert list(told) == ["addition", "gpt2", f"{path}:Parity"]
    assert told["addition"]["abilities"] == ["add", "adderboard"]
    own = told[f"{path}:Parity"]
    assert (own["origin"], own["parameters"], own["metric"]) == ("your file", 225, "accuracy")
    shown = run_cli("task", "list").out
    assert "2,592" in shown
    assert "built in" in shown
    path.unlink()
    gone = run_cli("task", "list")
    assert gone.code == 0
    assert f"there is no file {path}" in gone.out


# The whole way, with Ray


def test_a_task_of_ones_own_is_searched_resumed_retrained_and_evaluated(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_cli("task", "new", "parity")
    # Only widths and rates at which all of a hundred seeds learned within these steps.
    space = here / "parity_task" / "parity.yaml"
    text = space.read_text().replace("low: 1, high: 12, log: true", "low: 28, high: 32")
    space.write_text(text.replace("steps: 1000", "steps: 600").replace("low: 0.003", "low: 0.015"))
    done = run_cli("search", space, "--trials", "2", "--concurrency", "1")
    assert done.code == 0, done.err
    assert "2 trials: 2 solved" in done.out

    monkeypatch.setenv("XDG_CONFIG_HOME", str(here / "of-a-stranger"))
    for command in (("resume", "parity", "--trials", "4"), ("retrain", "parity"), ("check", space)):
        refused = run_cli(*command)
        assert (refused.code, refused.out) == (2, ""), command
        assert "would run the code of the file" in refused.err
        assert "--allow-task-code" in refused.err
    assert run_cli("rank", "parity").code == 0, "rows need no task"

    resumed = run_cli("resume", "parity", "--trials", "4", "--allow-task-code")
    assert resumed.code == 0, resumed.err
    assert "4 trials: 4 solved" in resumed.out
    for command in ("evaluate", "add", "generate"):
        early = run_cli(command, "parity", *(("1", "2") if command == "add" else ()))
        assert early.code == 2
        assert "parity has no retrained model yet; make one with `paretune retrain parity`" in early.err

    retrained = run_cli(
        "retrain", "parity", "--seeds", "1", "--problems", "500", "--allow-task-code", "--json"
    )
    assert retrained.code == 0, retrained.err
    checkpoint = json.loads(retrained.out)["seeds"][0]["checkpoint"]
    found = json.loads(run_cli("evaluate", "parity", "--problems", "500", "--allow-task-code", "--json").out)
    assert found["checkpoint"] == checkpoint
    assert found["problems"] == 500
    assert found["successes"] == json.loads(retrained.out)["seeds"][0]["test"]["successes"]
    assert run_cli("evaluate", checkpoint).code == 2, "a file needs permission too"
    cannot = run_cli("add", "parity", "1", "2", "--allow-task-code")
    assert cannot.code == 2
    assert "a model of the task parity does not offer add; it offers: nothing but an evaluation" in cannot.err

    shutil.move(here / "parity_task" / "parity.py", here / "moved.py")
    lost = run_cli("retrain", "parity", "--allow-task-code")
    assert lost.code == 2
    assert f"there is no file {here}/parity_task/parity.py" in lost.err
    assert "Put it there" in lost.err


def test_negative_numbers_are_named(here: Path) -> None:
    done = run_cli("add", "quickstart", "-5", "3")
    assert done.code == 2
    assert done.err == "error: -5 is negative; models add numbers from 0 up\n"
    assert "No such option: --jsn" in run_cli("add", "quickstart", "5", "3", "--jsn").err


def test_what_is_neither_a_file_nor_a_search_is_said(here: Path) -> None:
    assert "there is no checkpoint nowhere.pt" in run_cli("evaluate", "nowhere.pt").err
    assert "there is no search 'nowhere'" in run_cli("evaluate", "nowhere").err
    assert list(here.iterdir()) == []
