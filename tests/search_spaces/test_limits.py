"""Limits beyond the parameter count: what they allow, what a check shows, and mistakes in them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from helpers.own_tasks import copy_of_example
from helpers.plans import bound
from helpers.space_files import changed, load, refusal_of

from paretune.plan.loading import load_bound
from paretune.plan.summary import sizes_of, summarise
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import SpaceFileError, dotted
from search_spaces.parts.limits import UNITS, Constraints, Limits, MemoryLimits, bytes_of
from search_spaces.plan import Plan
from search_spaces.sampling import draws
from trainables.machines.demand import StatesDemand

GPT2 = """\
name: limited
task: gpt2
objectives: [{metric: val_loss, direction: min}]
fixed: {context: 32, vocabulary: 256}
space:
  d_model: {type: choice, values: [32, 64, 128]}
  batch: {type: choice, values: [4, 16]}
  lr: {type: float, low: 1e-3, high: 1e-1, log: true}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a space file that ends with the given line."""

    def write(more: str) -> Path:
        path = tmp_path / "space.yaml"
        path.write_text(f"{GPT2}{more}\n")
        return path

    return write


@pytest.mark.parametrize(
    ("stated", "number"),
    [(0, 0), (1.5e9, 1.5e9), ("12 B", 12), ("2 GiB", 2 * 2**30), ("1.5GB", 1.5e9), ("64 MiB", 2**26)],
)
def test_memory_is_bytes_or_a_text_with_a_unit(stated: int | float | str, number: float):
    assert bytes_of(stated) == number


@pytest.mark.parametrize("stated", ["2 gigs", "GiB", "2", "-1 GB", "2 gib", "2  GiB", "1e3 B", "2 KB"])
def test_other_texts_are_no_memory(stated: str):
    with pytest.raises(ValueError, match="accepted: a number of bytes, or a text such as 2 GiB"):
        bytes_of(stated)


def test_limits_on_memory_allow_what_is_between_them():
    limits = MemoryLimits(min="1 kB", max="1 KiB")
    assert [limits.allow(value) for value in (999, 1000, 1024, 1025)] == [False, True, True, False]
    assert limits.stated == "min 1 kB and max 1 KiB"
    assert {*UNITS} == {"B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"}


def test_what_is_beyond_a_limit_is_refused_with_both_numbers():
    limited = bound(
        constraints={"memory": {"max": "1 MB"}, "flops_per_token": {"max": 5000}, "lr": {"max": 0.01}}
    )
    demand = limited.task.demand  # type: ignore[attr-defined]
    refusals = set()
    for values in islice(draws(limited.plan, random.Random(0)), 200):
        needed = demand(limited.config(values))
        allowed = needed.memory <= 1e6 and needed.flops_per_token <= 5000 and values["lr"] <= 0.01  # type: ignore[operator]
        refused = limited.refused(values)
        assert (refused is None) == allowed
        assert (limited.measured(values) is None) == (not allowed)
        if refused is not None:
            refusals.add(refused.path)
            assert re.search(r"must be within max .*, but is [\d.,]+", refused.message)
    assert refusals == {("constraints", key) for key in ("memory", "flops_per_token", "lr")}


def test_a_parameter_that_does_not_exist_is_within_its_limits():
    space = {
        "schedule": {"type": "choice", "values": ["constant", "warmup_cosine"]},
        "warmup": {"type": "float", "low": 0.1, "high": 0.3, "when": {"schedule": "warmup_cosine"}},
    }
    limited = bound(space=space, constraints={"warmup": {"max": 0.2}})
    assert limited.refusal({"digits": 3, "schedule": "constant"}) is None
    assert limited.refusal({"digits": 3, "schedule": "warmup_cosine", "warmup": 0.25}) is not None


def test_limits_reach_values_that_are_no_parameters(write: Callable[[str], Path]):
    found = load(write("derived: {tokens: {times: [batch, context]}}\nconstraints: {tokens: {max: 128}}"))
    assert sizes_of(found).limited == {"tokens": (128, 128)}
    assert sizes_of(found).feasible_share == 0.5
    values = {**found.plan.fixed, "batch": 4, "d_model": 32, "tokens": 128, "lr": 0.01}
    assert not hasattr(found.config(values), "tokens")


def test_check_shows_the_range_of_what_is_limited(write: Callable[[str], Path]):
    found = load(write("constraints: {memory: {max: 12 MiB}, flops_per_token: {min: 1}, d_model: {max: 64}}"))
    sizes = sizes_of(found)
    assert isinstance(found.task, StatesDemand)
    least, most = (
        found.task.demand(found.config({**found.plan.fixed, "d_model": width, "batch": batch}))
        for width, batch in ((32, 4), (64, 4))
    )
    # With 16 sequences a batch, 64 features need more; 32 need less.
    assert sizes.exact
    assert sizes.limited["memory"][0] == least.memory
    assert sizes.limited["flops_per_token"] == (least.flops_per_token, most.flops_per_token)
    assert sizes.limited["d_model"] == (32, 64)
    told = dict(summarise(found, not_here=[]).sentences)
    assert re.fullmatch(r"[\d.]+ MiB to [\d.]+ MiB", told["memory"])
    assert "FLOPs per token" in told
    assert told["d_model"] == "32 to 64"


def test_a_plan_without_such_limits_shows_none(write: Callable[[str], Path]):
    assert sizes_of(load(write("constraints: {params: {max: 500000}}"))).limited == {}


def test_limits_are_written_as_they_are_read(write: Callable[[str], Path]):
    plan = load(write("constraints: {memory: {max: 12 MiB}, params: {min: 10}, d_model: {max: 64}}")).plan
    path = write("")
    path.write_text(plan.to_yaml())
    assert load(path).plan == plan
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    made = Constraints(d_model=Limits(max=64), memory=MemoryLimits(max="12 MiB"), params={"min": 10})  # type: ignore[arg-type]
    assert made == plan.constraints


@pytest.mark.parametrize(
    ("stated", "key", "says"),
    [
        ("memory: {max: 2 gigs}", "memory.max", "got '2 gigs'; accepted: a number of bytes ... 2 GiB"),
        ("memory: {max: true}", "memory.max", "got True; accepted: a number, or text"),
        ("memory: {max: -1}", "memory.max", "got -1; accepted: a number of at least 0"),
        ("memory: {min: 2 GiB, max: 1 GB}", "memory", "min <= max must hold ... (min=2 GiB, max=1 GB)"),
        ("memory: {most: 2 GiB}", "memory.most", "is not a key here ... min, max"),
        ("memory: 2 GiB", "memory", "accepted: a map"),
        ("memory: {max: 1 kB}", "memory", "memory must be within max 1 kB, but is"),
        ("flops_per_token: {}", "flops_per_token", "state min, max or both"),
        ("flops: {max: 1e6}", "flops", "did you mean flops_per_token?"),
        ("prams: {max: 100}", "prams", "is not a key here ... did you mean params?"),
        ("d_ff: {max: 100}", "d_ff", "nor is a parameter called so fixed, searched or derived"),
        ("order: {max: 100}", "order", "needs a number, but order can be 'random'"),
        ("d_model: {max: wide}", "d_model.max", "got 'wide'; accepted: a number"),
        ("d_model: {mx: 9}", "d_model.mx", "is not a key here ... min, max"),
        ("params: {max: 1.5}", "params.max", "accepted: a whole number"),
    ],
)
def test_mistake_is_told_at_its_key_and_line(write: Callable[[str], Path], stated: str, key: str, says: str):
    path = write(f"constraints: {{{stated}}}")
    path.write_text(path.read_text().replace("vocabulary: 256}", "vocabulary: 256, order: random}"))
    error = refusal_of(path)
    assert [dotted(mistake.path) for mistake in error.mistakes] == [f"constraints.{key}"]
    assert error.lines == [9]
    assert re.search(".*".join(map(re.escape, says.split(" ... "))), error.mistakes[0].message)


def test_a_task_that_states_no_demand_cannot_be_limited_in_it(tmp_path: Path):
    path = copy_of_example(tmp_path)
    path.write_text(path.read_text() + "\nconstraints: {memory: {max: 1 GB}}\n")
    with pytest.raises(SpaceFileError) as caught:
        load_bound(SpaceFile(path), {}, None, allow_task_code=True)
    assert [dotted(mistake.path) for mistake in caught.value.mistakes] == ["constraints.memory"]
    assert "is not known for parity; its class can state it with demand" in str(caught.value)


def test_unknown_limits_are_no_keys_of_earlier_files(tmp_path: Path):
    """Files of before say the same as before."""
    path = tmp_path / "space.yaml"
    path.write_text(changed("params: {max: 5000}", "params: {min: 300, max: 5000}"))
    assert load(path).plan.constraints.of_parameters == {}
