"""Parameters that are computed from others, as plain data: products, sums, and lookups in a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Self, cast

from pydantic import BaseModel, BeforeValidator, Field, JsonValue, model_validator

from paretune.errors import Error
from search_spaces.dimensions import STRICT

Number = int | float

_WHOLE_BELOW = 1e15
"""From here on a float has no digits behind the point, and nothing says that a number is whole."""


def _as_list(content: Any) -> Any:
    if isinstance(content, list) and any(_is_number(name) for name in content):
        raise ValueError(f"got {content}; accepted: names of parameters; a number stands under by or plus")
    return [content] if isinstance(content, str) else content


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_pairs(content: Any) -> Any:
    """Return a map as pairs: JSON, in which plans are stored, has only texts as keys."""
    return [[key, value] for key, value in content.items()] if isinstance(content, dict) else content


Names = Annotated[
    list[str], Field(min_length=1), BeforeValidator(_as_list, json_schema_input_type=str | list[str])
]
Table = Annotated[
    list[list[JsonValue]],
    BeforeValidator(_as_pairs, json_schema_input_type=dict[str, JsonValue] | list[list[JsonValue]]),
]

_KINDS = ("times", "sum", "lookup")


class DerivationError(Error, ValueError):
    """A value that cannot be computed from the others; the message says why, and ``key`` where."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class Derived(BaseModel):
    """How a parameter is computed from others: `times`, a product; `sum`; or `lookup` in a `table`."""

    model_config = STRICT

    times: Names | None = Field(
        None,
        description="A product: the parameter, or list of parameters, that are multiplied.",
    )
    by: Number = Field(1, description="A number that the product is multiplied with.")
    sum: Names | None = Field(
        None, description="A sum: the parameter, or list of parameters, that are added."
    )
    plus: Number = Field(0, description="A number that is added to the sum.")
    multiple_of: int | None = Field(
        None,
        ge=1,
        description="Rounds a product or sum to the nearest multiple of this, at least to this itself.",
    )
    lookup: str | None = Field(None, description="The parameter whose value is looked up in `table`.")
    table: Table | None = Field(
        None,
        min_length=1,
        description="The value for each value of the parameter: a map, or a list of pairs.",
    )

    @model_validator(mode="before")
    @classmethod
    def _is_map(cls, content: Any) -> Any:
        if isinstance(content, dict | Derived):
            return content
        raise ValueError(f"got {content!r}; accepted: a map such as {{times: d_model, by: 4}}")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        stated = [name for name in _KINDS if getattr(self, name) is not None]
        if len(stated) != 1:
            raise ValueError(
                "state one of times, a product; sum; or lookup with a table, but got "
                + (" and ".join(stated) or "none of them")
            )
        for name, kinds in (
            ("by", ("times",)),
            ("plus", ("sum",)),
            ("table", ("lookup",)),
            ("multiple_of", ("times", "sum")),
        ):
            # Compared with the default: a stored plan states every key.
            is_stated = getattr(self, name) != type(self).model_fields[name].default
            if is_stated and stated[0] not in kinds:
                raise ValueError(f"{name} belongs to {' and '.join(kinds)}, not to {stated[0]}")
        if self.lookup is not None:
            self._check_table()
        return self

    def _check_table(self) -> None:
        if self.table is None:
            raise ValueError("lookup needs a table, such as {6: 1, 8: 2}")
        for index, pair in enumerate(self.table):
            if len(pair) != 2:
                raise ValueError(
                    f"table must be a map, or a list of pairs such as [[6, 1], [8, 2]], but got {pair}"
                )
            if any(_equal(pair[0], earlier[0]) for earlier in self.table[:index]):
                raise ValueError(f"table has {pair[0]!r} twice")

    @property
    def kind(self) -> str:
        """The key that says how it is computed: times, sum or lookup."""
        return next(name for name in _KINDS if getattr(self, name) is not None)

    @property
    def names(self) -> list[str]:
        """The parameters that it is computed from."""
        return [self.lookup] if self.lookup is not None else (self.times or self.sum or [])

    @property
    def written(self) -> dict[str, Any]:
        """How a space file states it."""
        content = self.model_dump(exclude_defaults=True)
        if len(self.names) == 1:
            content[self.kind] = self.names[0]
        pairs = self.table or []
        # Lists are no keys, and of 1 and true a map has one only.
        if pairs and all(isinstance(key, str | int | float) for key, _ in pairs):
            as_map = {key: value for key, value in pairs if isinstance(key, str | int | float)}
            if len(as_map) == len(pairs):
                content["table"] = as_map
        return content

    def of(self, values: Mapping[str, JsonValue]) -> JsonValue:
        """Return the value beside those of the parameters that it is computed from.

        Raises:
            DerivationError: one of these is not a number, or has no entry in the table.
        """
        if self.lookup is not None:
            return self._looked_up(values[self.lookup])
        numbers: list[Number] = []
        for name in self.names:
            value = values[name]
            if not _is_number(value):
                raise DerivationError(self.kind, f"needs numbers, but {name} can be {value!r}")
            numbers.append(cast("Number", value))
        numbers.append(self.by if self.times is not None else self.plus)
        # Of whole numbers exactly, however they are written: 3.0 is one.
        exact = [int(number) if _is_whole(number) else number for number in numbers]
        try:
            result: Number = math.prod(exact) if self.times is not None else _sum(exact)
            if math.isfinite(result):
                return self._rounded(result)
        except OverflowError:
            pass
        raise DerivationError(self.kind, f"is too large a number, of {', '.join(map(str, numbers))}")

    def _rounded(self, result: Number) -> Number:
        if self.multiple_of is not None:
            return max(1, math.floor(result / self.multiple_of + 0.5)) * self.multiple_of
        if isinstance(result, int):
            return result
        # 3 * 0.1 is 0.30000000000000004, which no person would write.
        result = float(f"{result:.12g}")
        return int(result) if _is_whole(result) else result

    def _looked_up(self, asked: JsonValue) -> JsonValue:
        for key, value in self.table or ():
            if _equal(key, asked):
                return value
        raise DerivationError("table", f"has no entry for {self.lookup} {asked!r}")

    @property
    def sentence(self) -> str:
        """What it is, in words: ``d_model times 4``."""
        if self.lookup is not None:
            entries = ", ".join(f"{value} for {key}" for key, value in self.table or ())
            return f"by {self.lookup}: {entries}"
        if self.times is not None:
            said = " times ".join(self.times) + (f" times {self.by:g}" if self.by != 1 else "")
        else:
            said = " plus ".join(self.names) + (f" plus {self.plus:g}" if self.plus else "")
        if self.multiple_of == 1:
            return f"{said}, rounded"
        return said + (f", rounded to multiples of {self.multiple_of}" if self.multiple_of else "")


def _is_whole(number: Number) -> bool:
    return isinstance(number, int) or (abs(number) < _WHOLE_BELOW and number == int(number))


def _sum(numbers: list[Number]) -> Number:
    total: Number = 0
    for number in numbers:
        total += number
    return total


def _equal(one: JsonValue, other: JsonValue) -> bool:
    # 1 == True in Python, but not in a space file.
    return one == other and isinstance(one, bool) == isinstance(other, bool)
