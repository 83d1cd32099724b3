"""From a YAML file to a plan, with every mistake found at once and located by line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from search_spaces.dimensions import Choice, FloatRange, IntRange
from search_spaces.mistakes import KeyPath, Mistake, SpaceFileError
from search_spaces.plan import Plan
from search_spaces.wording import accepted, finding

MAX_BYTES = 1_000_000
MAX_NODES = 100_000
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null")}
_DIMENSIONS: dict[str, type[BaseModel]] = {"int": IntRange, "float": FloatRange, "choice": Choice}


class SpaceFile:
    """A space file as read: its text, its plain content, and the line of every key.

    Args:
        path: the YAML file (YAML 1.2: ``1e-3`` is a number, ``no`` is a word).

    Raises:
        SpaceFileError: the file is missing, too large, not text, not YAML, or not a mapping.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = self._read()
        self._lines: dict[KeyPath, int] = {}
        self._nodes = 0
        self.content = self._parse()

    def line_of(self, path: KeyPath) -> int | None:
        """Return the line, counted from 1, of a key or of the nearest key around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)

    def error(self, mistakes: list[Mistake]) -> SpaceFileError:
        """Return the error that shows mistakes at their lines, in the order of the file."""
        located = sorted(
            ((self.line_of(mistake.path), mistake) for mistake in mistakes), key=lambda pair: pair[0] or 0
        )
        return SpaceFileError(
            str(self.path), [mistake for _, mistake in located], [line for line, _ in located]
        )

    def plan(
        self, overrides: Mapping[KeyPath, Any] | None = None, contradictions: list[Mistake] | None = None
    ) -> Plan:
        """Return the file's plan, with some keys set to other values.

        Args:
            overrides: values from the command line, to put at paths such as ``("search", "trials")``.
            contradictions: if given, contradictions between parts of the plan are put in here
                instead of raised, so that the caller can tell them together with others.

        Raises:
            SpaceFileError: with every mistake in the file.
        """
        content = self.content
        for path, value in (overrides or {}).items():
            content = _with_value(content, path, value)
        collected: list[Mistake] = []
        try:
            plan = Plan.model_validate(content, context={"mistakes": collected})
        except ValidationError as error:
            mistakes = [_mistake(detail, content) for detail in error.errors()]
            raise self.error(_marked(mistakes, overrides or {})) from None
        if contradictions is not None:
            contradictions += collected
        elif collected:
            raise self.error(collected)
        return plan

    def _read(self) -> str:
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            raise self._unreadable("there is no such file") from None
        except IsADirectoryError:
            raise self._unreadable("is a folder; name a space file in it") from None
        except OSError as error:
            raise self._unreadable(f"cannot be read: {error.strerror}") from None
        if len(raw) > MAX_BYTES:
            raise self._unreadable(f"has {len(raw):,} bytes; a space file has at most {MAX_BYTES:,}")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._unreadable(f"is not UTF-8 text (byte {error.start})") from None

    def _unreadable(self, why: str, line: int | None = None) -> SpaceFileError:
        return SpaceFileError(str(self.path), [Mistake((), why)], [line])

    def _parse(self) -> dict[str, Any]:
        try:
            # Round-trip mode builds only maps, lists and scalars, and remembers their lines.
            tree = YAML(typ="rt").load(self.text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = None if mark is None else mark.line + 1
            problem = (error.problem or "is not YAML").strip().splitlines()[0]
            raise self._unreadable(f"is not valid YAML: {problem}", line) from None
        except RecursionError:
            raise self._unreadable("is nested too deeply for a space file") from None
        except (YAMLError, ValueError) as error:
            raise self._unreadable(f"is not valid YAML: {str(error).splitlines()[0]}") from None
        if tree is None:
            raise self._unreadable("is empty; a space file states at least name, task, objectives and space")
        if not isinstance(tree, CommentedMap):
            raise self._unreadable(
                f"must be a mapping of keys to values at the top, but is {_kind_of(tree)}", 1
            )
        plain = self._plain(tree, ())
        assert isinstance(plain, dict)
        return plain

    def _plain(self, node: Any, path: KeyPath) -> Any:
        """Turn the parser's nodes into plain values and note their lines."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._unreadable(f"has more than {MAX_NODES:,} values, aliases counted each time")
        tag = getattr(getattr(node, "tag", None), "value", None)
        if tag is not None and str(tag) not in _PLAIN_TAGS:
            raise self._tagged(tag, path)
        if isinstance(node, CommentedMap):
            result: dict[str, Any] = {}
            for key, value in node.items():
                # Keys that a merge (<<) brought in have no place of their own.
                line = node.lc.key(key)[0] + 1 if key in (node.lc.data or {}) else node.lc.line + 1
                if not isinstance(key, str):
                    mistake = Mistake(path, f"keys must be words, but got {key!r}")
                    raise SpaceFileError(str(self.path), [mistake], [line])
                self._lines[*path, key] = line
                result[key] = self._plain(value, (*path, key))
            return result
        if isinstance(node, CommentedSeq):
            for index in range(len(node)):
                self._lines[*path, index] = node.lc.item(index)[0] + 1
            return [self._plain(value, (*path, index)) for index, value in enumerate(node)]
        if node is None or isinstance(node, bool):
            return node
        for kind in (int, float, str):
            if isinstance(node, kind):
                return kind(node)
        raise self._tagged(type(node).__name__, path)

    def _tagged(self, tag: object, path: KeyPath) -> SpaceFileError:
        return SpaceFileError(
            str(self.path),
            [Mistake(path, f"got a value of kind {tag}; accepted: plain numbers, words, lists and maps")],
            [self.line_of(path)],
        )


def load_space(path: Path) -> Plan:
    """Return the plan of a space file.

    Raises:
        SpaceFileError: with every mistake in the file.
    """
    return SpaceFile(path).plan()


def _mistake(detail: ErrorDetails, content: dict[str, Any]) -> Mistake:
    """Translate one finding of the model into a mistake that names the value and what is accepted."""
    path, value = _locate(detail["loc"], content)
    kind = detail["type"]
    if kind == "extra_forbidden":
        return Mistake(path, finding(detail) + _known_keys(path, content))
    if kind == "union_tag_not_found":
        return Mistake((*path, "type"), f"is missing; accepted: {', '.join(_DIMENSIONS)}")
    if kind == "union_tag_invalid":
        given = value.get("type") if isinstance(value, dict) else value
        return Mistake((*path, "type"), f"got {given!r}; accepted: {', '.join(_DIMENSIONS)}")
    return Mistake(path, finding(detail))


def _marked(mistakes: list[Mistake], overrides: Mapping[KeyPath, Any]) -> list[Mistake]:
    """Say of values that were given on the command line that they are not the file's."""
    return [
        Mistake(mistake.path, f"{mistake.message} (given on the command line)")
        if mistake.path in overrides
        else mistake
        for mistake in mistakes
    ]


def _locate(location: tuple[int | str, ...], content: Any) -> tuple[KeyPath, Any]:
    """Return the path in the file that a model location means, and the value found there.

    The model's locations hold the chosen kind of a dimension ("float") as a step of their own,
    which the file does not have.
    """
    path: list[int | str] = []
    value = content
    for position, step in enumerate(location):
        is_last = position == len(location) - 1
        if isinstance(value, dict):
            if step in value:
                path.append(step)
                value = value[step]
            elif is_last and not (path[:1] == ["space"] and step in _DIMENSIONS):
                path.append(step)
                value = None
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            path.append(step)
            value = value[step]
    return tuple(path), value


def _known_keys(path: KeyPath, content: Any) -> str:
    """Say which keys are accepted beside an unknown one, the most similar first."""
    model: type[BaseModel] = Plan
    found: type[BaseModel] | None = None
    value: Any = content
    for step in path[:-1]:
        value = value[step]
        if isinstance(step, str) and step in model.model_fields:
            found = _model_of(model.model_fields[step].annotation)
        elif path[0] == "space" and isinstance(value, dict):
            found = _DIMENSIONS.get(str(value.get("type")))
        if found is None:
            return ""
        model = found
    return accepted(str(path[-1]), model.model_fields)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """Find the model inside an annotation such as ``list[Objective]`` or ``EarlyStopping | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_of(part)
        if found is not None:
            return found
    return None


def _with_value(content: Any, path: KeyPath, value: Any) -> Any:
    """Return a copy of nested mappings in which ``path`` holds ``value``."""
    if not path:
        return value
    inner = content.get(path[0]) if isinstance(content, dict) else None
    return {**(content or {}), path[0]: _with_value(inner, path[1:], value)}


def _kind_of(value: Any) -> str:
    return "a list" if isinstance(value, list) else f"{str(value)[:40]!r}"
