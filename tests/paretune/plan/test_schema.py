"""The JSON schema of space files: it is the generated one, and it agrees with the loader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from paretune.plan.binding import RESERVED
from paretune.plan.loading import load_bound
from paretune.plan.schema import space_file_schema
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import SpaceFileError
from trainables.tasks import TASKS, get_task

SPACES = Path(__file__).parents[3] / "search_spaces"
WRITTEN = json.loads((SPACES / "schema.json").read_text())
SHIPPED = sorted(SPACES.glob("*.yaml"))

RIGHT: dict[str, Any] = {
    "name": "tiny",
    "description": "Every key.",
    "task": "addition",
    "objectives": [{"metric": "exact_match", "direction": "max"}, {"metric": "params", "direction": "min"}],
    "target": {"exact_match": 0.99},
    "target_hold": 3,
    "stop_at_target": False,
    "fixed": {"digits": 3, "steps": 400, "curriculum": [{"digits": [1, 3], "share": 1}]},
    "space": {
        "d_model": {"type": "int", "low": 4, "high": 16, "step": 4},
        "schedule": {"type": "choice", "values": ["constant", "warmup_cosine"]},
        "warmup": {"type": "float", "low": 0.1, "high": 0.3, "when": {"schedule": "warmup_cosine"}},
    },
    "derived": {
        "d_ff": {"times": "d_model", "by": 4, "multiple_of": 8},
        "n_heads": {"lookup": "d_model", "table": [[4, 1], [8, 2], [12, 3], [16, 4]]},
        "width": {"sum": ["d_model", "d_ff"], "plus": 2},
    },
    "baselines": {"as published": {"d_model": 16}},
    "try_first": [{"d_model": 8}],
    "constraints": {
        "params": {"min": 10, "max": 5000},
        "memory": {"min": 1, "max": "2 GiB"},
        "flops_per_token": {"max": 1e9},
        "width": {"max": 1000},
    },
    "search": {"sampler": "random", "trials": 6, "seeds": 2, "seed": 1, "concurrency": 1},
    "early_stopping": {
        "metric": "token_accuracy",
        "direction": "max",
        "grace_period": 100,
        "reduction_factor": 2.5,
        "max_steps": 300,
    },
    "share_prefixes": False,
    "resources": {"cpu": 0.5, "gpu": 0.25, "memory": "2 GiB"},
}

# Where a wrong value is put, and the value; what no single value can show is left to the loader.
WRONG = {
    "unknown key": (("targets",), {"exact_match": 0.99}),
    "unknown key in search": (("search", "trails"), 6),
    "unknown key in a dimension": (("space", "d_model", "stride"), 2),
    "unknown parameter in fixed": (("fixed", "n_digits"), 3),
    "unknown parameter in the space": (("space", "depth"), {"type": "int", "low": 1, "high": 2}),
    "unknown parameter in try_first": (("try_first",), [{"width": 8}]),
    "unknown parameter in a baseline": (("baselines", "as published", "width"), 8),
    "seed in fixed": (("fixed", "seed"), 1),
    "seed in the space": (("space", "seed"), {"type": "int", "low": 1, "high": 2}),
    "unknown task": (("task",), "subtraction"),
    "name with capitals": (("name",), "Tiny"),
    "no objective": (("objectives",), []),
    "unknown direction": (("objectives",), [{"metric": "exact_match", "direction": "up"}]),
    "no direction": (("objectives",), [{"metric": "exact_match"}]),
    "two metrics in the target": (("target", "token_accuracy"), 0.9),
    "target held for no evaluation": (("target_hold",), 0),
    "word for a number": (("fixed", "steps"), "many"),
    "number above the task's bound": (("fixed", "digits"), 19),
    "wrong value inside a list": (("fixed", "curriculum"), [{"digits": [1, 2], "share": 0}]),
    "unknown kind of dimension": (("space", "d_model", "type"), "integer"),
    "list for a dimension": (("space", "d_model"), [4, 8]),
    "step of 0": (("space", "d_model", "step"), 0),
    "nothing to choose from": (("space", "schedule", "values"), []),
    "empty condition": (("space", "warmup", "when"), {}),
    "no trials": (("search", "trials"), 0),
    "unknown sampler": (("search", "sampler"), "gird"),
    "two samplers": (("search", "sampler"), {"tpe": {}, "gp": {}}),
    "unknown sampler with options": (("search", "sampler"), {"gird": {}}),
    "sampler with a number for options": (("search", "sampler"), {"tpe": 3}),
    "unknown aim": (("search", "aim"), "smallest"),
    "rungs at which all go on": (("early_stopping", "reduction_factor"), 1),
    "rung at the start": (("early_stopping", "at"), [0, 0.5]),
    "negative GPU": (("resources", "gpu"), -1),
    "no processor": (("resources", "cpu"), 0),
    "unknown key in derived": (("derived", "d_ff", "plus_2"), 2),
    "word for a factor": (("derived", "d_ff", "by"), "four"),
    "multiple of 0": (("derived", "d_ff", "multiple_of"), 0),
    "nothing to look up in": (("derived", "n_heads", "table"), []),
    "word for a limit": (("constraints", "width", "max"), "wide"),
    "unknown key in a limit": (("constraints", "width", "most"), 9),
    "truth for memory": (("constraints", "memory", "max"), True),
    "negative limit": (("constraints", "params", "max"), -1),
}


def with_value(content: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    if not path:
        return value
    return {**content, path[0]: with_value(content.get(path[0], {}), path[1:], value)}


def loads(folder: Path, content: dict[str, Any]) -> bool:
    """Tell whether the loader takes a content, written as JSON, which is YAML too."""
    path = folder / "space.yaml"
    path.write_text(json.dumps(content))
    try:
        load_bound(SpaceFile(path), {}, None)
    except SpaceFileError:
        return False
    return True


def test_the_file_is_the_generated_schema():
    assert space_file_schema() == WRITTEN, (
        "search_spaces/schema.json is not up to date; run: paretune schema --write search_spaces/schema.json"
    )


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(WRITTEN)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_file_is_valid_and_points_editors_to_the_schema(path: Path):
    file = SpaceFile(path)
    assert [error.message for error in Draft202012Validator(WRITTEN).iter_errors(file.content)] == []
    assert file.text.splitlines()[0] == "# yaml-language-server: $schema=schema.json"


def test_content_with_every_key_is_valid_and_loads(tmp_path: Path):
    Draft202012Validator(WRITTEN).validate(RIGHT)
    assert loads(tmp_path, RIGHT)
    # What cannot stand beside its other keys, or names a search that there is not, has tests of its own.
    assert {*RIGHT, "only", "question", "learn_from"} == {*WRITTEN["properties"]}


@pytest.mark.parametrize(("path", "value"), WRONG.values(), ids=WRONG.keys())
def test_what_the_schema_refuses_the_loader_refuses_too(tmp_path: Path, path: tuple[str, ...], value: Any):
    wrong = with_value(RIGHT, path, value)
    assert not Draft202012Validator(WRITTEN).is_valid(wrong)
    assert not loads(tmp_path, wrong)


@pytest.mark.parametrize("key", ["name", "task", "objectives"])
def test_required_key_is_required_by_both(tmp_path: Path, key: str):
    without = {name: value for name, value in RIGHT.items() if name != key}
    assert not Draft202012Validator(WRITTEN).is_valid(without)
    assert not loads(tmp_path, without)


@pytest.mark.parametrize("task", ["parity.py:Parity", "../tasks/parity.py:Parity", "my_package.tasks:Parity"])
def test_a_task_of_ones_own_is_not_marked_wrong_and_may_have_any_parameter(task: str):
    fixed = {"bits": 8}
    content = {**RIGHT, "task": task, "fixed": fixed, "target": {"accuracy": 1}, "try_first": [fixed]}
    validator = Draft202012Validator(WRITTEN)
    assert validator.is_valid({**content, "baselines": {"small": fixed}})
    for slip in ("adition", "parity.py:", ":Parity", "parity.py:2", "parity.py"):
        assert not validator.is_valid({**content, "task": slip}), slip


def test_a_schema_can_know_the_parameters_of_a_task_of_ones_own():
    path = Path(__file__).parents[3] / "examples" / "parity_task" / "parity.py"
    reference = f"{path}:Parity"
    schema = space_file_schema({reference: get_task(reference, allow_code=True)})
    content = {key: RIGHT[key] for key in ("name", "objectives", "search")}
    content |= {"task": reference, "space": {"width": {"type": "int", "low": 1, "high": 2}}}
    assert Draft202012Validator(schema).is_valid(content)
    misspelt = {**content, "space": {"widht": {"type": "int", "low": 1, "high": 2}}}
    assert not Draft202012Validator(schema).is_valid(misspelt)
    assert Draft202012Validator(WRITTEN).is_valid(misspelt), "the schema that is shipped cannot tell"


@pytest.mark.parametrize("task", sorted(TASKS))
def test_editor_offers_exactly_the_parameters_of_the_task(task: str):
    (branch,) = (b for b in WRITTEN["allOf"] if b["if"]["properties"]["task"]["const"] == task)
    offered = branch["then"]["properties"]
    parameters = {*TASKS[task].config_class.model_fields} - RESERVED
    for place in (
        offered["fixed"],
        offered["space"],
        offered["only"]["items"],
        offered["try_first"]["items"],
    ):
        assert {*place["properties"]} == parameters
        assert place["additionalProperties"] is False


def described(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Walk over all keys that an editor shows, with what it says about them."""
    shapes = {"space file": schema, **schema["$defs"]}
    for branch in schema["allOf"]:
        for place in ("fixed", "space"):
            shapes[place] = branch["then"]["properties"][place]
    for name, shape in shapes.items():
        for key, value in shape.get("properties", {}).items():
            # Which kind a dimension is says its value.
            if key != "type":
                yield f"{name}.{key}", value.get("description", "")


def test_editor_says_something_about_every_key():
    told = dict(described(WRITTEN))
    assert len(told) > 60
    assert [key for key, text in told.items() if not text] == []
