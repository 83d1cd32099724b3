"""Configurations that are measured for real, in a process of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.commands import run_cli
from helpers.plans import bound

from paretune.api.deadline import estimate_bound
from paretune.errors import InputError
from paretune.timing.costs import costly_of
from paretune.timing.measuring import measure
from paretune.timing.slots import cores_here, slots_here

SMALL = {"digits": 2, "d_model": 8, "lr": 0.01, "batch": 32, "engine": "torch"}


def test_each_configuration_is_measured_or_says_why_not():
    plan = bound()
    fine, short = (costly_of(plan, {**SMALL, "steps": steps}) for steps in (2000, 1))
    broken = costly_of(plan, {**SMALL, "batch": 10**12})
    found = measure(plan, [broken, fine, short], at_a_time=1, seconds=60.0)
    (one,) = found.found  # of one step or many, it is the same configuration
    assert one.costly.key == fine.key
    assert 0 < one.step < 5
    assert one.compiling is None
    assert found.ready > 0
    assert found.seconds > found.ready
    (error,) = found.errors
    assert "allocate" in error


def test_where_nothing_can_be_measured_there_is_no_estimate():
    plan = bound(space={}, fixed={"batch": 10**12, "engine": "torch"}, only=[{"digits": 2}])
    with pytest.raises(InputError, match=r"no step could be measured \(.*allocate"):
        estimate_bound(plan)


def test_check_tells_the_time_if_it_is_asked(tmp_path: Path):
    space = tmp_path / "short.yaml"
    space.write_text(
        "name: short\ntask: addition\nobjectives: [{metric: exact_match, direction: max}]\n"
        "fixed: {digits: 2, batch: 32, steps: 100, engine: torch}\nonly: [{d_model: 8}]\n"
        "search: {concurrency: 1}\n"
    )
    done = run_cli("check", space, "--time", "--json")
    assert done.code == 0, done.err
    time = json.loads(done.out)["time"]
    assert time["measured"] == 1
    assert 0 < time["start_up"] < time["low"] <= time["seconds"] <= time["high"]
    assert not time["ends_early"]
    assert json.loads(run_cli("check", space, "--json").out)["time"] is None


def test_slots_go_by_what_a_trial_needs():
    assert slots_here(bound(resources={"cpu": cores_here()})) == 1
    assert slots_here(bound(resources={"cpu": 0.5})) == 2 * cores_here()
    assert slots_here(bound(resources={"cpu": 0.5}, search={"concurrency": 1})) == 1
    assert slots_here(bound(resources={"cpu": 1000})) == 1
