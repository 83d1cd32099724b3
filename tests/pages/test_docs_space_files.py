"""docs/space-files.md is true: its examples are right, its tables complete, its output real."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from helpers.commands import run_cli
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from paretune.cli.app import app
from paretune.plan.binding import PARAMS, RESERVED
from paretune.plan.loading import load_bound, search_overrides
from paretune.plan.schema import space_file_schema
from search_spaces.dimensions import Choice, FloatRange, IntRange
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import SpaceFileError
from search_spaces.parts.derived import Derived
from search_spaces.parts.early_stopping import EarlyStopping, RungMetric
from search_spaces.parts.limits import Bounds, Constraints, Limits, MemoryLimits
from search_spaces.parts.question import (
    CliffQuestion,
    EffectsQuestion,
    Question,
    RegimesQuestion,
    TimeToTargetQuestion,
)
from search_spaces.parts.resources import Resources
from search_spaces.parts.search import Search
from search_spaces.plan import Objective, Plan
from trainables.addition.config import AdditionConfig, Phase
from trainables.addition.task import AdditionTask
from trainables.config import AdaptiveDecay, Pass, Restarts
from trainables.gpt2.config import GPT2Config
from trainables.gpt2.task import GPT2Task

PAGE = (Path(__file__).parents[2] / "docs" / "space-files.md").read_text()

YAML = re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.M | re.S)
EXAMPLES = [block for block in YAML if block.startswith("# example:")]
WRONG = [block for block in YAML if block.startswith("# wrong")]
FRAGMENTS = [block for block in YAML if block not in EXAMPLES + WRONG]
OUTPUTS = re.findall(r"^```text\n\$ (.*?)\n(.*?)^```", PAGE, flags=re.M | re.S)


def tables_below(heading: str) -> list[list[list[str]]]:
    """Return the tables between a heading and the next one, as rows of cells without the header."""
    after = re.split(rf"^#+ {re.escape(heading)}\n", PAGE, flags=re.M)
    assert len(after) == 2, f"one heading must be {heading!r}"
    section = re.split(r"^#", after[1], maxsplit=1, flags=re.M)[0]
    found = re.findall(r"(?:^\|.*\|\n)+", section, flags=re.M)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
        for table in found
    ]


Places = tuple[tuple[str, int], ...]
"""Tables, each a heading and a number below it."""


def rows_of(*places: tuple[str, int], beside: Places = ()) -> dict[str, list[str]]:
    """Return the rows of tables by the name in backticks; those of ``beside`` where it stands in no other."""
    rows = [row for heading, number in places for row in tables_below(heading)[number]]
    names = [row[0].removeprefix("`").removesuffix("`") for row in rows]
    assert [f"`{name}`" for name in names] == [row[0] for row in rows]
    assert len({*names}) == len(names)
    return (rows_of(*beside) if beside else {}) | dict(zip(names, rows, strict=True))


TRAINING = (("The training", 0), ("The training", 1))
ADDITION = (("The problem", 0), *(("The transformer", number) for number in range(3)), *TRAINING)
GPT2 = (("The text", 0), ("The model", 0), ("The optimizers", 0))
TASK_TABLES: dict[type[BaseModel], Places] = {AdditionConfig: (), GPT2Config: TRAINING}
"""Configurations of tasks, each with tables that it shares and whose rows its own replace."""

TABLES: list[tuple[type[BaseModel], Places]] = [
    (Plan, (("Top level", 0),)),
    (Objective, (("Keys of `objectives`", 0),)),
    (Constraints, (("Keys of `constraints`", 0),)),
    (Bounds, (("Keys of `constraints`", 1),)),
    (Limits, (("Keys of `constraints`", 2),)),
    (MemoryLimits, (("Keys of `constraints`", 3),)),
    (Derived, (("Derived values", 0),)),
    (Search, (("Keys of `search`", 0),)),
    (Question, (("Keys of `question`", 0),)),
    (CliffQuestion, (("Keys of `question`", 1),)),
    (RegimesQuestion, (("Keys of `question`", 2),)),
    (TimeToTargetQuestion, (("Keys of `question`", 3),)),
    (EffectsQuestion, (("Keys of `question`", 4),)),
    (EarlyStopping, (("Keys of `early_stopping`", 0),)),
    (RungMetric, (("Keys of `early_stopping`", 1),)),
    (Resources, (("Keys of `resources`", 0),)),
    (IntRange, (("Whole numbers", 0),)),
    (FloatRange, (("Real numbers", 0),)),
    (Choice, (("Choices", 0),)),
    (Phase, (("The problem", 1),)),
    (Pass, (("The training", 2),)),
    (Restarts, (("The training", 3),)),
    (AdaptiveDecay, (("The training", 4),)),
    (AdditionConfig, ADDITION),
    (GPT2Config, GPT2),
]
FIELDS = [
    pytest.param(
        rows_of(*places, beside=TASK_TABLES.get(model, ())), name, field, id=f"{model.__name__}.{name}"
    )
    for model, places in TABLES
    for name, field in model.model_fields.items()
    if name not in RESERVED or model not in TASK_TABLES
]


# Tables


def limits_of(name: str, field: FieldInfo) -> list[str]:
    """Return the limits of a number in the words of the tables."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "min_length": "at least"}
    # A mapping of exactly one entry is told in other words.
    limits = field.metadata if name not in ("target", "when") else []
    return [
        f"{word} {getattr(limit, attribute)}"
        for limit in limits
        for attribute, word in words.items()
        if hasattr(limit, attribute)
    ]


@pytest.mark.parametrize(("model", "places"), TABLES, ids=[model.__name__ for model, _ in TABLES])
def test_table_has_exactly_the_keys_that_a_file_may_have(model: type[BaseModel], places: Places):
    reserved = RESERVED if model in TASK_TABLES else frozenset()
    beside = TASK_TABLES.get(model, ())
    assert {*rows_of(*places, beside=beside)} == {*model.model_fields} - reserved


def test_tables_of_a_task_repeat_no_row_of_those_beside_them():
    """A row stands there again only because its default is another, or what it means."""
    for model, places in TABLES:
        shared = rows_of(*TASK_TABLES.get(model, ()))
        for name, row in rows_of(*places).items():
            assert row != shared.get(name)


@pytest.mark.parametrize(("rows", "name", "field"), FIELDS)
def test_table_tells_the_default(rows: dict[str, list[str]], name: str, field: FieldInfo):
    told = rows[name][2]
    # Of a dimension that is made in Python its class says the type; a file must state it.
    if field.is_required() or name == "type":
        assert told == "required"
    elif field.default is None or field.default_factory is not None:
        assert told != "required"
        assert "`" not in told.replace("`only`", "")
    else:
        assert told == f"`{as_written(field.default)}`"


def as_written(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


@pytest.mark.parametrize(("rows", "name", "field"), [case for case in FIELDS if limits_of(*case.values[1:])])
def test_table_tells_the_limits_of_a_number(rows: dict[str, list[str]], name: str, field: FieldInfo):
    for words in limits_of(name, field):
        assert words in rows[name][1]


def test_every_allowed_word_is_told():
    told: set[str] = set()
    for model, places in TABLES:
        rows = rows_of(*places, beside=TASK_TABLES.get(model, ()))
        properties = model.model_json_schema()["properties"]
        for name, allowed in ((n, v["enum"]) for n, v in properties.items() if "enum" in v):
            assert rows[name][1] == " or ".join(f"`{word}`" for word in allowed)
            told.add(name)
        # One of them, or something else beside.
        for name, value in properties.items():
            for allowed in (member["enum"] for member in value.get("anyOf", ()) if "enum" in member):
                assert rows[name][1].startswith(" or ".join(f"`{word}`" for word in allowed))
                told.add(name)
    assert {"norm", "position", "schedule", "sampler", "direction", "optimizer", "val_range"} <= told


@pytest.mark.parametrize(
    ("heading", "task"), [("The addition task", AdditionTask), ("The GPT-2 task", GPT2Task)]
)
def test_every_metric_of_the_task_is_told_with_its_direction(
    heading: str, task: type[AdditionTask | GPT2Task]
):
    told = {name: row[1] for name, row in rows_of((heading, 0)).items()}
    assert told == {metric.name: f"`{metric.direction}`" for metric in (*task.metrics, PARAMS)}


def test_every_option_that_replaces_a_value_is_told_where_it_exists():
    commands = typer.main.get_command(app).commands
    options = {
        name: {option for parameter in commands[name].params for option in parameter.opts}
        for name in ("check", "search")
    }
    told = rows_of(("Command line", 0))
    for option, (_, _, check, search, resume) in told.items():
        assert (option in options["check"]) == check.startswith("yes")
        assert option in options["search"]
        assert search == "yes"
        assert resume.startswith(("yes", "no"))
    names = {f"--{path[-1]}": f"`{'.'.join(path)}`" for path in search_overrides(*[None] * 6)}
    assert names.items() <= {option: row[1] for option, row in told.items()}.items()


# Examples


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], SpaceFile]:
    """Load and check a text as ``my_space.yaml``, the name that the page uses."""
    monkeypatch.chdir(tmp_path)

    def check(text: str) -> SpaceFile:
        path = Path("my_space.yaml")
        path.write_text(text)
        file = SpaceFile(path)
        load_bound(file, {}, None)
        return file

    return check


def test_the_page_has_examples_fragments_and_a_wrong_file():
    assert len(EXAMPLES) >= 4
    assert len(FRAGMENTS) >= 5
    assert len(WRONG) == 1


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.splitlines()[0])
def test_example_is_right_for_the_loader_and_for_editors(check: Callable[[str], SpaceFile], example: str):
    file = check(example)
    Draft202012Validator(space_file_schema()).validate(file.content)


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda text: text.splitlines()[0])
def test_fragment_is_right_in_the_place_of_the_same_keys_of_the_first_example(
    check: Callable[[str], SpaceFile], tmp_path: Path, fragment: str
):
    first = check(EXAMPLES[0]).content
    (tmp_path / "fragment.yaml").write_text(fragment)
    # JSON is YAML too.
    check(json.dumps(first | SpaceFile(tmp_path / "fragment.yaml").content))


def test_examples_use_every_key_of_a_space_file(check: Callable[[str], SpaceFile]):
    used = {key for example in EXAMPLES for key in check(example).content}
    assert used == {*Plan.model_fields}


# Output


@pytest.mark.parametrize(("name", "number"), [("early stopping that misleads", 0), ("complete", 1)])
def test_output_for_an_example_is_real(tmp_path: Path, name: str, number: int):
    (example,) = (text for text in EXAMPLES if text.startswith(f"# example: {name}\n"))
    (tmp_path / "my_space.yaml").write_text(example)
    command, printed = OUTPUTS[number]
    done = run_cli(*command.removeprefix("paretune ").split(), cwd=tmp_path)
    assert done.code == 0
    assert [line.rstrip() for line in done.out.splitlines() if line.strip()] == printed.splitlines()


def test_output_for_the_wrong_example_is_real(check: Callable[[str], SpaceFile]):
    command, printed = OUTPUTS[2]
    assert command == "paretune check my_space.yaml"
    with pytest.raises(SpaceFileError) as caught:
        check(WRONG[0])
    assert str(caught.value).splitlines() == printed.splitlines()


# Links


def test_links_within_the_page_lead_to_headings():
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", PAGE, flags=re.M | re.S), flags=re.M)
    anchors = [re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings]
    assert len(anchors) == len({*anchors})
    links = re.findall(r"\]\(#([^)]+)\)", PAGE)
    assert len(links) > 10
    assert {*links} <= {*anchors}
