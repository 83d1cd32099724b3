"""Between the command and the first training step: who imports what."""

from __future__ import annotations

import os
import subprocess
import sys


def imported_by(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_driver_of_a_search_does_not_wait_for_torch() -> None:
    modules = imported_by("import paretune.api.searching, paretune.terminal.display, paretune.tune.run")
    assert "ray.tune" in modules
    assert "torch" not in modules


def test_a_worker_has_imported_what_a_trial_needs_before_it_gets_one() -> None:
    prepared = imported_by(
        "from importlib import import_module\n"
        "from paretune.tune.cluster import _PREPARE_WORKER\n"
        "module, _, name = _PREPARE_WORKER.rpartition('.')\n"
        "getattr(import_module(module), name)()"
    )
    assert {"torch", "trainables.loop", "paretune.tune.trainable"} <= prepared


SLEEPS = """
import os, ray
from paretune.tune.cluster import ray_session
with ray_session("local"):
    print(ray.get(ray.remote(lambda: os.environ.get("OMP_WAIT_POLICY")).remote()))
"""


def test_threads_of_a_worker_sleep_while_they_wait_unless_the_user_has_chosen() -> None:
    """Spinning threads cost four times the processor time where a core is taken."""
    for chosen, expected in ({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active"):
        environment = {
            name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"
        } | chosen
        done = subprocess.run(
            [sys.executable, "-c", SLEEPS], env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout.split() == [expected], done.stderr


def test_threads_of_a_command_sleep_while_they_wait() -> None:
    program = """
import os, sys
sys.argv = ["paretune", "--version"]
from paretune.__main__ import main
try:
    main()
finally:
    print(os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules)
"""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "passive False", done.stderr
