"""From a YAML file to its plain content, and the line of every key in it."""

from __future__ import annotations

import os
import select
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode

from search_spaces.mistakes import KeyPath, Mistake, SpaceFileError

MAX_BYTES = 1_000_000
MAX_NODES = 100_000
MAX_DIGITS = 100
"""Digits of a whole number: more are a slip, and Python itself refuses to write out some thousands."""

PIPE_SECONDS = 10.0
"""How long a pipe may take to send a space file, as ``<(command)`` makes one."""

_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null")}


def unreadable(path: Path, why: str, line: int | None = None) -> SpaceFileError:
    """Return the error that a file as a whole cannot be used."""
    return SpaceFileError(str(path), [Mistake((), why)], [line])


def read_text(path: Path) -> str:
    """Return the text of a file, or of a pipe that ends.

    Raises:
        SpaceFileError: there is none, it is no file, too large, or not text.
    """
    try:
        # Not blocking: a pipe that nobody writes to would be waited for when it is opened.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise unreadable(path, "there is no such file") from None
    except OSError as error:
        raise unreadable(path, f"cannot be read: {error.strerror}") from None
    try:
        state = os.fstat(descriptor)
        if stat.S_ISDIR(state.st_mode):
            raise unreadable(path, "is a folder; name a space file in it")
        is_pipe = stat.S_ISFIFO(state.st_mode)
        if not is_pipe and not stat.S_ISREG(state.st_mode):
            raise unreadable(path, "is a device, not a file; name a space file")
        if state.st_size > MAX_BYTES:
            raise unreadable(path, f"has {state.st_size:,} bytes; a space file has at most {MAX_BYTES:,}")
        raw = _from_pipe(descriptor, path) if is_pipe else _from_file(descriptor)
    except OSError as error:
        raise unreadable(path, f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(raw) > MAX_BYTES:
        raise unreadable(path, f"has more than {MAX_BYTES:,} bytes; a space file has at most so many")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise unreadable(path, f"is not UTF-8 text (byte {error.start})") from None


def _from_file(descriptor: int) -> bytes:
    raw = b""
    while len(raw) <= MAX_BYTES and (part := os.read(descriptor, MAX_BYTES + 1 - len(raw))):
        raw += part
    return raw


def _from_pipe(descriptor: int, path: Path) -> bytes:
    raw, until = b"", time.monotonic() + PIPE_SECONDS
    while len(raw) <= MAX_BYTES:
        try:
            # Read before it is waited for: a pipe that nobody writes to ends here, and never wakes up.
            part = os.read(descriptor, MAX_BYTES + 1 - len(raw))
        except BlockingIOError:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise unreadable(path, f"is a pipe that has not ended after {PIPE_SECONDS:g} s") from None
            continue
        if not part:
            break
        raw += part
    if not raw:
        raise unreadable(path, "is a pipe to which nothing is written; name a space file")
    return raw


@dataclass(frozen=True)
class Content:
    """What a space file says, in plain values, and where."""

    values: dict[str, Any]
    lines: dict[KeyPath, int]
    """Lines, counted from 1, by the path of keys."""


def parse(text: str, path: Path) -> Content:
    """Return the content of a YAML text.

    Args:
        text: YAML 1.2: ``1e-3`` is a number, ``no`` is a word.
        path: the file that errors name.

    Raises:
        SpaceFileError: it is not YAML, not a mapping, or has something that a space file cannot have.
    """
    # Round-trip mode builds only maps, lists and scalars, and remembers their lines.
    yaml = YAML(typ="rt")
    yaml.Constructor = _Constructor
    try:
        tree = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        problem = (error.problem or "is not YAML").strip().splitlines()[0]
        raise unreadable(path, f"is not valid YAML: {problem}", line) from None
    except RecursionError:
        raise unreadable(path, "is nested too deeply for a space file") from None
    except (YAMLError, ValueError) as error:
        raise unreadable(path, f"is not valid YAML: {str(error).splitlines()[0]}") from None
    if tree is None:
        raise unreadable(path, "is empty; a space file states at least name, task, objectives and space")
    if not isinstance(tree, CommentedMap):
        raise unreadable(path, f"must be a mapping of keys to values at the top, but is {_kind_of(tree)}", 1)
    return _Reader(path).content(tree)


class _LongNumber:
    """A whole number that Python refuses to read for its length."""

    def __init__(self, digits: int) -> None:
        self.digits = digits

    def __repr__(self) -> str:
        return f"a whole number of {self.digits:,} digits"


class _Constructor(RoundTripConstructor):
    """Builds what the text says, but for whole numbers that are too long to be read."""

    def whole_number(self, node: ScalarNode) -> Any:
        if len(node.value) > 10 * MAX_DIGITS:
            return _LongNumber(sum(character.isdigit() for character in node.value))
        return self.construct_yaml_int(node)


_Constructor.add_constructor("tag:yaml.org,2002:int", _Constructor.whole_number)


class _Reader:
    """Turns the parser's nodes into plain values, and notes their lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[KeyPath, int] = {}
        self._nodes = 0

    def content(self, tree: CommentedMap) -> Content:
        values = self._plain(tree, ())
        assert isinstance(values, dict)
        return Content(values, self._lines)

    def _plain(self, node: Any, path: KeyPath) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise unreadable(self._path, f"has more than {MAX_NODES:,} values, aliases counted each time")
        tag = getattr(getattr(node, "tag", None), "value", None)
        if tag is not None and str(tag) not in _PLAIN_TAGS:
            raise self._of_kind(tag, path)
        if isinstance(node, CommentedMap):
            return self._pairs(node, path) if _is_table(path) else self._map(node, path)
        if isinstance(node, CommentedSeq):
            for index in range(len(node)):
                self._lines[*path, index] = node.lc.item(index)[0] + 1
            return [self._plain(value, (*path, index)) for index, value in enumerate(node)]
        if node is None or isinstance(node, bool):
            return node
        if isinstance(node, int):
            return self._whole_number(int(node), path)
        if isinstance(node, _LongNumber):
            raise self._too_long(node.digits, path)
        for kind in (float, str):
            if isinstance(node, kind):
                return kind(node)
        raise self._of_kind(type(node).__name__, path)

    def _map(self, node: CommentedMap, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in node.items():
            # Keys that a merge (<<) brought in have no place of their own.
            line = node.lc.key(key)[0] + 1 if key in (node.lc.data or {}) else node.lc.line + 1
            if not isinstance(key, str):
                mistake = Mistake(path, f"keys must be words, but got {key!r}")
                raise SpaceFileError(str(self._path), [mistake], [line])
            self._lines[*path, key] = line
            result[key] = self._plain(value, (*path, key))
        return result

    def _pairs(self, node: CommentedMap, path: KeyPath) -> list[list[Any]]:
        """Return a map as pairs: there, keys are values of a parameter, such as numbers."""
        pairs = []
        for index, (key, value) in enumerate(node.items()):
            line = node.lc.key(key)[0] + 1 if key in (node.lc.data or {}) else node.lc.line + 1
            self._lines[*path, index] = line
            pairs.append([self._plain(key, (*path, index, 0)), self._plain(value, (*path, index, 1))])
        return pairs

    def _whole_number(self, number: int, path: KeyPath) -> int:
        if abs(number) >= 10**MAX_DIGITS:
            raise self._too_long(len(str(abs(number))), path)
        return number

    def _too_long(self, digits: int, path: KeyPath) -> SpaceFileError:
        return self._error(
            path, f"got a whole number of {digits:,} digits; accepted: numbers of at most {MAX_DIGITS}"
        )

    def _of_kind(self, kind: object, path: KeyPath) -> SpaceFileError:
        return self._error(
            path, f"got a value of kind {kind}; accepted: plain numbers, words, lists and maps"
        )

    def _error(self, path: KeyPath, message: str) -> SpaceFileError:
        return SpaceFileError(str(self._path), [Mistake(path, message)], [line_of(path, self._lines)])


def line_of(path: KeyPath, lines: dict[KeyPath, int]) -> int | None:
    """Return the line of a key, or of the nearest key around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def _is_table(path: KeyPath) -> bool:
    """Tell whether a path is that of the table in which a derived value is looked up."""
    return len(path) == 3 and path[0] == "derived" and path[2] == "table"


def _kind_of(value: Any) -> str:
    return "a list" if isinstance(value, list) else f"{str(value)[:40]!r}"
