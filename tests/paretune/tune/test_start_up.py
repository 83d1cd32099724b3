"""Between the command and the first training step: who imports what."""

from __future__ import annotations

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
