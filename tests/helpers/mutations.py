"""Files of strangers: real ones with bytes or values changed, and what may come of reading them."""

from __future__ import annotations

import copy
import json
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from paretune.errors import Error

# By default Arrow maps a gibibyte ahead, of which it uses what it needs: the limit would count all of it.
pyarrow.set_memory_pool(pyarrow.system_memory_pool())

TIMES = int(os.environ.get("PARETUNE_FUZZ", "1"))
"""How many times as many examples as in the suite, which has little time: state it when a reader changes."""


def fuzzed(examples: int) -> settings:
    """Return the settings of a test of so many examples in the suite."""
    return settings(
        max_examples=TIMES * examples,
        derandomize=TIMES == 1,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


SECONDS = 10.0
"""Of this process's processor: how long they take, other work on the machine decides."""
PATIENCE = 120.0
"""Elapsed seconds, within which a compiler may run, and nothing may hang."""
MEMORY = 2**30

DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 7, 0.5, -0.0, 1e-300, 1e308, -1e308),
    *(2**31, 2**63 - 1, 2**63, 10**12, 10**18, 10**30, -(10**30), 10**400),
    *(
        "",
        " ",
        "c000-s0",
        "nan",
        "inf",
        "1e999",
        "../../etc/passwd",
        "/etc/passwd",
        "a/b",
        ".",
        "..",
        "~",
        "\0",
    ),
    *(
        "[red]x[/red]",
        "[/]",
        "<script>alert(1)</script>",
        "\x1b[31mred\x1b[0m",
        "a\nb",
        "\u202eabc",
        "\ud800",
    ),
    *("x" * 5000, "{{7*7}}", "%s%n", "$(id)", "solved", "addition", "gpt2", "min", "=1+1"),
    *([], {}, [[]], [{}], {"": None}, [None], [1, "a"], {"a": {"b": [1]}}, [0] * 300, DEEP),
    *(float("nan"), float("inf"), float("-inf")),
]
"""What stands in files in the place of what is right."""

Change = tuple[str, float, Any]

changes = st.lists(
    st.tuples(
        st.sampled_from(["set", "set", "set", "drop", "copy", "rename", "swap"]),
        st.floats(0, 1),
        st.sampled_from(VALUES),
    ),
    min_size=1,
    max_size=3,
)
"""Changes of values: what, where (as a share of all places), and a value."""

byte_changes = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "drop", "double", "insert", "zero", "swap"]),
        st.floats(0, 1),
        st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=4,
)
"""Changes of bytes: what, where (as a share of the file), and bytes."""


def places(content: Any) -> list[tuple[Any, ...]]:
    """Return the paths of all values in nested mappings and lists, the whole left out."""
    found = []
    left: list[tuple[tuple[Any, ...], Any]] = [((), content)]
    while left:
        path, value = left.pop()
        if path:
            found.append(path)
        parts = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        left.extend(((*path, key), part) for key, part in parts)
    return sorted(found, key=repr)


def changed(content: Any, wanted: list[Change], values: Any = None) -> Any:
    """Return a copy of plain values with some changed."""
    content = copy.deepcopy(content)
    for kind, where, value in wanted:
        paths = places(content)
        if not paths:
            return value
        path = paths[min(int(where * len(paths)), len(paths) - 1)]
        holder = content
        for step in path[:-1]:
            holder = holder[step]
        key = path[-1]
        if kind == "set":
            holder[key] = copy.deepcopy(value)
        elif kind == "drop":
            del holder[key]
        elif kind == "copy" and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif kind == "rename" and isinstance(holder, dict):
            holder[value if isinstance(value, str) else "x"] = holder.pop(key)
        elif kind == "swap":
            other = paths[int(where * 7919) % len(paths)]
            found = content
            for step in other:
                found = found[step]
            holder[key] = copy.deepcopy(found)
    return content


def with_bytes(raw: bytes, wanted: list[Change]) -> bytes:
    """Return bytes with some changed."""
    for kind, where, value in wanted:
        at = min(int(where * len(raw)), max(len(raw) - 1, 0))
        size = len(value)
        if kind == "flip" and raw:
            raw = raw[:at] + bytes([raw[at] ^ (value[0] or 1)]) + raw[at + 1 :]
        elif kind == "cut":
            raw = raw[:at]
        elif kind == "drop":
            raw = raw[:at] + raw[at + size :]
        elif kind == "double":
            raw = raw[:at] + raw[max(0, at - 40 * size) :]
        elif kind == "insert":
            raw = raw[:at] + value + raw[at:]
        elif kind == "zero":
            raw = raw[:at] + b"\0" * size + raw[at + size :]
        elif kind == "swap":
            raw = raw[at:] + raw[:at]
    return raw


def as_json(content: Any) -> bytes:
    """Write values as JSON, also those that it does not have, such as NaN."""
    return json.dumps(content).encode()


def _looked_at(error: Error) -> Error:
    """Return an error of ours that says something, and behind which memory did not run out."""
    assert str(error).strip(), "an error without a word"
    reason: BaseException | None = error
    while reason is not None:
        assert not isinstance(reason, MemoryError), f"memory: {error}"
        assert "allocate" not in str(reason), f"memory: {error}"
        reason = reason.__cause__ or reason.__context__
    return error


class TooLongError(BaseException):
    """A reader took too long: nothing that it may catch."""


@contextmanager
def _bounded() -> Iterator[None]:
    """Bound the memory and the time of this process for a while."""

    def ring(number: int, _: object) -> None:
        took = SECONDS if number == signal.SIGPROF else PATIENCE
        raise TooLongError(f"it took more than {took:g} s")

    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + MEMORY, before[1]))
    old = {number: signal.signal(number, ring) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in old.items():
            signal.signal(number, handler)
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_bytes() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[5]) * resource.getpagesize()


def must_be_ours(read: Callable[..., Any], *arguments: Any) -> Any:
    """Read, and return what comes of it, or the error of ours; all else fails the test.

    Raises:
        AssertionError: another exception, more memory than 1 GiB, or more than 10 s of the processor.
    """
    began = time.process_time()
    try:
        with _bounded():
            return read(*arguments)
    except Error as error:
        return _looked_at(error)
    except TooLongError as error:
        raise AssertionError(str(error)) from error
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}") from error
    finally:
        assert time.process_time() - began < SECONDS + 5
