"""Derived values: what they come to, where they are computed, and the mistakes one can make with them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from helpers.plans import bound
from helpers.space_files import load, refusal_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from search_spaces.deriving import order_of, possible_values, sources_of, with_derived
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import dotted
from search_spaces.parts.derived import DerivationError, Derived
from search_spaces.plan import Plan
from search_spaces.sampling import configuration, corners, draws, examples, listing

FILE = """\
name: sizes
task: addition
objectives: [{metric: exact_match, direction: max}]
fixed: {digits: 3, norm: layernorm}
space:
  d_model: {type: choice, values: [6, 8, 12]}
  lr: {type: float, low: 1e-3, high: 1e-1, log: true}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a space file that ends with the given lines."""

    def write(more: str) -> Path:
        path = tmp_path / "space.yaml"
        path.write_text(FILE + more)
        return path

    return write


def plan_of(derived: dict[str, Any], **changes: Any) -> Plan:
    return bound(derived=derived, **changes).plan


# What they come to


@pytest.mark.parametrize(
    ("rule", "values", "result"),
    [
        ({"times": "a", "by": 4}, {"a": 7}, 28),
        ({"times": ["a", "b"]}, {"a": 7, "b": 3}, 21),
        ({"times": ["a", "a"]}, {"a": 7}, 49),
        ({"times": "a", "by": 0.5}, {"a": 8}, 4),
        ({"times": "a", "by": 0.5}, {"a": 9}, 4.5),
        ({"times": "a", "by": 3}, {"a": 0.1}, 0.3),
        ({"times": "a", "by": 2.667, "multiple_of": 8}, {"a": 16}, 40),
        ({"times": "a", "by": 0.5, "multiple_of": 1}, {"a": 9}, 5),
        ({"times": "a", "by": 0.1, "multiple_of": 8}, {"a": 6}, 8),
        ({"times": "a"}, {"a": 10**30}, 10**30),
        ({"sum": ["a", "b"], "plus": 2}, {"a": 7, "b": 3}, 12),
        ({"sum": "a", "plus": -0.1}, {"a": 0.3}, 0.2),
        ({"lookup": "a", "table": {6: 1, 8: 2}}, {"a": 8}, 2),
        ({"lookup": "a", "table": [[[1, 2], "long"], [[], "none"]]}, {"a": []}, "none"),
        ({"lookup": "a", "table": {"relu": 0.1, "gelu": 0.2}}, {"a": "gelu"}, 0.2),
        ({"lookup": "a", "table": [[True, 1], [1, 2]]}, {"a": 1}, 2),
        ({"lookup": "a", "table": [[1, 2], [True, 1]]}, {"a": True}, 1),
        ({"lookup": "a", "table": {0.1: 2}}, {"a": 0.1}, 2),
    ],
    ids=lambda value: json.dumps(str(value)),
)
def test_value(rule: dict[str, Any], values: dict[str, JsonValue], result: JsonValue):
    found = Derived.model_validate(rule).of(values)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("rule", "value", "says"),
    [
        ({"times": "a"}, "wide", "needs numbers, but a can be 'wide'"),
        ({"sum": "a"}, True, "needs numbers, but a can be True"),
        ({"times": "a", "by": 1e300}, 1e300, "too large"),
        ({"times": ["a", "a"], "by": 1.5}, 10**300, "too large"),
        ({"lookup": "a", "table": {6: 1}}, 7, "has no entry for a 7"),
        ({"lookup": "a", "table": {1: 1}}, True, "has no entry for a True"),
    ],
)
def test_what_cannot_be_computed_says_why(rule: dict[str, Any], value: JsonValue, says: str):
    with pytest.raises(DerivationError, match=re.escape(says)):
        Derived.model_validate(rule).of({"a": value})


# Where they are computed

CHAIN = {
    "steps": {"times": "n_heads", "by": 100},
    "d_ff": {"times": "d_model", "by": 4},
    "n_heads": {"lookup": "d_ff", "table": {16: 1, 32: 2, 48: 3, 64: 4}},
}
SPACE = {
    "d_model": {"type": "int", "low": 4, "high": 16, "step": 4},
    "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
}


def test_values_can_be_derived_from_derived_ones_in_any_order():
    plan = plan_of(CHAIN, space=SPACE)
    assert order_of(plan.derived) == ["d_ff", "n_heads", "steps"]
    assert sources_of(plan.derived, ["steps", "lr"]) == ["d_model", "lr"]
    assert possible_values(plan, "steps") == [100, 200, 300, 400]
    assert possible_values(plan, "d_model") == [4, 8, 12, 16]


def test_every_way_to_a_configuration_derives_the_same():
    plan = plan_of(CHAIN, space=SPACE, baselines={"wide": {"d_model": 16}})
    rng = random.Random(0)
    found = [
        *islice(draws(plan, rng), 20),
        *examples(plan, rng, 5),
        *corners(plan, ["d_model", "d_ff"], rng, 5),
        *(listing(plan, ["d_ff"], 100) or []),
        configuration(plan, {"d_model": 8, "lr": 0.01}),
    ]
    for values in found:
        stated = {name: values[name] for name in ("d_model", "lr", "digits") if name in values}
        assert with_derived(plan, stated) == values
        assert (values["d_ff"], values["steps"]) == (4 * values["d_model"], 25 * values["d_model"])


def test_a_listing_walks_through_what_decides_a_derived_value():
    plan = plan_of(CHAIN, space=SPACE)
    assert [values["steps"] for values in listing(plan, ["steps"], 100) or []] == [100, 200, 300, 400]


def test_listed_configurations_are_derived_from_too():
    only = [{"d_model": 8, "lr": 0.01}, {"d_model": 12, "lr": 0.02}]
    plan = plan_of({"d_ff": {"times": "d_model", "by": 4}}, space={}, only=only)
    assert [values["d_ff"] for values in listing(plan, ["d_ff"], 9) or []] == [32, 48]
    assert next(draws(plan, random.Random(0)))["d_ff"] in (32, 48)
    assert plan.searched_names == ["d_model", "lr"]


def test_conditions_can_refer_to_derived_values():
    space = {**SPACE, "activation": {"type": "choice", "values": ["relu"], "when": {"n_heads": [2, 4]}}}
    plan = plan_of(CHAIN, space=space)
    for values in islice(draws(plan, random.Random(0)), 50):
        assert ("activation" in values) == (values["d_model"] in (8, 16))
    assert len(listing(plan, ["activation"], 100) or []) == 4


def test_where_a_source_does_not_exist_the_derived_value_does_not():
    space = {
        "schedule": {"type": "choice", "values": ["constant", "warmup_cosine"]},
        "warmup": {"type": "float", "low": 0.1, "high": 0.3, "when": {"schedule": "warmup_cosine"}},
    }
    plan = plan_of({"final_lr": {"times": "warmup", "by": 0.5}}, space=space)
    for values in islice(draws(plan, random.Random(0)), 50):
        assert ("final_lr" in values) == ("warmup" in values)


names = st.sampled_from("abcdef")


@given(st.dictionaries(names, st.lists(names, min_size=1, max_size=3), min_size=1))
def test_the_order_puts_sources_first_wherever_there_is_no_cycle(graph: dict[str, list[str]]):
    derived = {name: Derived(sum=others) for name, others in graph.items()}
    order = order_of(derived)
    assert sorted(order) == sorted(graph)
    backwards = [
        (name, other) for name in graph for other in graph[name] if other in order[order.index(name) :]
    ]
    if backwards:
        # Then there is a cycle: from one of them one comes back to it.
        assert any(name in reached(graph, other) for name, other in backwards)


def reached(graph: dict[str, list[str]], start: str) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        for other in graph.get(waiting.pop(), []):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


# Files


def test_a_file_is_written_as_it_is_read(write: Callable[[str], Path]):
    plan = load(
        write(
            "derived:\n"
            "  d_ff: {times: d_model, by: 4}\n"
            "  n_heads: {lookup: d_model, table: {6: 1, 8: 2, 12: 3}}\n"
            "  area: {times: [d_model, d_ff], by: 0.5, multiple_of: 2}\n"
            "constraints: {area: {max: 500}}\n"
        )
    ).plan
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    text = plan.to_yaml()
    assert "d_ff: {times: d_model, by: 4}" in text
    assert "table: {6: 1, 8: 2, 12: 3}" in text
    path = write("")
    path.write_text(text)
    assert load(path).plan == plan


def test_a_table_of_pairs_says_what_a_map_says(write: Callable[[str], Path]):
    drafts = [
        SpaceFile(write(f"derived: {{n_heads: {{lookup: d_model, table: {table}}}}}\n")).draft()
        for table in ("{6: 1, 8: 2, 12: 3}", "[[6, 1], [8, 2], [12, 3]]")
    ]
    assert drafts[0] == drafts[1]
    assert Derived(lookup="d_model", table={6: 1, 8: 2, 12: 3}) == drafts[0].derived["n_heads"]  # type: ignore[arg-type]


@pytest.mark.parametrize("table", [[[True, 1], [1, 2]], [[[6], 1]], [[None, 1]]])
def test_a_table_that_is_no_map_is_written_as_pairs(table: list[list[JsonValue]]):
    assert Derived(lookup="a", table=table).written["table"] == table


WRONG = {
    "d_ff: {times: d_modl, by: 4}": (
        "d_ff.times",
        "got 'd_modl' ... fixed ... did you mean d_model?",
    ),
    "d_ff: {times: n_heads}": ("d_ff.times", "got 'n_heads' ... neither fixed, searched nor derived"),
    "d_ff: {times: d_model, by: four}": ("d_ff.by", "got 'four'; accepted: a number"),
    "d_ff: {times: d_model, by: .inf}": ("d_ff.by", "finite"),
    "d_ff: {time: d_model}": ("d_ff.time", "did you mean times?"),
    "d_ff: {times: d_model, plus: 4}": ("d_ff", "plus belongs to sum, not to times"),
    "d_ff: {sum: d_model, by: 4}": ("d_ff", "by belongs to times, not to sum"),
    "d_ff: {times: d_model, table: {6: 1}}": ("d_ff", "table belongs to lookup"),
    "d_ff: {times: d_model, sum: d_model}": ("d_ff", "state one of ... got times and sum"),
    "d_ff: {}": ("d_ff", "state one of ... none of them"),
    "d_ff: {times: []}": ("d_ff.times", "at least 1"),
    "d_ff: {times: [d_model, 4]}": ("d_ff.times", "names of parameters; a number stands under by or plus"),
    "d_ff: 4 * d_model": ("d_ff", "accepted: a map such as {times: d_model, by: 4}"),
    "d_ff: {times: d_model, multiple_of: 0}": ("d_ff.multiple_of", "got 0 ... at least 1"),
    "d_ff: {times: norm}": ("d_ff.times", "needs numbers, but norm can be 'layernorm'"),
    "d_ff: {times: d_ff}": ("d_ff", "derived from itself: d_ff -> d_ff"),
    "lr: {times: d_model}": ("lr", "is searched too"),
    "digits: {times: d_model}": ("digits", "is fixed too"),
    "n_heads: {lookup: d_model, table: {6: 1, 8: 2}}": ("n_heads.table", "no entry for d_model 12"),
    "n_heads: {lookup: d_model}": ("n_heads", "lookup needs a table"),
    "n_heads: {lookup: d_model, table: {}}": ("n_heads.table", "at least 1"),
    "n_heads: {lookup: d_model, table: [[6, 1], [8]]}": ("n_heads", "list of pairs ... got [8]"),
    "n_heads: {lookup: d_model, table: [[6, 1], [6, 2]]}": ("n_heads", "table has 6 twice"),
    "n_heads: {lookup: lr, table: {0.1: 2}}": ("n_heads.lookup", "got 'lr' ... more values than a table"),
    "n_heads: {lookup: d_model, table: {6: 1, 8: two, 12: 3}}": (
        "n_heads.table.1.1",
        "got 'two'; accepted: a whole number",
    ),
    "d_fff: {times: d_model}": ("d_fff", "did you mean d_ff? ... must be used"),
    "seed: {times: d_model}": ("seed", "set by the search"),
    "params: {times: d_model}": ("params", "take another name"),
    "d_ff: {times: d_model, by: 0.3}": ("d_ff", "no configuration is left ... multiple_of: 1 rounds it"),
    "d_ff: {times: d_model, by: -1}": ("d_ff", "got -6; accepted: a number of at least 1"),
    "d_ff: {times: d_model, by: 1e308}": ("d_ff.times", "too large"),
    "warmup: {times: d_model, by: 0.01}, schedule: {lookup: d_model, table: {6: constant, 8: constant, "
    "12: constant}}": ("warmup", "has no effect"),
}


@pytest.mark.parametrize(("stated", "expected"), WRONG.items(), ids=WRONG.keys())
def test_mistake_is_told_at_its_key_and_line(
    write: Callable[[str], Path], stated: str, expected: tuple[str, str]
):
    path, (key, says) = write(f"derived:\n  {{{stated}}}\n"), expected
    error = refusal_of(path)
    assert [dotted(mistake.path) for mistake in error.mistakes] == [f"derived.{key}"]
    assert error.lines == [9]
    pattern = ".*".join(map(re.escape, says.split(" ... ")))
    assert re.search(pattern, error.mistakes[0].message), error.mistakes[0].message


def test_mistake_in_a_table_is_told_at_the_line_of_the_entry(write: Callable[[str], Path]):
    entries = "".join(f"      {key}: {value}\n" for key, value in ((6, 1), (8, "two"), (12, 3)))
    error = refusal_of(write(f"derived:\n  n_heads:\n    lookup: d_model\n    table:\n{entries}"))
    assert error.lines == [13]


def test_a_cycle_is_told_once_with_its_way(write: Callable[[str], Path]):
    error = refusal_of(
        write("derived:\n  d_ff: {sum: n_heads}\n  n_heads: {sum: n_layers}\n  n_layers: {sum: [lr, d_ff]}\n")
    )
    assert [str(mistake) for mistake in error.mistakes] == [
        "derived.d_ff: is derived from itself: d_ff -> n_heads -> n_layers -> d_ff"
    ]


@pytest.mark.parametrize(
    ("more", "key", "says"),
    [
        ("baselines: {wide: {d_ff: 24}}", "baselines.wide.d_ff", "is derived from d_model; leave it out"),
        ("try_first: [{d_model: 6}, {d_ff: 24}]", "try_first.1.d_ff", "is derived from d_model"),
    ],
)
def test_what_is_tried_first_states_no_derived_value(
    write: Callable[[str], Path], more: str, key: str, says: str
):
    error = refusal_of(write(f"derived: {{d_ff: {{times: d_model, by: 4}}}}\n{more}\n"))
    assert [dotted(mistake.path) for mistake in error.mistakes] == [key]
    assert says in error.mistakes[0].message


@pytest.mark.parametrize(
    ("only", "key", "says"),
    [
        ("[{d_model: 6}, {d_model: 8, d_ff: 8}]", "only.1.d_ff", "is derived from d_model; leave it out"),
        ("[{d_model: 6}, {lr: 0.1}]", "only.1", "states no d_model, which d_ff is derived from"),
    ],
)
def test_listed_configurations_state_what_is_derived_from_and_no_more(
    write: Callable[[str], Path], only: str, key: str, says: str
):
    path = write("")
    text = FILE[: FILE.index("space:")]
    path.write_text(f"{text}only: {only}\nderived: {{d_ff: {{times: d_model, by: 4}}}}\n")
    error = refusal_of(path)
    assert [dotted(mistake.path) for mistake in error.mistakes] == [key]
    assert says in error.mistakes[0].message


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("{d_ff: 25}", "can never be 25; d_ff is derived, and can be 24, 32, 48"),
        ("{n_layers: 2}", "n_layers is derived from batch, which must stand above activation"),
    ],
)
def test_condition_on_a_derived_value_that_cannot_hold(write: Callable[[str], Path], when: str, says: str):
    error = refusal_of(
        write(
            f"  activation: {{type: choice, values: [relu], when: {when}}}\n"
            "  batch: {type: choice, values: [1, 2]}\n"
            "derived: {d_ff: {times: d_model, by: 4}, n_layers: {sum: batch}}\n"
        )
    )
    assert says in error.mistakes[0].message
    assert dotted(error.mistakes[0].path).startswith("space.activation.when")
