"""The command line's frame: what it imports, how it completes, and how it ends when something goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.commands import CLI, run_cli, start_cli

from paretune.cli.commands import MODULES

PUBLISHED = Path(__file__).parents[3] / "results" / "published"
HEAVY = ("torch", "ray", "tensorboard", "plotly", "tiktoken", "huggingface_hub", "matplotlib", "scipy.stats")


def imported_by(*arguments: str) -> set[str]:
    """Return the names of all modules that a command has imported when it ends."""
    program = (
        "import sys\n"
        "from paretune.cli.app import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as ended:\n"
        "    assert not ended.code, ended.code\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_help_imports_nothing_that_only_commands_need():
    imported = imported_by("--help")
    assert not imported & {*HEAVY, "pandas", "numpy", "pyarrow", "scipy", "optuna", "rich", "ruamel.yaml"}


def test_help_of_a_command_imports_no_other_command():
    imported = imported_by("rank", "--help")
    assert "paretune.cli.answers.rank" in imported
    assert not imported & ({*MODULES.values()} - {"paretune.cli.answers.rank"})


def test_rank_imports_nothing_slow():
    imported = imported_by("rank", str(PUBLISHED / "quickstart"))
    assert "pandas" in imported
    assert not imported & {*HEAVY, "optuna"}


def test_list_needs_no_data_frames():
    assert not imported_by("list", "--results", str(PUBLISHED)) & {*HEAVY, "pandas", "numpy", "optuna"}


def test_python_runs_the_package_as_a_program():
    done = subprocess.run([sys.executable, "-m", "paretune", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("paretune ")


def completed(words: str, cwd: Path, **environment: str) -> list[str]:
    """Return what bash would offer for the last word."""
    done = subprocess.run(
        CLI,
        cwd=cwd,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "_PYTHON _M PARETUNE_COMPLETE": "complete_bash",
            "_PARETUNE_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
            **environment,
        },
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_commands_options_and_names_of_searches(tmp_path: Path):
    for name in ("quick", "quickstart-2", "slow"):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        (folder / "plan.json").write_text("{}")
    (tmp_path / "results" / "quiet").mkdir()
    assert completed("paretune ra", tmp_path) == ["rank"]
    assert completed("paretune rank --t", tmp_path) == ["--top"]
    assert completed("paretune rank qui", tmp_path) == ["quick", "quickstart-2"]
    assert completed("paretune compare quick s", tmp_path) == ["slow"]
    elsewhere = str(tmp_path / "results")
    (tmp_path / "empty").mkdir()
    assert completed("paretune rank s", tmp_path / "empty") == []
    assert completed(f"paretune rank --results {elsewhere} s", tmp_path / "empty") == ["slow"]
    assert completed("paretune rank s", tmp_path / "empty", PARETUNE_RESULTS=elsewhere) == ["slow"]


def test_completion_is_shown_for_the_shell_that_is_used():
    done = run_cli("--show-completion", "bash")
    assert done.code == 0
    assert "complete -o default -F" in done.out
    assert "paretune --install-completion" in run_cli().out


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (("rank", "nothing"), "InputError", "there is no search 'nothing'"),
        (("cliff", str(PUBLISHED / "quickstart"), "--where", "lr~1"), "SelectionError", "lr~1"),
        (("rank", "nothing", "--tpo", "3"), "NoSuchOption", "--top"),
        (("rank", "nothing", "--top", "0"), "BadParameter", "--top"),
        (("rank",), "MissingParameter", "NAME"),
        (("rnk", "nothing"), "UsageError", "Did you mean 'rank'?"),
    ],
)
def test_with_json_an_error_is_json_too(arguments: tuple[str, ...], kind: str, said: str):
    plain, done = run_cli(*arguments), run_cli(*arguments, "--json")
    assert plain.code == done.code == 2
    assert plain.out == ""
    error = json.loads(done.out)["error"]
    assert error["kind"] == kind
    assert error["mistakes"] == []
    assert said in error["message"]
    assert said in done.err


def test_with_json_mistakes_of_a_space_file_have_their_places(tmp_path: Path):
    space = tmp_path / "space.yaml"
    space.write_text("name: x\ntask: addition\nobjectivs: []\n")
    done = run_cli("search", space, "--json", "--results", tmp_path)
    assert done.code == 2
    error = json.loads(done.out)["error"]
    assert error["kind"] == "SpaceFileError"
    (mistake,) = [one for one in error["mistakes"] if one["key"] == "objectivs"]
    assert (mistake["file"], mistake["line"]) == (str(space), 3)


def test_after_two_dashes_json_is_a_name():
    done = run_cli("rank", "--", "--json")
    assert (done.code, done.out) == (2, "")


def test_a_failure_of_the_system_names_the_file(tmp_path: Path):
    (tmp_path / "file").write_text("")
    done = run_cli("schema", "--write", tmp_path / "file" / "schema.json")
    assert done.code == 1
    assert done.err == f"error: Not a directory ({tmp_path / 'file' / 'schema.json'})\n"


def test_a_reader_that_goes_away_is_no_failure():
    command = [*CLI, "rank", str(PUBLISHED / "gpt_acc_jax_sweep")]
    for options in ((), ("--json",)):
        ours, theirs = os.pipe()
        os.close(ours)
        done = subprocess.run([*command, *options], stdout=theirs, stderr=subprocess.PIPE, text=True)
        os.close(theirs)
        assert (done.returncode, done.stderr) == (141, "")


def test_ctrl_c_is_told_in_one_word(tmp_path: Path):
    text = tmp_path / "pipe"
    os.mkfifo(text)
    process = start_cli("data", "text", text, "--tokenizer", "bytes", cwd=tmp_path)
    # Opened here as soon as the command has opened it, and waits for text.
    with text.open("w"):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")


def test_there_is_no_colour_outside_a_terminal():
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    for arguments in (
        ("rank", str(PUBLISHED / "quickstart")),
        ("list", "--results", str(PUBLISHED)),
        ("rnk",),
    ):
        done = subprocess.run([*CLI, *arguments], capture_output=True, text=True, env=environment)
        assert "\x1b" not in done.stdout + done.stderr


def test_every_command_has_help_that_fits_80_columns():
    """Examples stand as they are written; what typer folds never is longer."""
    environment = {**os.environ, "COLUMNS": "80"}
    for name in MODULES:
        done = subprocess.run(
            [*CLI, name, "--help"], capture_output=True, text=True, env=environment, check=True
        )
        prose = [line for line in done.stdout.splitlines() if "  paretune " not in line]
        assert max(map(len, prose)) <= 80, name
