"""The contract of a task as a suite of checks, for whoever writes one.

With pytest, a test file of five lines runs it::

    from parity import Parity
    from paretune.testing import TaskContract

    class TestParity(TaskContract):
        task = Parity()

Without, :func:`check_task` does the same at a prompt. The checks run on the CPU, with the configuration that
the task has by default, and take some seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.errors import Error
from paretune.testing.configuration import ConfigurationChecks
from paretune.testing.training import TrainingChecks
from trainables.config import TrainingConfig
from trainables.contract import Task

__all__ = ["ContractError", "TaskContract", "check_task"]


class ContractError(Error, AssertionError):
    """A task that does not keep the contract; the message lists every check that failed, and why."""


class TaskContract(ConfigurationChecks, TrainingChecks):
    """What every task must keep, a method for each check; a subclass states ``task``.

    It may state ``config``, a configuration that trains quickly, and ``other_values``: for fields whose type
    suggests none, such as lists, valid values other than the default.
    """


def check_task(
    task: Task,
    config: TrainingConfig | None = None,
    *,
    other_values: Mapping[str, Sequence[Any]] | None = None,
) -> None:
    """Check that a task keeps the contract; return if it does.

    Args:
        task: the task.
        config: a configuration that trains quickly; the task's default if None.
        other_values: valid values other than the default, of fields whose type suggests none.

    Raises:
        ContractError: it does not; the message lists every check that failed, and why.
    """
    stated = {"task": task, "config": config, "other_values": other_values or {}}
    checks = type("Checks", (TaskContract,), stated)()
    failed = []
    for name in sorted(name for name in dir(checks) if name.startswith("test_")):
        try:
            getattr(checks, name)()
        except Exception as error:  # whatever the task does
            said = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            failed.append(f"- {name.removeprefix('test_').replace('_', ' ')}: {said}")
    if failed:
        count = f"{len(failed)} check{'s' * (len(failed) > 1)}"
        raise ContractError("\n".join([f"the task {task.name} fails {count}:", *failed]))
