"""The documentation is true: every command, file and column is told, and what is told exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.commands import run_cli

from analysis.files import layout
from paretune.record.endings import ENDINGS
from trainables.contract import LOOP_METRICS
from trainables.tasks import TASKS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "results" / "README.md").read_text()
COMMANDS = (
    *("check", "data", "search", "resume", "repair", "watch", "dashboard", "list"),
    *("answer", "cliff", "regimes", "times", "effects", "stopping"),
    *("rank", "frontier", "confirm", "report", "compare", "atlas", "retrain"),
    *("evaluate", "add", "generate", "export", "task", "doctor", "schema"),
)


def test_paretune_alone_shows_its_commands_in_the_order_of_need():
    done = run_cli()
    assert done.code == 0
    listed = re.findall(r"^  (\w+) {2,}\w", done.out.split("Commands:")[1], flags=re.M)
    assert tuple(listed) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_json(command: str):
    done = run_cli(command, "--help")
    assert done.code == 0
    assert re.search(rf"Examples?:\n +paretune {command}", done.out)
    # What prints no table and no verdict, or nothing but JSON, needs no option for it.
    assert ("--json" in done.out) == (command not in ("watch", "dashboard", "schema"))


def test_mistyped_command_is_refused_with_a_hint():
    done = run_cli("serch")
    assert done.code == 2
    assert "search" in done.err


def test_version_is_told():
    assert re.fullmatch(r"paretune \d+\.\d+\.\d+\n", run_cli("--version").out)


def test_readme_names_every_command_and_space_file():
    for command in COMMANDS:
        assert f"paretune {command}" in README
    for path in (ROOT / "search_spaces").glob("*.yaml"):
        assert path.name in README


def test_commands_in_the_readme_exist_with_their_options():
    lines = re.findall(r"^(?:\.venv/bin/)?paretune (.+)$", README, flags=re.M)
    assert len(lines) >= 8
    for line in lines:
        words = line.split("#")[0].split()
        command = words[:2] if words[0] == "data" else words[:1]
        shown = run_cli(*command, "--help").out
        for option in (word for word in words if word.startswith("--")):
            assert option in shown, line


def test_links_in_the_documentation_lead_somewhere():
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_make_targets_in_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"^make (\w+)", README, flags=re.M)):
        assert re.search(rf"^{target}:", makefile, flags=re.M)


def test_results_readme_describes_every_column_metric_ending_and_file():
    columns = (*layout.TRIAL_COLUMNS, *layout.REPORT_COLUMNS, *layout.CONFIRMATION_COLUMNS)
    metrics = [*LOOP_METRICS, *(metric for task in TASKS.values() for metric in task.metrics)]
    for name, unit in [(c.name, c.unit) for c in columns] + [(m.name, m.unit) for m in metrics]:
        assert re.search(rf"^\| `{name}` \| {re.escape(unit)} ?\|", RESULTS, flags=re.M), name
    for ending in ENDINGS:
        assert f"| `{ending}` |" in RESULTS
    for name in (value for key, value in vars(layout).items() if key.endswith(("_FILE", "_FOLDER"))):
        assert f"`{name}" in RESULTS, name


def test_rows_hold_no_column_that_is_not_described(every_ending):
    from analysis.rows import SearchRows

    rows = SearchRows(every_ending.folder)
    for frame, columns in ((rows.trials, layout.TRIAL_COLUMNS), (rows.reports, layout.REPORT_COLUMNS)):
        assert set(frame.columns) <= {column.name for column in columns} | set(rows.metrics)


def test_constraints_pin_torch_and_every_dependency():
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), flags=re.M))
    pinned = {name.lower().replace("_", "-") for name in pins}
    assert pins["torch"] == "2.13.0"
    project = (ROOT / "pyproject.toml").read_text()
    declared = (
        project.split("dependencies = [")[1].split("]\n")[0] + project.split("dev = [")[1].split("]\n")[0]
    )
    for requirement in re.findall(r'"([A-Za-z0-9._-]+)', declared):
        assert requirement.lower() in pinned, requirement
