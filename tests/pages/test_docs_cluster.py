"""docs/cluster.md and docs/scaling.md say what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.commands import run_cli
from scaling import LOADS, MEASURED, Load, Slopes, simulated

from paretune.storage import copying
from paretune.tune import notice
from paretune.tune.driving import watching
from paretune.tune.nodes.losses import MOST_LOSSES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cluster.md").read_text()
SCALING = (ROOT / "docs" / "scaling.md").read_text()
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
    assert f"if none is for {watching._UNABLE_FOR_S:.0f} s" in PAGE


@pytest.mark.parametrize("name", ["ray start", "ray drain-node", "ray get-auth-token"])
def test_commands_of_ray_that_the_page_names_are_there(name: str) -> None:
    from ray.scripts.scripts import cli

    command = cli.commands[name.removeprefix("ray ")]
    options = {option for parameter in command.params for option in parameter.opts}
    for line in re.findall(rf"{name}( [^\n`#]*)", PAGE + SCRIPTS):
        for option in re.findall(r"--[a-z-]+", line):
            assert option in options, f"{name}{line}"


@pytest.mark.parametrize(("load", "machines"), [(LOADS[0], 10), (LOADS[1], 10), (LOADS[2], 100)])
def test_the_table_on_scaling_is_what_the_simulation_prints(load: Load, machines: int) -> None:
    found = simulated(load, 4 * machines, 3600, MEASURED)
    shown = f"| {load.name} | {machines} | {found.busy:.1%} | {found.waiting:.1%} | {found.trials:,} |"
    assert shown.replace("%", " %") in SCALING


def test_the_slopes_on_the_page_are_those_of_the_simulation() -> None:
    assert f"{1000 * MEASURED.report:.2f} ms of the driver" in SCALING
    assert f"{1000 * MEASURED.trial:.1f} ms of the driver" in SCALING
    assert f"{1e6 * MEASURED.per_known:.0f} µs more for each that is known" in SCALING
    assert f"costs the driver {1000 * MEASURED.checkpoint:.0f} ms" in SCALING
    assert f"together at most {notice._MOST_LOOKS_PER_SECOND:,} times" in SCALING


def test_more_than_a_driver_can_take_makes_workers_wait() -> None:
    slow = Slopes(trial=0, report=0.1, checkpoint=0, proposal=0, per_known=0)
    few, many = (simulated(Load("", 1e9, 1.0), workers, 1000, slow) for workers in (5, 50))
    assert few.busy < 0.5
    assert few.waiting < 0.15
    assert many.busy > 0.99
    # Ten a second are served: fifty workers wait for four of five of their turns.
    assert many.waiting == pytest.approx(0.8, abs=0.02)
