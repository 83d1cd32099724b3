"""From a name to the task: the one place where this happens.

A task is named in one of three ways: by the name of a built-in task; by the name under which an installed
package offers one (entry points of the group ``paretune.tasks``); or by where its class is,
``path/to/file.py:ClassName`` or ``package.module:ClassName``. The third runs code that whoever wrote the name
chose, so it needs permission: the caller's, the environment's, or that the user made the file here
(:mod:`trainables.trusted`). Nothing is imported before it is asked for.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from paretune.errors import Error
from trainables.contract import Task
from trainables.trusted import is_trusted, trusted_files

ENTRY_POINTS = "paretune.tasks"
"""The group of entry points under which a package offers its tasks."""

ALLOW_VARIABLE = "PARETUNE_ALLOW_TASK_CODE"
"""Set to 1, code that a space file, a search or a checkpoint names may run."""

_BUILT_IN = {
    "addition": "trainables.addition.task:AdditionTask",
    "gpt2": "trainables.gpt2.task:GPT2Task",
}
_MEMBERS = ("name", "config_class", "metrics", "size_fields", "parameter_table", "workload")
"""What is looked for to tell a task from another class; the contract has more."""

_MODULE = "paretune_task_"
"""What the modules begin with that files of tasks are imported as."""

_loaded: dict[str, tuple[object, Task]] = {}
"""Tasks by reference, each with what its source was when it was loaded."""


class TaskError(Error, ValueError):
    """A task that cannot be had; the message says why and what to do."""


class _BuiltInTasks(Mapping[str, Task]):
    """The tasks that paretune has itself, imported one by one."""

    def __getitem__(self, name: str) -> Task:
        if name not in _loaded:
            module, _, attribute = _BUILT_IN[name].partition(":")
            _loaded[name] = (None, cast("Task", getattr(importlib.import_module(module), attribute)()))
        return _loaded[name][1]

    def __iter__(self) -> Iterator[str]:
        return iter(_BUILT_IN)

    def __len__(self) -> int:
        return len(_BUILT_IN)


TASKS: Mapping[str, Task] = _BuiltInTasks()
"""The built-in tasks by name."""


def installed_tasks() -> dict[str, EntryPoint]:
    """Return what packages installed here offer, by name; a built-in task's name stays its own."""
    offered = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    return {name: offered[name] for name in sorted(offered) if name not in _BUILT_IN}


def task_names() -> list[str]:
    """Return the names that need no permission: of built-in and of installed tasks."""
    return sorted({*_BUILT_IN, *installed_tasks()})


def is_code(reference: str) -> bool:
    """Tell whether a reference says where a class is, rather than giving a name."""
    return ":" in reference


def get_task(reference: str, *, allow_code: bool = False) -> Task:
    """Return the task that ``reference`` names.

    Args:
        reference: a name, ``path/to/file.py:ClassName`` or ``package.module:ClassName``.
        allow_code: whether code that the reference names may run.

    Raises:
        TaskError: there is no such task, it may not be run, or it cannot be loaded.
    """
    if not isinstance(reference, str):
        raise ValueError(f"a task is named by a text, but got {reference!r}")
    if reference in _BUILT_IN:
        return TASKS[reference]
    if is_code(reference):
        return _from_code(reference, allow_code=allow_code)
    installed = installed_tasks()
    if reference in installed:
        return _from_package(installed[reference])
    names = task_names()
    close = get_close_matches(reference, names, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise TaskError(
        f"there is no task {reference!r}; there is: {', '.join(names)}.{meant} If a package offers it, "
        "install that here"
    )


@dataclass(frozen=True, kw_only=True)
class KnownTask:
    """A task that may be named without permission, and where it comes from; or why it cannot be had."""

    reference: str
    origin: str
    task: Task | None = None
    problem: str | None = None


def known_tasks() -> Iterator[KnownTask]:
    """Yield the tasks that need no permission here: built in, of installed packages, and in trusted files."""
    for name in _BUILT_IN:
        yield _known(name, "built in")
    for name, point in installed_tasks().items():
        yield _known(name, f"the package {_package_of(point)}")
    for path in trusted_files():
        try:
            _state_of(path)
            classes = [name for name, value in vars(_run_file(path)).items() if _is_own_task(value)]
        except TaskError as error:
            yield KnownTask(reference=str(path), origin="your file", problem=str(error))
            continue
        for name in classes:
            yield _known(f"{path}:{name}", "your file")


def _known(reference: str, origin: str) -> KnownTask:
    try:
        return KnownTask(reference=reference, origin=origin, task=get_task(reference))
    except TaskError as error:
        return KnownTask(reference=reference, origin=origin, problem=str(error))


def reference_of(task: Task) -> str:
    """Return what :func:`get_task` was asked for to return this task; else its name."""
    return next((reference for reference, (_, known) in _loaded.items() if known is task), task.name)


def absolute_reference(reference: str, folder: Path) -> str:
    """Return the same reference, with a file in it named so that it is found from any folder.

    Args:
        reference: a task's.
        folder: what a relative path starts from: the folder of the space file.
    """
    place, _, attribute = reference.rpartition(":")
    if not place or not _is_file(place):
        return reference
    return f"{(folder / Path(place).expanduser()).resolve()}:{attribute}"


def _is_file(place: str) -> bool:
    return place.endswith(".py") or "/" in place or os.sep in place


def _is_allowed_here() -> bool:
    return os.environ.get(ALLOW_VARIABLE, "").lower() in ("1", "true", "yes", "on")


def _from_code(reference: str, *, allow_code: bool) -> Task:
    place, _, attribute = reference.rpartition(":")
    if not place or not attribute.isidentifier():
        raise TaskError(
            f"{reference!r} is not where a task's class is; write path/to/file.py:ClassName or "
            "package.module:ClassName"
        )
    is_file = _is_file(place)
    what = f"the file {place}" if is_file else f"the module {place}"
    allowed = allow_code or _is_allowed_here() or (is_file and is_trusted(Path(place)))
    if not allowed:
        raise TaskError(
            f"task {attribute} would run the code of {what}, which was not allowed. Look at what it "
            f"does. If you trust it, allow it with --allow-task-code, with {ALLOW_VARIABLE}=1, or in Python "
            "with allow_task_code=True"
        )
    source = _state_of(Path(place)) if is_file else None
    if reference in _loaded and _loaded[reference][0] == source:
        return _loaded[reference][1]
    module = _run_file(Path(place)) if is_file else _import(place, reference)
    try:
        found = getattr(module, attribute)
    except AttributeError:
        there = [name for name, value in vars(module).items() if _looks_like_a_task(value)]
        hint = f"; it has: {', '.join(there)}" if there else ""
        raise TaskError(f"{what} has no {attribute}{hint}") from None
    task = _made(found, reference)
    _loaded[reference] = (source, task)
    return task


def _from_package(point: EntryPoint) -> Task:
    if point.name not in _loaded:
        try:
            found = point.load()
        except Exception as error:  # whatever somebody else's package does when it is imported
            raise TaskError(
                f"the task {point.name} of the package {_package_of(point)} cannot be loaded: {_why(error)}"
            ) from error
        _loaded[point.name] = (None, _made(found, point.name))
    return _loaded[point.name][1]


def _package_of(point: EntryPoint) -> str:
    return point.module if point.dist is None else point.dist.name


def _state_of(path: Path) -> object:
    """Return what changes when a file is edited, so that an open notebook gets the new task."""
    try:
        status = path.stat()
    except OSError:
        raise TaskError(
            f"there is no file {path}, in which the task is. Put it there, on every machine that runs "
            f"trials, or install a package that offers the task as an entry point of {ENTRY_POINTS}. If it "
            "was moved, state its new place under task in the space file, or in plan.json of the search"
        ) from None
    return status.st_mtime_ns, status.st_size


def _run_file(path: Path) -> ModuleType:
    name = f"{_MODULE}{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TaskError(f"{path} is not a Python file; a task's file ends in .py")
    # Last, so that files beside the task can be imported by it, and hide nothing.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic looks annotations up in it
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the file does
        del sys.modules[name]
        raise TaskError(f"the task's file {path} cannot be loaded: {_why(error, path)}") from error
    return module


def _import(name: str, reference: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever the module does
        if isinstance(error, ModuleNotFoundError) and name.startswith(str(error.name)):
            package = str(error.name)
            raise TaskError(
                f"the task {reference} needs the package {package}, which is not installed here; install it, "
                "on every machine that runs trials"
            ) from None
        raise TaskError(f"the module {name} of the task cannot be loaded: {_why(error)}") from error


def _why(error: Exception, path: Path | None = None) -> str:
    """Say what went wrong in a task's code, and where in its file."""
    if isinstance(error, ModuleNotFoundError):
        return f"it needs the package {error.name}, which is not installed here; install it"
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if path is not None and frame.filename == str(path)]
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}"


def _looks_like_a_task(value: object) -> bool:
    return all(hasattr(value, member) for member in _MEMBERS)


def _is_own_task(value: object) -> bool:
    """Tell a task's class from those that its file imports."""
    return isinstance(value, type) and _looks_like_a_task(value) and value.__module__.startswith(_MODULE)


def _made(found: Any, reference: str) -> Task:
    """Return the task that a class makes, or that is there already."""
    try:
        task = found() if isinstance(found, type) else found
    except Exception as error:  # whatever the class does
        raise TaskError(f"the task {reference} cannot be made: {_why(error)}") from error
    lacking = [member for member in _MEMBERS if not hasattr(task, member)]
    if lacking:
        raise TaskError(
            f"{reference} is not a task: it lacks {', '.join(lacking)}. A task derives from paretune.BaseTask"
        )
    return cast("Task", task)
