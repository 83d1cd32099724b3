"""From a space file to a draft of a plan, with every mistake in its form found at once, by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from search_spaces.dimensions import Choice, FloatRange, IntRange
from search_spaces.mistakes import KeyPath, Mistake, SpaceFileError
from search_spaces.parts.limits import Limits
from search_spaces.plan import PlanDraft
from search_spaces.reading import line_of, parse, read_text
from search_spaces.wording import accepted, findings

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
        self.text = read_text(path)
        read = parse(self.text, path)
        self.content, self._lines = read.values, read.lines

    def line_of(self, path: KeyPath) -> int | None:
        """Return the line, counted from 1, of a key or of the nearest key around it."""
        return line_of(path, self._lines)

    def error(self, mistakes: Sequence[Mistake]) -> SpaceFileError:
        """Return the error that shows mistakes at their lines, in the order of the file."""
        located = sorted(
            ((self.line_of(mistake.path), mistake) for mistake in mistakes), key=lambda pair: pair[0] or 0
        )
        return SpaceFileError(
            str(self.path), [mistake for _, mistake in located], [line for line, _ in located]
        )

    def draft(self, overrides: Mapping[KeyPath, Any] | None = None) -> PlanDraft:
        """Return what the file says, with some keys set to other values.

        Args:
            overrides: values from the command line, to put at paths such as ``("search", "trials")``.

        Raises:
            SpaceFileError: with every mistake in the form of the file.
        """
        try:
            return draft_of(self.content, overrides or {})
        except FormError as error:
            raise self.error(error.mistakes) from None


class FormError(Exception):
    """Content that is not a plan even in form, with every mistake."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = mistakes


def draft_of(content: Mapping[str, Any], overrides: Mapping[KeyPath, Any]) -> PlanDraft:
    """Return the draft that plain values are, with some keys set to other values.

    Raises:
        FormError: with every mistake in their form.
    """
    changed: Any = content
    for path, value in overrides.items():
        changed = _with_value(changed, path, value)
    try:
        return PlanDraft.model_validate(changed)
    except ValidationError as error:
        found = (_told(mistake, kind, changed) for mistake, kind in findings(error, changed))
        raise FormError([_marked(mistake, overrides) for mistake in found]) from None


def _told(mistake: Mistake, kind: str, content: Any) -> Mistake:
    """Say of a key or a kind of dimension that there is not, which there are."""
    path = mistake.path
    if kind == "extra_forbidden":
        return Mistake(path, mistake.message + _known_keys(path, content))
    if kind not in ("union_tag_not_found", "union_tag_invalid"):
        return mistake
    value = content
    for step in path:
        value = value[step]
    is_missing = kind == "union_tag_not_found"
    given = value.get("type") if isinstance(value, dict) else value
    what = "is missing" if is_missing else f"got {given!r}"
    return Mistake((*path, "type"), f"{what}; accepted: {', '.join(_DIMENSIONS)}")


def _marked(mistake: Mistake, overrides: Mapping[KeyPath, Any]) -> Mistake:
    """Say of a value that was given on the command line that it is not the file's."""
    if mistake.path not in overrides:
        return mistake
    return Mistake(mistake.path, f"{mistake.message} (given on the command line)")


def _known_keys(path: KeyPath, content: Any) -> str:
    """Say which keys are accepted beside an unknown one, the most similar first."""
    model: type[BaseModel] = PlanDraft
    found: type[BaseModel] | None = None
    value: Any = content
    for step in path[:-1]:
        value = value[step]
        if isinstance(step, str) and step in model.model_fields:
            found = _model_of(model.model_fields[step].annotation)
        elif path[0] == "space" and isinstance(value, dict):
            found = _DIMENSIONS.get(str(value.get("type")))
        elif path[0] == "constraints":
            found = Limits
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
    return {**(content if isinstance(content, dict) else {}), path[0]: _with_value(inner, path[1:], value)}
