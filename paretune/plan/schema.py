"""The JSON schema of space files: the plan's own, with the parameters of every task filled in."""

from __future__ import annotations

from typing import Any

from paretune.plan.binding import RESERVED
from search_spaces.plan import Plan
from trainables.tasks import TASKS


def space_file_schema() -> dict[str, Any]:
    """Return the schema, generated from the models that check space files."""
    schema = Plan.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "paretune space file"
    schema["properties"]["task"]["enum"] = sorted(TASKS)
    branches = []
    for name, task in sorted(TASKS.items()):
        own = task.config_class.model_json_schema()
        schema["$defs"] |= own.pop("$defs", {})
        parameters = {key: value for key, value in own["properties"].items() if key not in RESERVED}
        values = {"type": "object", "properties": parameters, "additionalProperties": False}
        dimension = schema["properties"]["space"]["additionalProperties"]
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
                    }
                },
            }
        )
    schema["allOf"] = branches
    return schema
