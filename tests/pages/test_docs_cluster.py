"""docs/cluster.md and docs/scaling.md say what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.commands import run_cli

from paretune.storage import copying
from paretune.tune.driving import watching
from paretune.tune.nodes.losses import MOST_LOSSES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cluster.md").read_text()
COMMANDS = re.findall(r"(?:^|`)(paretune (?:search|resume) .+?)(?:  +#.*)?(?:`|$)", PAGE, flags=re.M)
SCRIPTS = "\n".join(path.read_text() for path in sorted((ROOT / "deploy").iterdir()))


def test_every_file_of_deploy_is_on_the_page() -> None:
    for path in (ROOT / "deploy").iterdir():
        assert f"(../deploy/{path.name})" in PAGE, path.name


def test_commands_on_the_page_and_in_deploy_have_the_options_that_they_use() -> None:
    in_files = re.findall(r"paretune (?:search|resume) [^\n`]*(?:\\\n[^\n]*)?", SCRIPTS)
    assert len(COMMANDS) >= 2
    assert len(in_files) >= 4
    for line in (*COMMANDS, *in_files):
        shown = run_cli(line.split()[1], "--help").out
        for option in re.findall(r"--[a-z-]+", line.split("    #")[0]):
            assert option in shown, line


def test_the_page_names_the_limits_that_the_code_has() -> None:
    assert f"{copying._SILENT_FOR_S / 60:.0f}" == "5"
    assert "has been silent for five minutes" in PAGE
    assert (copying._EVERY_S, copying._MOST_OF_THE_TIME) == (60, 0.05)
    assert "copied to `FOLDER/NAME` every minute" in PAGE
    assert "at most 5 % of the time" in PAGE
    assert MOST_LOSSES == 3
    assert "loses three machines without a checkpoint" in PAGE
    assert f"if none is for {watching._SILENT_FOR_S:.0f} s" in PAGE


@pytest.mark.parametrize("name", ["ray start", "ray drain-node", "ray get-auth-token"])
def test_commands_of_ray_that_the_page_names_are_there(name: str) -> None:
    from ray.scripts.scripts import cli

    command = cli.commands[name.removeprefix("ray ")]
    options = {option for parameter in command.params for option in parameter.opts}
    for line in re.findall(rf"{name}( [^\n`#]*)", PAGE + SCRIPTS):
        for option in re.findall(r"--[a-z-]+", line):
            assert option in options, f"{name}{line}"
