"""What a task's trained models can be asked for, beside an evaluation.

A task lists its abilities by name, each a function whose first argument is the :class:`LoadedModel`. These
names have a command:

- ``add(loaded, a, b)`` returns the model's answer to a + b, or None if that is no number (``paretune add``).
- ``generate(loaded, prompt, *, tokens, temperature, top_k, seed)`` yields text, piece by piece
  (``paretune generate``).
- ``adderboard(loaded, path, *, name, author)`` writes a file and returns an :class:`Export`
  (``paretune export --adderboard``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paretune.errors import Error

if TYPE_CHECKING:
    from trainables.checkpoints import LoadedModel


class AbilityError(Error, ValueError):
    """Something that a model cannot be asked for; the message says what it can."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """What became of a file that a model was to be written to.

    ``failure`` says why it was not written; None if it was. ``sentences`` are for people, ``content`` holds
    the same in plain values.
    """

    sentences: Sequence[str]
    content: Mapping[str, Any]
    failure: str | None = None


def ability(loaded: LoadedModel, name: str) -> Callable[..., Any]:
    """Return the ability of a model's task that is called ``name``.

    Raises:
        AbilityError: the task has none of this name.
    """
    abilities = loaded.task.abilities
    if name not in abilities:
        offered = ", ".join(sorted(abilities)) or "nothing but an evaluation"
        raise AbilityError(
            f"a model of the task {loaded.task.name} does not offer {name}; it offers: {offered}"
        )
    return abilities[name]
