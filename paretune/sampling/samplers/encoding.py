"""How a plan's values are written for Optuna, which holds scalars only, and read back."""

from __future__ import annotations

import json

import optuna
from pydantic import JsonValue

from search_spaces.dimensions import AnyDimension, Choice, IntRange

Scalar = bool | int | float | str | None


def suggest(trial: optuna.trial.BaseTrial, name: str, dimension: AnyDimension) -> JsonValue:
    """Let Optuna choose one value; the dimension's distribution is stated here and nowhere else."""
    if isinstance(dimension, Choice):
        choices = [encode(dimension, value) for value in dimension.values]
        return decode(dimension, trial.suggest_categorical(name, choices))
    if isinstance(dimension, IntRange):
        return trial.suggest_int(name, dimension.low, dimension.high, step=dimension.step, log=dimension.log)
    drawn = trial.suggest_float(name, dimension.low, dimension.high, step=dimension.step, log=dimension.log)
    return dimension.snap(drawn)


def encode(dimension: AnyDimension, value: JsonValue) -> Scalar:
    """Write a value for Optuna: lists and mappings become text."""
    if _is_structured(dimension) or isinstance(value, list | dict):
        return json.dumps(value, sort_keys=True)
    return value


def decode(dimension: AnyDimension, value: JsonValue) -> JsonValue:
    """Read a value back that :func:`encode` wrote."""
    if _is_structured(dimension):
        decoded: JsonValue = json.loads(str(value))
        return decoded
    return value


def _is_structured(dimension: AnyDimension) -> bool:
    return isinstance(dimension, Choice) and any(isinstance(v, list | dict) for v in dimension.values)
