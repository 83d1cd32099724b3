"""The table of tasks: the one place where a task's name is turned into the task."""

from __future__ import annotations

from trainables.addition.task import AdditionTask
from trainables.contract import Task
from trainables.gpt2.task import GPT2Task

TASKS: dict[str, Task] = {task.name: task for task in (AdditionTask(), GPT2Task())}


def get_task(name: str) -> Task:
    """Return the task called ``name``.

    Raises:
        ValueError: there is no such task; the message lists those there are.
    """
    try:
        return TASKS[name]
    except KeyError:
        raise ValueError(f"there is no task {name!r}; there is: {', '.join(sorted(TASKS))}") from None
