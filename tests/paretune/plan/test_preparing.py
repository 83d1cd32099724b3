"""What trials share is looked at before the first begins: text that is not there, or not whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.commands import run_cli
from ruamel.yaml import YAML

from analysis.rows import SearchRows
from paretune.plan.binding import bind
from paretune.plan.preparing import prepare
from search_spaces.plan import Plan
from trainables.text.building import Document, build_dataset
from trainables.text.dataset import Dataset, open_dataset
from trainables.text.errors import DataError
from trainables.text.tokenizers import BytesTokenizer

SPACE = """
name: on-text
task: gpt2
objectives: [{metric: bits_per_byte, direction: min}]
fixed:
  {data: data/stories, d_model: 16, n_heads: 2, n_layers: 1, d_ff: 32, context: 16, batch: 2, steps: 3,
   eval_every: 3, val_tokens: 256}
only: [{lr: 0.01}]
search: {seeds: 2, concurrency: 1}
"""


def build(folder: Path) -> Dataset:
    documents = [Document(f"{number}", f"This is story {number}. " * 20) for number in range(40)]
    return build_dataset(folder, documents, BytesTokenizer(), source="stories")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a space file and the data set that it names."""
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "data").mkdir()
    build(tmp_path / "data" / "stories")
    return tmp_path


def refused(place: Path, *said: str, options: tuple[str, ...] = ()) -> None:
    """Search, and expect a refusal that leaves nothing."""
    done = run_cli("search", "space.yaml", *options, cwd=place)
    assert done.code == 2, done.err
    error = " ".join(done.err.split())
    for words in said:
        assert words in error
    assert "Traceback" not in done.err
    assert "Starting Ray" not in done.out + done.err
    assert not (place / "results" / "on-text").exists()


def test_data_that_are_not_there_are_refused_with_the_command_that_makes_them(place: Path) -> None:
    (place / "data" / "stories").rename(place / "data" / "others")
    refused(
        place,
        str(place / "data" / "stories"),
        "there is no data set",
        "paretune data text FILE... --tokenizer bytes --folder",
    )


def test_a_shard_that_is_cut_off_is_refused_by_name(place: Path) -> None:
    shard = place / "data" / "stories" / "train_000001.bin"
    shard.write_bytes(shard.read_bytes()[:-100])
    refused(place, str(shard))


def test_a_token_that_is_none_is_found_before_any_trial(place: Path) -> None:
    shard = place / "data" / "stories" / "val_000000.bin"
    content = bytearray(shard.read_bytes())
    content[-2:] = (60_000).to_bytes(2, "little")
    shard.write_bytes(content)
    refused(place, str(shard), "60000", "has tokens 0 to 255")


def test_a_vocabulary_that_is_too_small_is_refused_with_the_right_one(place: Path) -> None:
    (place / "space.yaml").write_text(SPACE.replace("steps: 3", "steps: 3, vocabulary: 100"))
    refused(place, "set vocabulary: 256 or more")


def test_a_search_that_goes_on_is_refused_too_and_loses_no_row(place: Path) -> None:
    """And before that: a folder that is named from where paretune runs is found in real trials."""
    first = run_cli("search", "space.yaml", cwd=place)
    assert first.code == 0, first.err
    rows = SearchRows(place / "results" / "on-text").trials
    assert list(rows["ending"]) == ["finished", "finished"]
    assert rows["bits_per_byte"].between(4, 12).all()
    assert [values["data"] for values in rows["values"]] == ["data/stories"] * 2
    (place / "data" / "stories").rename(place / "data" / "others")
    before = (place / "results" / "on-text" / "trials.jsonl").read_text()
    again = run_cli("search", "--resume", "on-text", "--trials", "4", cwd=place)
    assert again.code == 2
    assert "there is no data set" in " ".join(again.err.split())
    assert (place / "results" / "on-text" / "trials.jsonl").read_text() == before


# What check says


def checked(place: Path, *options: str) -> tuple[int, str]:
    done = run_cli("check", "space.yaml", *options, cwd=place)
    assert "Traceback" not in done.err
    return done.code, " ".join((done.out + done.err).split())


def test_check_says_which_data_are_elsewhere_and_that_the_file_is_right(place: Path) -> None:
    code, said = checked(place)
    assert (code, "this machine" in said) == (0, False)
    (place / "data" / "stories").rename(place / "data" / "others")
    code, said = checked(place)
    assert code == 0
    assert "space.yaml is valid" in said
    command = "paretune data text FILE... --tokenizer bytes --folder data/stories"
    note = f"data: data/stories is not on this machine; make it with `{command}`"
    assert said.endswith(note)
    assert said.count("is not on this machine") == 1
    assert json.loads(checked(place, "--json")[1])["not_here"] == [note]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ("vocabulary: 100", "set vocabulary: 256 or more"),
        ("val_tokens: 1000000", "leaves none to evaluate trained models on"),
    ],
)
def test_check_refuses_what_does_not_fit_data_that_are_here(place: Path, changed: str, words: str) -> None:
    without = SPACE.replace(", val_tokens: 256", "")
    (place / "space.yaml").write_text(without.replace("steps: 3", f"steps: 3, {changed}"))
    code, said = checked(place)
    assert code == 2
    assert said.startswith("space.yaml: ")
    assert words in said
    assert "is valid" not in said
    code, said = checked(place, "--json")
    assert code == 2
    assert words in json.loads(said)["mistakes"][0]["message"]


def test_check_refuses_damaged_data(place: Path) -> None:
    shard = place / "data" / "stories" / "train_000001.bin"
    shard.write_bytes(shard.read_bytes()[:-100])
    code, said = checked(place)
    assert code == 2
    assert shard.name in said


def test_check_neither_builds_nor_misses_the_default_text(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = place / "cache"
    cache.mkdir(mode=0o700)
    monkeypatch.setenv("PARETUNE_CACHE", str(cache))
    (place / "space.yaml").write_text(SPACE.replace("data/stories", "python"))
    code, said = checked(place)
    assert (code, "this machine" in said) == (0, False)
    assert not list(cache.rglob("dataset.json"))


# Which configurations are looked at


def plan_of(*free: str, **changes: object) -> Plan:
    """Return the plan with some changes, and without fixed values of what is ``free``."""
    content = YAML(typ="safe", pure=True).load(SPACE)
    content["fixed"] = {name: value for name, value in content["fixed"].items() if name not in free}
    return Plan.model_validate(content | changes)


def test_every_listed_configuration_is_looked_at(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    prepare(bind(plan_of()))
    only = [{"data": "data/stories"}, {"data": "data/elsewhere"}]
    with pytest.raises(DataError, match="data/elsewhere"):
        prepare(bind(plan_of("data", only=only)))


def test_values_of_a_space_are_looked_at(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    space = {
        "data": {"type": "choice", "values": ["data/stories", "data/elsewhere"]},
        "batch": {"type": "choice", "values": [2, 3]},
    }
    with pytest.raises(DataError, match="data/elsewhere"):
        prepare(bind(plan_of("data", "batch", only=[], space=space)))


def test_what_is_never_trained_needs_no_data(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A width that its heads do not divide is refused, and so is not asked for its text."""
    monkeypatch.chdir(place)
    only = [{"data": "data/stories", "n_heads": 2}, {"data": "data/elsewhere", "n_heads": 3}]
    prepare(bind(plan_of("data", "n_heads", only=only)))
    assert open_dataset(place / "data" / "stories").length("val") > 256
