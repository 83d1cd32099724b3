"""The published experiments: what their space files and their pages in docs/experiments say is true."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from helpers.published import ROOT, bound_of
from ruamel.yaml import YAML

from paretune.cli.app import app
from paretune.plan.loading import load_bound, search_overrides
from search_spaces.dimensions import Choice
from search_spaces.loader import SpaceFile
from search_spaces.plan import Plan, Values
from search_spaces.sampling import configuration
from trainables.addition.config import AdditionConfig
from trainables.addition.task import AdditionTask
from trainables.contract import parameter_count

PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs" / "experiments").glob("*.md"))}
"""The page of each experiment."""
PAGE = "\n".join(((ROOT / "docs" / "experiments.md").read_text(), *PAGES.values()))
SHIPPED = sorted((ROOT / "search_spaces").glob("*.yaml"))
PUBLISHED = [path for path in SHIPPED if path.stem != "quickstart"]
COMMAND = r"^(?:#   )?paretune search (search_spaces/.*?)(?: +#.*)?$"
TEXTS = {path.name: path.read_text() for path in PUBLISHED} | PAGES
COMMANDS = [
    pytest.param(line, id=f"{name}: {line.partition('.yaml ')[2]}")
    for name, text in TEXTS.items()
    for line in re.findall(COMMAND, text, flags=re.M)
]
BASE100_AND_SPEEDRUN = {
    "base100_width_vs_depth": 2 * [31_488, 161_536]
    + 2 * [1_603_584, 1_812_480, 3_203_072, 4_777_984, 6_402_048],
    "base100_padding": [31_488, 31_488],
    "base100_rates": [31_488, 161_536, *3 * [31_488], 161_536, 31_504, 31_504, 31_488, 31_488],
    "speedrun_3digit": [13_408, 13_408, 13_408, 13_408, 2_664_768, 2_664_768, 2_664_768],
    "speedrun_published": [2_664_768, 2_664_768, 2_664_768],
}
RECORDS = [122, 101, 89, 86, 83, 62, 55, 52, 44, 36]


def explicit(stem: str) -> list[tuple[str, int]]:
    """Return every explicit configuration as the comment above it and its exact parameter count."""
    path = ROOT / "search_spaces" / f"{stem}.yaml"
    file, bound = SpaceFile(path), bound_of(stem)
    key = "only" if bound.plan.only else "try_first"
    lines = file.text.splitlines()
    above = [lines[(file.line_of((key, index)) or 0) - 2] for index in range(len(getattr(bound.plan, key)))]
    counts = [bound.params({**bound.plan.fixed, **values}) for values in getattr(bound.plan, key)]
    return list(zip(above, counts, strict=True))


def table_rows(pattern: str) -> list[tuple[str, ...]]:
    """Return the rows of the page whose cells, in backticks or not, match a pattern."""
    rows = [tuple(line.strip("| ").split(" | ")) for line in PAGE.splitlines() if re.match(pattern, line)]
    assert rows, pattern
    return rows


def most(plan: Plan, name: str) -> int:
    """Return the largest value that a configuration of the plan can have."""
    dimension = plan.space.get(name)
    if dimension is None:
        return int(plan.fixed[name])
    return int(max(dimension.values) if isinstance(dimension, Choice) else dimension.high)


def written(cell: str) -> Any:
    return YAML(typ="safe", pure=True).load(cell.strip("`"))


# Files


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_space_file_is_right(path: Path):
    load_bound(SpaceFile(path), {}, None)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_space_file_is_on_the_page_and_has_a_command_for_a_laptop(path: Path):
    assert f"search_spaces/{path.name})" in PAGE
    for text in (path.read_text(), PAGE):
        lines = re.findall(COMMAND, text, flags=re.M)
        smaller = [line for line in lines if path.name in line and "--trials" in line]
        assert any("--budget" in line or "--seeds" in line for line in smaller)


@pytest.mark.parametrize("line", COMMANDS)
def test_command_is_accepted(line: str):
    command = typer.main.get_command(app).commands["search"]
    given = command.make_context("search", line.split()).params
    options = ("trials", "seeds", "seed", "concurrency", "cpu", "gpu")
    space = SpaceFile(ROOT / given["space"])
    plan = load_bound(space, search_overrides(*(given[name] for name in options)), given["budget"]).plan
    assert given["trials"] in (None, plan.trials)


@pytest.mark.parametrize("stem", ["gpt2_124m", "gpt2_frontier"])
def test_shards_to_fetch_are_as_many_as_the_largest_trial_reads(stem: str):
    """A shard has 100 million tokens and 200 MB; one more is for validation."""
    plan = bound_of(stem).plan
    assert plan.fixed["order"] == "sequential"
    tokens = most(plan, "steps") * most(plan, "batch") * most(plan, "context")
    shards = math.ceil(tokens / 100_000_000)
    header = (ROOT / "search_spaces" / f"{stem}.yaml").read_text().partition("\nname:")[0]
    assert f"`paretune data fineweb --shards {shards}` ({(shards + 1) * 0.2:.1f} GB)" in header
    assert f"paretune data fineweb --shards {shards}\nparetune search search_spaces/{stem}.yaml\n" in PAGE


# Counts


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_count_in_the_comment_above_a_configuration_is_exact(path: Path):
    for comment, count in explicit(path.stem):
        told = re.search(r"# .*?([\d,]+) parameters", comment)
        assert told is None or told[1] == f"{count:,}", comment


def test_sweep_has_the_53_configurations_of_the_page():
    entries = explicit("gpt_acc_jax_sweep")
    told = [re.match(r" +# ([\w-]+): ([\d,]+) parameters", comment) for comment, _ in entries]
    named = [(match[1], f"{count:,}") for match, (_, count) in zip(told, entries, strict=True) if match]
    rows = table_rows(r"\| (pico|femto|nano|micro|mini|tiny|small)-")
    assert len({name for name, _ in named}) == 53
    assert named == [row[:2] for row in rows]
    assert bound_of("gpt_acc_jax_sweep").plan.only == [written(f"{{{row[4].strip('`')}}}") for row in rows]
    # The sum and the ends, so that not all three can be wrong together.
    counts = [count for _, count in entries]
    assert (sum(counts), min(counts), max(counts)) == (331_925, 365, 103_616)


@pytest.mark.parametrize(("stem", "counts"), BASE100_AND_SPEEDRUN.items())
def test_counts_are_those_of_the_page(stem: str, counts: list[int]):
    assert [count for _, count in explicit(stem)] == counts
    assert all(f"{count:,}" in PAGE for count in counts if count > 60_000)


def test_base_100_is_asked_with_the_loss_on_the_padding_and_without():
    """Each shape once with either, and nothing else differs; the smaller corrected ones come first."""
    entries = bound_of("base100_width_vs_depth").plan.only
    of = {kind: [e for e in entries if e["padding"] == kind] for kind in ("corrected", "published")}
    assert [{**entry, "padding": "published"} for entry in of["corrected"]] == of["published"]
    assert len(entries) == 14
    assert [entry["padding"] for entry in entries[:2]] == ["corrected", "corrected"]


def test_the_rates_of_base_100_are_asked_with_the_published_shapes_and_recipe():
    """But for what its header names: no dropout, batch, leading zeros, no patience."""
    whole, own = bound_of("base100_width_vs_depth").plan, bound_of("base100_rates").plan
    ours = {"dropout", "patience", "min_delta", "lr", "batch"}
    assert own.fixed == {k: v for k, v in whole.fixed.items() if k not in ours} | {"batch": 256}
    shape = ("d_model", "n_layers", "n_heads", "d_ff")
    published = [tuple(entry[name] for name in shape) for entry in whole.only[:2]]
    assert [tuple(entry[name] for name in shape) for entry in own.only[:2]] == published
    assert {entry["lr"] for entry in own.only[:2]} == {whole.fixed["lr"]}


def test_the_speedrun_written_forward_and_reversed_differ_in_the_order_alone():
    forward, backward = (bound_of(f"speedrun_{order}").plan for order in ("forward", "reversed"))
    assert forward.fixed == {**backward.fixed, "answer_order": "forward"}
    same = ("space", "try_first", "constraints", "objectives", "target", "search", "question")
    for name in same:
        assert getattr(forward, name) == getattr(backward, name), name


def test_the_published_speedrun_is_that_of_the_search():
    """Shape, recipe and answer are those of the published entry in speedrun_3digit.yaml."""
    whole, own = bound_of("speedrun_3digit").plan, bound_of("speedrun_published").plan
    published = {**whole.fixed, **whole.try_first[4]}
    assert {**own.fixed, **own.only[0], "activation": "gelu"} == published
    assert own.only[2] == {**own.only[0], "answer_order": "reversed"}


def test_smallest_adder_begins_with_the_records():
    assert [count for _, count in explicit("smallest_adder")] == RECORDS


def test_records_of_the_page_have_exactly_their_counts():
    records: dict[str, Values] = {"none": {"digits": 10}}
    for record, _, changed, change in table_rows(r"\| \d+ \| (plain|low rank|rotary) "):
        records[record] = records[changed] | written(change)
        assert parameter_count(AdditionTask(), AdditionConfig.model_validate(records[record])) == int(record)
    assert {*map(str, RECORDS)} <= {*records}


# What the published recipes come to


def test_second_pass_begins_after_the_published_400_000_steps():
    bound = bound_of("second_pass_763")
    published, without = (bound.config(bound.plan.fixed | values) for values in bound.plan.try_first)
    assert isinstance(published, AdditionConfig)
    assert (published.pass_ends[0], without.pass_ends[0]) == (400_000, 420_000)
    assert [end for end, _ in published.phases()] == [20_000, 60_000, 400_000, 420_000]
    assert published.second_pass is not None
    assert published.second_pass.lr * published.second_pass.final_lr == pytest.approx(1e-4)


def test_regimes_begin_with_the_published_runs_at_the_sizes_of_the_page():
    bound = bound_of("learning_rate_regimes")
    tried = [configuration(bound.plan, values) for values in bound.plan.baselines.values()]
    lines = re.findall(r"^\| \d+ \| [\d,]+ \|(?: [\d.]+ % \|| \|){5}$", PAGE, flags=re.M)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rates = ("0.003", "0.005", "0.01", "0.02", "0.03")
    published = {
        f"{row[0]} features, rate {rate}: {cell}": (int(row[0]), float(rate), row[1])
        for row in rows
        for rate, cell in zip(rates, row[2:], strict=True)
        if cell
    }
    named = zip(bound.plan.baselines, tried, strict=True)
    found = {name: (v["d_model"], v["lr"], f"{bound.params(v):,}") for name, v in named}
    assert found == published
    assert all(values["d_ff"] == 4 * values["d_model"] for values in tried)
