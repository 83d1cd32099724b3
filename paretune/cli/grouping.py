"""Options that belong together, as one value: a command takes a dataclass, and typer sees its fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Any, get_type_hints


def grouped(command: Callable[..., int]) -> Callable[..., int]:
    """Return a command that takes, in place of each dataclass, its fields as options of their own.

    Every field needs a default, and an annotation such as those in :mod:`paretune.cli.options`. The options
    stand where the dataclass stood. Typer reads signature and annotations, so both are rewritten.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[Parameter] = []
    groups: dict[str, Any] = {}
    for parameter in signature(command).parameters.values():
        hint = hints[parameter.name]
        if not is_dataclass(hint):
            # By name, as typer calls it: an argument without a default may follow an option with one.
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hint))
            continue
        groups[parameter.name] = hint
        of_fields = get_type_hints(hint, include_extras=True)
        for field in fields(hint):
            assert field.default is not MISSING, f"{field.name} needs a default"
            parameters.append(
                Parameter(
                    field.name,
                    Parameter.KEYWORD_ONLY,
                    default=field.default,
                    annotation=of_fields[field.name],
                )
            )

    @wraps(command)
    def flat(**given: Any) -> int:
        values = {
            name: group(**{field.name: given.pop(field.name, field.default) for field in fields(group)})
            for name, group in groups.items()
        }
        return command(**given, **values)

    flat.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": hints["return"]}
    return flat
