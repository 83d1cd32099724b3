"""The JSON schema of space files: the plan's own, with the parameters of every task filled in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from paretune.plan.binding import RESERVED
from search_spaces.plan import Plan
from trainables.contract import Task
from trainables.tasks import TASKS

_WHERE_A_CLASS_IS = r"^.+:[A-Za-z_][A-Za-z0-9_]*$"
"""What names a task by its file or module, rather than by a name."""


def space_file_schema(others: Mapping[str, Task] = MappingProxyType({})) -> dict[str, Any]:
    """Return the schema, generated from the models that check space files.

    A task that is named by its file or module is accepted as it is, with any parameters.

    Args:
        others: tasks beside the built-in ones, by what space files call them, whose parameters it shall know.
    """
    tasks = {**TASKS, **others}
    schema = Plan.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "paretune space file"
    schema["properties"]["task"]["anyOf"] = [{"enum": sorted(tasks)}, {"pattern": _WHERE_A_CLASS_IS}]
    branches = []
    for name, task in sorted(tasks.items()):
        own = task.config_class.model_json_schema()
        schema["$defs"] |= own.pop("$defs", {})
        parameters = {key: value for key, value in own["properties"].items() if key not in RESERVED}
        values = {"type": "object", "properties": parameters, "additionalProperties": False}
        dimension = schema["properties"]["space"]["additionalProperties"]
        derived = schema["properties"]["derived"]["additionalProperties"]
        branches.append(
            {
                "if": {"properties": {"task": {"const": name}}},
                "then": {
                    "properties": {
                        "fixed": values,
                        "baselines": {"additionalProperties": values},
                        "try_first": {"items": values},
                        "only": {"items": values},
                        "space": {
                            "properties": {
                                key: {**dimension, "description": value.get("description", "")}
                                for key, value in parameters.items()
                            },
                            "additionalProperties": False,
                        },
                        # Any other name too: for what limits and conditions need.
                        "derived": {
                            "properties": {
                                key: {**derived, "description": value.get("description", "")}
                                for key, value in parameters.items()
                            },
                        },
                    }
                },
            }
        )
    schema["allOf"] = branches
    return schema
