"""What a space contains: draws, conditions, listings and corners, over spaces of every form."""

from __future__ import annotations

import json
import random
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.dimensions import AnyDimension, Choice, FloatRange, IntRange
from search_spaces.plan import Plan
from search_spaces.sampling import complete, corners, draw, draw_value, draws, is_active, listing

DRAWS = 100

# Spaces of every form

seeds = st.integers(0, 2**32)
values = st.one_of(
    st.booleans(),
    st.integers(-5, 5),
    st.text("abc", max_size=2),
    st.lists(st.integers(0, 2), max_size=2),
    st.fixed_dictionaries({"share": st.integers(1, 3)}),
)


@st.composite
def int_ranges(draw_from: st.DrawFn, most: int = 40) -> IntRange:
    low, steps = draw_from(st.integers(-100, 100)), draw_from(st.integers(0, most - 1))
    if draw_from(st.booleans()):
        low = abs(low) + 1
        return IntRange(type="int", low=low, high=low + steps, log=True)
    step = draw_from(st.integers(1, 7))
    return IntRange(type="int", low=low, high=low + steps * step, step=step)


@st.composite
def float_ranges(draw_from: st.DrawFn) -> FloatRange:
    kind = draw_from(st.sampled_from(("linear", "log", "steps")))
    if kind == "steps":
        # Sixteenths are exact in binary, so that every step is the value that one means.
        low, step = draw_from(st.integers(-64, 64)) / 16, draw_from(st.integers(1, 40)) / 16
        return FloatRange(type="float", low=low, high=low + draw_from(st.integers(0, 50)) * step, step=step)
    smallest = 1e-12 if kind == "log" else -1e6
    ends = st.floats(smallest, 1e6, allow_subnormal=False)
    low, high = sorted((draw_from(ends), draw_from(ends)))
    return FloatRange(type="float", low=low, high=high, log=kind == "log")


@st.composite
def choices(draw_from: st.DrawFn, most: int = 5) -> Choice:
    # As text, because 1 == True in Python but not in a space file.
    different = st.lists(values, min_size=1, max_size=most, unique_by=json.dumps)
    return Choice(type="choice", values=draw_from(different))


@st.composite
def conditional_spaces(
    draw_from: st.DrawFn, dimensions: st.SearchStrategy[AnyDimension], most: int
) -> dict[str, AnyDimension]:
    """Draw a space in which a dimension may depend on up to two dimensions above it."""
    space: dict[str, AnyDimension] = {}
    for index in range(draw_from(st.integers(1, most))):
        dimension = draw_from(dimensions)
        above = draw_from(st.lists(st.sampled_from([*space]), max_size=2, unique=True)) if space else []
        when = {name: draw_from(wanted_of(space[name])) for name in above}
        space[f"p{index}"] = dimension.model_copy(update={"when": when or None})
    return space


def wanted_of(dimension: AnyDimension) -> st.SearchStrategy[Any]:
    """Return conditions on a dimension: values that it has, and some of them only in part."""
    if isinstance(dimension, FloatRange):
        return st.sampled_from([dimension.low, [dimension.low, dimension.high]])
    own = dimension.values if isinstance(dimension, Choice) else dimension.values()
    return st.lists(st.sampled_from(own), min_size=1, max_size=2)


def plan_of(space: dict[str, Any], **others: Any) -> Plan:
    """Return a plan with a space of dimensions, or of dimensions as a file has them."""
    content = {
        "name": "any",
        "task": "any",
        "objectives": [{"metric": "any", "direction": "max"}],
        "fixed": {"fixed": 1},
        "space": {
            name: dimension if isinstance(dimension, dict) else dimension.model_dump()
            for name, dimension in space.items()
        },
    }
    return Plan.model_validate(content | others)


anything = st.one_of(int_ranges(), float_ranges(), choices())
spaces = conditional_spaces(anything, 5)
# At most 3 values a dimension, and 3 dimensions: a listing is at most 27 long.
small_spaces = conditional_spaces(st.one_of(int_ranges(most=3), choices(most=3)), 3)


def as_text(configuration: dict[str, Any]) -> str:
    return json.dumps(configuration, sort_keys=True)


# Single values


@given(dimension=anything, seed=seeds)
def test_drawn_value_lies_in_its_dimension(dimension: AnyDimension, seed: int):
    rng = random.Random(seed)
    for _ in range(DRAWS):
        assert dimension.contains(draw_value(dimension, rng))


@given(
    low=st.floats(1e-300, 1e300, allow_subnormal=False),
    factor=st.floats(1, 1e8),
    seed=seeds,
)
def test_logarithmic_draw_stays_within_its_bounds_at_every_scale(low: float, factor: float, seed: int):
    dimension = FloatRange(type="float", low=low, high=low * factor, log=True)
    rng = random.Random(seed)
    assert all(low <= draw_value(dimension, rng) <= dimension.high for _ in range(DRAWS))


@given(low=st.integers(1, 10**6), width=st.integers(0, 10**6), seed=seeds)
def test_logarithmic_draw_of_whole_numbers_stays_within_its_bounds(low: int, width: int, seed: int):
    dimension = IntRange(type="int", low=low, high=low + width, log=True)
    rng = random.Random(seed)
    for _ in range(DRAWS):
        value = draw_value(dimension, rng)
        assert type(value) is int
        assert low <= value <= low + width


@given(dimension=int_ranges(most=6), seed=seeds)
def test_every_value_of_a_short_range_is_drawn(dimension: IntRange, seed: int):
    """The rarest of six values has odds above 1 in 16, and so is missed with odds below 1e-16."""
    rng = random.Random(seed)
    drawn = {draw_value(dimension, rng) for _ in range(600)}
    assert drawn == set(dimension.values())


def test_logarithmic_range_gives_every_decade_the_same_share():
    """Of 3,000 draws over three decades 1,000 fall into each; 130 off would be five deviations."""
    dimension = FloatRange(type="float", low=1e-4, high=1e-1, log=True)
    rng = random.Random(0)
    drawn = [draw_value(dimension, rng) for _ in range(3000)]
    for low in (1e-4, 1e-3, 1e-2):
        assert abs(sum(low <= value < 10 * low for value in drawn) - 1000) < 130


def test_one_and_true_are_different_values():
    dimension = Choice(type="choice", values=[1, "1"])
    assert dimension.contains(1)
    assert not dimension.contains(True)
    assert not IntRange(type="int", low=0, high=1).contains(True)
    assert not FloatRange(type="float", low=0, high=1).contains(True)


# Whole configurations


@given(space=spaces, seed=seeds)
def test_draw_holds_the_fixed_values_and_every_active_dimension_and_nothing_else(
    space: dict[str, AnyDimension], seed: int
):
    plan, rng = plan_of(space), random.Random(seed)
    for _ in range(10):
        drawn = draw(plan, rng)
        assert drawn["fixed"] == 1
        assert list(drawn) == ["fixed", *(name for name in space if name in drawn)]
        for name, dimension in plan.space.items():
            assert (name in drawn) == is_active(dimension, drawn)
            assert name not in drawn or dimension.contains(drawn[name])


@given(space=spaces, seed=seeds)
def test_dimension_below_an_inactive_one_is_inactive_too(space: dict[str, AnyDimension], seed: int):
    plan, rng = plan_of(space), random.Random(seed)
    for _ in range(10):
        drawn = draw(plan, rng)
        for name, dimension in plan.space.items():
            assert name not in drawn or all(above in drawn for above in dimension.when or {})


@given(space=spaces, seed=seeds)
def test_same_seed_draws_the_same(space: dict[str, AnyDimension], seed: int):
    plan = plan_of(space)
    first, second = random.Random(seed), random.Random(seed)
    assert [draw(plan, first) for _ in range(5)] == [draw(plan, second) for _ in range(5)]
    assert list(islice(draws(plan, first), 5)) == [draw(plan, second) for _ in range(5)]


@given(space=spaces)
def test_completing_asks_once_for_each_active_dimension_in_order(space: dict[str, AnyDimension]):
    plan, rng, asked = plan_of(space), random.Random(0), []

    def pick(name: str, dimension: AnyDimension) -> Any:
        asked.append(name)
        assert dimension == plan.space[name]
        return draw_value(dimension, rng)

    drawn = complete(plan, pick)
    assert asked == [name for name in space if name in drawn]


def test_draw_from_explicit_configurations_takes_them_as_they_are():
    only = [{"a": 1}, {"a": 2, "b": 3}]
    plan, rng = plan_of({}, only=only), random.Random(0)
    drawn = {as_text(draw(plan, rng)) for _ in range(50)}
    assert drawn == {as_text({"fixed": 1, **given}) for given in only}


# Listings


@settings(max_examples=60)
@given(space=small_spaces, seed=seeds)
def test_listing_of_a_small_space_is_the_set_of_its_draws(space: dict[str, AnyDimension], seed: int):
    """A value has odds of at least 1 in 6, a configuration 1 in 216: missed with odds below 1e-9."""
    plan, rng = plan_of(space), random.Random(seed)
    listed = listing(plan, list(space), limit=27)
    assert listed is not None
    assert len(listed) == len({as_text(given) for given in listed})
    assert {as_text(given) for given in listed} == {as_text(draw(plan, rng)) for _ in range(4500)}


@given(space=small_spaces, data=st.data())
def test_listing_of_some_parameters_holds_them_and_what_they_depend_on(
    space: dict[str, AnyDimension], data: st.DataObject
):
    plan = plan_of(space)
    names = data.draw(st.lists(st.sampled_from([*space]), unique=True))
    listed = listing(plan, names, limit=27)
    everything = listing(plan, [*space], limit=27)
    assert listed is not None
    assert everything is not None
    needed = {*names}
    for name in reversed(space):
        if name in needed:
            needed |= {*(space[name].when or {})}
    shortened = [
        as_text({name: value for name, value in given.items() if name in needed or name == "fixed"})
        for given in everything
    ]
    assert {as_text(given) for given in listed} == {*shortened}
    assert len(listed) == len({*shortened})


def test_listing_walks_to_conditions_of_conditions():
    either = {"type": "choice", "values": [1, 2]}
    space = {"a": either, "b": {**either, "when": {"a": 2}}, "c": {**either, "when": {"b": 2}}, "d": either}
    plan = plan_of(space)
    listed = listing(plan, ["c"], limit=100)
    expected = [{"a": 1}, {"a": 2, "b": 1}, {"a": 2, "b": 2, "c": 1}, {"a": 2, "b": 2, "c": 2}]
    assert listed == [{"fixed": 1, **given} for given in expected]


@pytest.mark.parametrize(("limit", "is_listed"), [(12, True), (11, False)])
def test_listing_stops_at_its_limit(limit: int, is_listed: bool):
    space = {
        "a": {"type": "choice", "values": ["x", "y", "z"]},
        "b": {"type": "int", "low": 10, "high": 40, "step": 10},
    }
    listed = listing(plan_of(space), ["a", "b"], limit=limit)
    assert (listed is not None) == is_listed
    if listed is not None:
        assert len(listed) == 12


def test_listing_of_a_continuous_range_is_impossible_unless_it_is_left_out():
    space = {
        "a": {"type": "float", "low": 0.0, "high": 1.0},
        "b": {"type": "int", "low": 1, "high": 2},
    }
    plan = plan_of(space)
    assert listing(plan, ["a", "b"], limit=100) is None
    assert listing(plan, ["b"], limit=100) == [{"fixed": 1, "b": 1}, {"fixed": 1, "b": 2}]


def test_listing_of_explicit_configurations_is_those():
    plan = plan_of({}, only=[{"a": 1}, {"b": 2}])
    assert listing(plan, ["a"], limit=10) == [{"fixed": 1, "a": 1}, {"fixed": 1, "b": 2}]


# Corners


@given(space=spaces, seed=seeds, data=st.data())
def test_corners_put_the_named_ranges_at_an_end_and_stay_in_the_space(
    space: dict[str, AnyDimension], seed: int, data: st.DataObject
):
    plan = plan_of(space)
    names = data.draw(st.lists(st.sampled_from([*space]), unique=True))
    found = list(corners(plan, names, random.Random(seed), count=5))
    assert len(found) == 5
    for given_values in found:
        for name, dimension in plan.space.items():
            assert (name in given_values) == is_active(dimension, given_values)
            if name in given_values:
                assert dimension.contains(given_values[name])
                if name in names and not isinstance(dimension, Choice):
                    assert given_values[name] in (dimension.low, dimension.high)
