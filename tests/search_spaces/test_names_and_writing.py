"""Other names of parameters, plans written back as space files, and files that are none."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from helpers.published import ROOT
from helpers.space_files import RIGHT, changed, load, refusal_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from analysis.store import RowStore
from search_spaces.loader import SpaceFile
from search_spaces.plan import Plan
from trainables.config import TrainingConfig

SHIPPED = sorted((ROOT / "search_spaces").glob("*.yaml"))
PUBLISHED = sorted((ROOT / "results" / "published").glob("*/plan.json"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text(RIGHT)
    return path


def test_other_names_become_the_tasks_own_wherever_they_stand(file: Path) -> None:
    text = changed("  lr: {type: float", "  learning_rate: {type: float")
    text = text.replace("steps: 400\n", "steps: 400\n  batch_size: 64\n").replace(
        "lr: 0.01}", "learning_rate: 0.01}"
    )
    file.write_text(text.replace("when: {schedule", "when: {batch_size: 64, schedule"))
    plan = load(file).plan
    assert plan.fixed["batch"] == 64
    assert list(plan.space)[-1] == "lr"
    assert plan.try_first[0] == {"d_model": 8, "lr": 0.01}
    assert "batch" in (plan.space["warmup"].when or {})


def test_a_mistake_names_the_key_as_it_is_stated(file: Path) -> None:
    file.write_text(changed("  steps: 400\n", "  steps: 400\n  batch_size: 0\n"))
    error = refusal_of(file)
    assert str(error) == f"{file}:9: fixed.batch_size: got 0; accepted: a number of at least 1"


def test_both_names_of_one_parameter_are_a_mistake(file: Path) -> None:
    file.write_text(changed("  steps: 400\n", "  steps: 400\n  batch: 8\n  batch_size: 9\n"))
    assert f"{file}:10: fixed.batch_size: is another name of batch; state one of them" in str(
        refusal_of(file)
    )


def test_a_tasks_own_field_keeps_its_name() -> None:
    class Own(TrainingConfig):
        batch_size: int = 3

    config = Own.model_validate({"batch_size": 5})
    assert (config.batch_size, config.batch) == (5, 256)


@pytest.mark.parametrize("path", SHIPPED + PUBLISHED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_plan_written_as_a_space_file_is_the_same_plan(path: Path, tmp_path: Path) -> None:
    plan = RowStore(path.parent).plan() if path.suffix == ".json" else Plan.of(SpaceFile(path).draft())
    plan.write(tmp_path / "again.yaml")
    assert Plan.of(SpaceFile(tmp_path / "again.yaml").draft()) == plan


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(values=st.lists(VALUES, min_size=1, max_size=4), low=st.floats(-1e9, 1e9), seeds=st.integers(1, 20))
@example(values=[["?A", "?0", "?"]], low=0.0, seeds=1)
@settings(max_examples=100)
def test_any_plan_survives_being_written(
    tmp_path_factory: pytest.TempPathFactory, values: list[object], low: float, seeds: int
) -> None:
    fixed = {f"p{index}": value for index, value in enumerate(values)}
    objective = {"metric": "val_loss", "direction": "min"}
    plan = Plan.model_validate(
        {
            "name": "any",
            "task": "addition",
            "objectives": [objective],
            "fixed": fixed,
            "space": {"x": {"type": "float", "low": low, "high": low + 1}},
            "search": {"seeds": seeds, "trials": 40},
        }
    )
    path = tmp_path_factory.mktemp("plans") / "any.yaml"
    plan.write(path)
    assert Plan.of(SpaceFile(path).draft()) == plan
    assert path.read_text().startswith("name: any\ntask: addition\n")


def test_a_plan_made_in_python_with_contradictions_cannot_be_made() -> None:
    content = SpaceFile(SHIPPED[0]).draft().stated()
    with pytest.raises(ValidationError) as caught:
        Plan.model_validate({**content, "target": None, "target_hold": 5, "space": {}, "only": []})
    assert "has no effect without a target" in str(caught.value)
    assert "states neither a space" in str(caught.value)


@pytest.mark.parametrize("text", ["9" * 5000, "-" + "9" * 5000, "0x" + "f" * 5000, "9" * 200])
def test_a_whole_number_that_is_too_long_is_told_with_its_key(file: Path, text: str) -> None:
    file.write_text(changed("steps: 400", f"steps: {text}"))
    assert str(refusal_of(file)).startswith(f"{file}:8: fixed.steps: got a whole number of ")


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    with large.open("wb") as written:
        written.truncate(10**12)
    began = time.monotonic()
    assert "is a device" in str(refusal_of(Path("/dev/zero")))
    assert "is a folder" in str(refusal_of(tmp_path))
    assert "nothing is written" in str(refusal_of(pipe))
    assert "1,000,000,000,000 bytes" in str(refusal_of(large))
    assert time.monotonic() - began < 5


def test_a_pipe_that_ends_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, RIGHT.encode())
    os.close(writing)
    assert load(Path(f"/dev/fd/{reading}")).plan.name == "tiny"
    os.close(reading)


LIBRARY = (
    "Input should",
    "validation",
    "Extra inputs",
    "pydantic",
    "valid integer",
    "Field required",
    "should be",
)


def test_no_library_phrase_is_told_of_any_key_with_any_kind_of_value(file: Path) -> None:
    odd = ["-1", "0", "1.5", "[]", "{}", "[1, [2]]", "{a: 1}", "word", "''", "true", "null", ".inf", "[{}]"]
    rng = random.Random(0)
    lines = RIGHT.splitlines()
    told = []
    for index, line in enumerate(lines):
        key, colon, value = line.partition(":")
        if not colon or not value.strip():
            continue
        for wrong in rng.sample(odd, 5):
            file.write_text("\n".join([*lines[:index], f"{key}: {wrong}", *lines[index + 1 :]]) + "\n")
            try:
                load(file)
            except ValueError as error:
                told.append(str(error))
    assert len(told) > 40
    assert not [text for text in told if any(words in text for words in LIBRARY)]
