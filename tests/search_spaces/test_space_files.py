"""Right space files: the shipped ones, and what every part of the form means."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.confirm.retraining import fresh_seed
from paretune.plan.binding import BoundPlan, bind
from paretune.plan.loading import load_bound, search_overrides
from paretune.plan.rungs import rungs_of
from paretune.plan.summary import sizes_of, summarise
from search_spaces.loader import SpaceFile
from search_spaces.parts.search import MAX_SEEDS
from search_spaces.plan import Plan
from search_spaces.sampling import draw

SHIPPED = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))

HEAD = """\
name: tiny
task: addition
objectives:
  - {metric: exact_match, direction: max}
fixed: {digits: 3, steps: 400}
"""
SPACE = "space:\n  d_model: {type: int, low: 4, high: 16, step: 4}\n"

Load = Callable[..., BoundPlan]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write a text to a space file, and load and check it the way the commands do."""

    def load(text: str, budget: int | None = None, **options: Any) -> BoundPlan:
        path = tmp_path / "space.yaml"
        path.write_text(text)
        given = {"trials": None, "seeds": None, "seed": None, "concurrency": None, "cpu": None, "gpu": None}
        return load_bound(SpaceFile(path), search_overrides(**given | options), budget)

    return load


def draws(plan: Plan, count: int = 200) -> list[dict[str, Any]]:
    rng = random.Random(0)
    return [draw(plan, rng) for _ in range(count)]


# The shipped files


def test_there_are_shipped_files():
    assert {"parameter_cliff.yaml", "quickstart.yaml"} <= {path.name for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_file_is_right_and_its_sizes_are_within_its_constraints(path: Path):
    bound = load_bound(SpaceFile(path), {}, None)
    summary = summarise(bound)
    assert summary.trials >= summary.configurations >= 1
    assert 0 < summary.sizes.feasible_share <= 1
    assert 0 < summary.sizes.smallest <= summary.sizes.largest
    limits = bound.plan.constraints.params
    assert limits is None or (limits.allow(summary.sizes.smallest) and limits.allow(summary.sizes.largest))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_file_is_named_like_its_search(path: Path):
    assert SpaceFile(path).draft().name == path.stem.replace("_", "-")


def test_parameter_cliff_begins_with_the_published_sizes():
    (path,) = (path for path in SHIPPED if path.name == "parameter_cliff.yaml")
    bound = load_bound(SpaceFile(path), {}, None)
    sizes = [bound.params({**bound.plan.fixed, **values}) for values in bound.plan.baselines.values()]
    assert sizes == [777, 763]


# YAML


@pytest.mark.parametrize(
    ("written", "number"), [("1e-3", 0.001), ("1E-3", 0.001), ("2.5e-2", 0.025), ("1", 1), (".5", 0.5)]
)
def test_number_is_read_as_a_person_means_it(load: Load, written: str, number: float):
    assert load(f"{HEAD}space:\n  lr: {{type: choice, values: [{written}]}}\n").plan.space["lr"].values == [
        number
    ]


@pytest.mark.parametrize("word", ["no", "on", "y", "1.2.3"])
def test_word_stays_a_word(load: Load, word: str):
    assert load(f"{HEAD}{SPACE}description: {word}\n").plan.description == word


def test_anchors_and_merges_are_resolved(load: Load):
    text = HEAD.replace("fixed: {digits: 3, steps: 400}", "fixed: &all {digits: 3, steps: 400}")
    plan = load(f"{text}only:\n  - {{d_model: &width 8, d_ff: *width}}\n").plan
    assert plan.only == [{"d_model": 8, "d_ff": 8}]
    merged = text.replace("fixed:", "fixed: {<<: {digits: 3}, steps: 400} #")
    assert load(f"{merged}{SPACE}").plan.fixed == {"digits": 3, "steps": 400}


@pytest.mark.parametrize(
    "rewrite",
    [
        pytest.param(lambda text: text.encode("utf-8-sig"), id="byte-order mark"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="Windows line ends"),
        pytest.param(lambda text: b"---\n" + text.encode(), id="document start"),
    ],
)
def test_what_editors_add_to_a_file_changes_nothing(tmp_path: Path, rewrite: Callable[[str], bytes]):
    plain, other = tmp_path / "plain.yaml", tmp_path / "other.yaml"
    plain.write_text(HEAD + SPACE)
    other.write_bytes(rewrite(HEAD + SPACE))
    assert SpaceFile(other).draft() == SpaceFile(plain).draft()


# Conditions

CONDITIONAL = f"""{HEAD}space:
  norm: {{type: choice, values: [layernorm, rmsnorm]}}
  schedule: {{type: choice, values: [constant, warmup_cosine]}}
  warmup: {{type: float, low: 0.0, high: 0.3, step: 0.15, when: {{schedule: warmup_cosine}}}}
  final_lr: {{type: float, low: 0.0, high: 0.5, when: {{warmup: [0.15, 0.3], norm: rmsnorm}}}}
"""


def test_dimension_is_there_exactly_where_its_condition_holds(load: Load):
    drawn = draws(load(CONDITIONAL).plan)
    assert {values["schedule"] for values in drawn} == {"constant", "warmup_cosine"}
    for values in drawn:
        assert ("warmup" in values) == (values["schedule"] == "warmup_cosine")


def test_condition_on_several_parameters_needs_all_of_them_and_one_of_their_values(load: Load):
    drawn = draws(load(CONDITIONAL).plan)
    expected = [values.get("warmup", 0.0) > 0 and values["norm"] == "rmsnorm" for values in drawn]
    assert [("final_lr" in values) for values in drawn] == expected
    assert {True, False} == set(expected)


def test_inactive_dimension_leaves_its_parameter_at_the_default_of_the_task(load: Load):
    bound = load(CONDITIONAL)
    constant = next(values for values in draws(bound.plan) if values["schedule"] == "constant")
    default = bound.task.config_class.model_fields["warmup"].default
    assert bound.config(constant).warmup == default


def test_condition_on_a_fixed_parameter_that_holds_is_always_active(load: Load):
    plan = load(f"{HEAD}space:\n  lr: {{type: float, low: 0.1, high: 0.2, when: {{digits: [2, 3]}}}}\n").plan
    assert all("lr" in values for values in draws(plan, 5))


# Values with structure

CURRICULA = f"""{HEAD}space:
  curriculum:
    type: choice
    values:
      - []
      - - {{digits: [1, 2], share: 1}}
        - {{digits: [1, 3], share: 3}}
  lr: {{type: float, low: 1e-3, high: 1e-1, log: true}}
"""


def test_choice_of_whole_curricula_reaches_the_task(load: Load):
    bound = load(CURRICULA)
    phases = {tuple(bound.config(values).phases()) for values in draws(bound.plan, 30)}
    assert phases == {((400, (3, 3)),), ((100, (1, 2)), (400, (1, 3)))}


def test_curriculum_can_be_fixed_and_tried_first(load: Load):
    first = "try_first:\n  - {curriculum: [{digits: [1, 2], share: 1}, {digits: [1, 3], share: 3}]}\n"
    assert len(load(CURRICULA + first).plan.try_first[0]["curriculum"]) == 2
    fixed = HEAD.replace("steps: 400", "steps: 400, curriculum: [{digits: [1, 3], share: 1}]")
    bound = load(fixed + SPACE)
    assert bound.config(draws(bound.plan, 1)[0]).phases() == [(400, (1, 3))]


# Counting


@pytest.mark.parametrize(
    ("search", "configurations", "trials"),
    [
        ("{}", 20, 20),
        ("{trials: 4}", 4, 4),
        ("{trials: 6, seeds: 3}", 2, 6),
        # What is left over is not enough for all seeds of one more configuration.
        ("{trials: 8, seeds: 3}", 2, 6),
        ("{seeds: 4}", 5, 20),
    ],
)
def test_trials_are_configurations_times_seeds(load: Load, search: str, configurations: int, trials: int):
    plan = load(f"{HEAD}{SPACE}search: {search}\n").plan
    assert (plan.configurations, plan.trials) == (configurations, trials)


@pytest.mark.parametrize(
    ("search", "configurations", "trials"),
    [
        ("{}", 3, 3),
        ("{seeds: 2}", 3, 6),
        ("{trials: 5, seeds: 2}", 2, 4),
        ("{trials: 6, seeds: 2}", 3, 6),
    ],
)
def test_only_is_counted_by_its_configurations(load: Load, search: str, configurations: int, trials: int):
    only = "only:\n  - {d_model: 4}\n  - {d_model: 8, n_heads: 2}\n  - {d_model: 16, steps: 800}\n"
    plan = load(f"{HEAD.replace(', steps: 400', '')}{only}search: {search}\n").plan
    assert (plan.configurations, plan.trials) == (configurations, trials)
    assert plan.searched_names == ["d_model", "n_heads", "steps"]


def only_seeds(seed: int) -> Plan:
    """Return a plan of which only the seeds matter: as many as there can be."""
    return Plan.model_validate(
        {
            "name": "tiny",
            "task": "addition",
            "objectives": [{"metric": "exact_match", "direction": "max"}],
            "only": [{}],
            "search": {"seed": seed, "seeds": MAX_SEEDS},
        }
    )


@given(seed=st.integers(2, 10**6), apart=st.integers(-2, 2))
def test_no_seed_of_a_search_is_ever_a_seed_of_a_retraining(seed: int, apart: int):
    ours, theirs = only_seeds(seed), only_seeds(seed + apart)
    our_trials, their_trials = (
        {plan.trial_seed(index) for index in range(MAX_SEEDS)} for plan in (ours, theirs)
    )
    bound = bind(theirs)
    retraining = {fresh_seed(bound, index) for index in range(MAX_SEEDS)}
    assert len(our_trials) == len(retraining) == MAX_SEEDS
    assert not our_trials & retraining
    # Another seed of the search means other seeds of all its trials.
    assert (apart == 0) == bool(our_trials & their_trials)


# Values from the command line


def test_values_from_the_command_line_replace_those_of_the_file(load: Load):
    text = f"{HEAD}{SPACE}search: {{trials: 6, seeds: 2}}\nresources: {{cpu: 2}}\n"
    plan = load(text, trials=9, seeds=3, seed=5, concurrency=2, cpu=0.5, gpu=0.25).plan
    search = plan.search
    assert (search.trials, search.seeds, search.seed, search.concurrency) == (9, 3, 5, 2)
    assert (plan.resources.cpu, plan.resources.gpu) == (0.5, 0.25)
    assert load(text, trials=8).plan.search.seeds == 2


def test_budget_sets_the_steps_and_scales_the_rungs(load: Load):
    stopping = (
        "early_stopping: {metric: val_loss, direction: min, grace_period: 40, "
        "reduction_factor: 2, max_steps: 200}\n"
    )
    before, after = load(HEAD + SPACE + stopping), load(HEAD + SPACE + stopping, budget=100)
    assert before.plan.fixed["steps"] == 400
    assert after.plan.fixed["steps"] == 100
    assert (after.plan.early_stopping.grace_period, after.plan.early_stopping.max_steps) == (10, 50)
    assert summarise(before).rungs[:3] == [40, 80, 160]
    assert summarise(after).rungs[:3] == [10, 20, 40]


def test_budget_leaves_what_else_is_stated_in_steps(load: Load):
    """As the documentation of the option says."""
    text = HEAD.replace("task: addition", "task: gpt2").replace(
        "exact_match, direction: max", "val_loss, direction: min"
    )
    stated = {"steps": 400, "eval_every": 40, "finish_steps": 30, "momentum_warmup": 200}
    stated |= {"finish": "lbfgs", "optimizer": "muon"}
    text = text.replace("{digits: 3, steps: 400}", str(stated))
    after = load(text + "space:\n  d_model: {type: choice, values: [16, 32]}\n", budget=100)
    assert after.plan.fixed == stated | {"steps": 100}


def test_rungs_at_shares_need_no_scaling_when_the_budget_changes(load: Load):
    stopping = "early_stopping: {metric: val_loss, direction: min, at: [0.25, 0.5]}\n"
    after = load(HEAD + SPACE + stopping, budget=100)
    assert after.plan.early_stopping.at == [0.25, 0.5]
    assert rungs_of(after, after.plan.fixed) == [25, 50]
    summary = summarise(after)
    assert (summary.rungs, summary.rung_shares) == ([], [0.25, 0.5])
    told = dict(summary.sentences)["early stopping"]
    assert told.startswith(
        "at 25 %, 50 % of each trial's own steps; what is not among the best 1/3 is stopped"
    )


def test_budget_replaces_the_default_of_the_task_too(load: Load):
    bound = load(HEAD.replace(", steps: 400", "") + SPACE, budget=50)
    assert summarise(bound).steps_per_trial == 50
    assert bound.plan.early_stopping is None


# The summary

# 4 widths, 3 numbers of heads, 2 norms, 2 numbers of layers; biases only with two layers.
SMALL = f"""{HEAD}space:
  n_layers: {{type: int, low: 1, high: 2}}
  d_model: {{type: int, low: 4, high: 10, step: 2}}
  n_heads: {{type: choice, values: [1, 2, 4]}}
  norm: {{type: choice, values: [layernorm, rmsnorm]}}
  ffn_bias: {{type: choice, values: [true, false], when: {{n_layers: 2}}}}
  lr: {{type: float, low: 1e-3, high: 1e-1, log: true}}
constraints:
  params: {{min: 700, max: 1500}}
"""


def test_sizes_of_a_small_space_are_those_of_every_single_configuration(load: Load):
    bound = load(SMALL)
    sizes, combinations = [], 0
    for layers, width, heads, norm in itertools.product(
        (1, 2), (4, 6, 8, 10), (1, 2, 4), ("layernorm", "rmsnorm")
    ):
        for bias in (True, False) if layers == 2 else (False,):
            combinations += 1
            if width % heads == 0:
                shape = {"n_layers": layers, "d_model": width, "norm": norm, "ffn_bias": bias}
                sizes.append(bound.params({"digits": 3, **shape}))
    allowed = [size for size in sizes if 700 <= size <= 1500]
    # The constraints cut on both sides, or this test would not see them.
    assert min(sizes) < min(allowed) < max(allowed) < max(sizes)
    found = sizes_of(bound)
    assert found.exact
    assert (found.smallest, found.largest) == (min(allowed), max(allowed))
    assert found.feasible_share == pytest.approx(len(allowed) / combinations)


def test_sizes_of_a_space_too_large_to_count_reach_its_corners(load: Load):
    bound = load(
        f"{HEAD}space:\n"
        "  d_model: {type: int, low: 4, high: 400}\n"
        "  d_ff: {type: int, low: 1, high: 4000}\n"
    )
    found = sizes_of(bound)
    assert not found.exact
    assert found.smallest == bound.params({"digits": 3, "d_model": 4, "d_ff": 1})
    assert found.largest == bound.params({"digits": 3, "d_model": 400, "d_ff": 4000})
    assert found.feasible_share == 1


def test_sizes_of_explicit_configurations_are_theirs(load: Load):
    bound = load(f"{HEAD}only:\n  - {{d_model: 4}}\n  - {{d_model: 8}}\n  - {{d_model: 12}}\n")
    found = sizes_of(bound)
    assert found.exact
    assert (found.smallest, found.largest) == tuple(
        bound.params({"digits": 3, "d_model": width}) for width in (4, 12)
    )


def test_summary_adds_up_the_budget(load: Load):
    summary = summarise(load(f"{SMALL}search: {{trials: 10, seeds: 5}}\nresources: {{cpu: 2, gpu: 0.5}}\n"))
    assert (summary.name, summary.task, summary.dimensions) == ("tiny", "addition", 6)
    assert (summary.configurations, summary.seeds, summary.trials) == (2, 5, 10)
    assert (summary.steps_per_trial, summary.steps_in_all) == (400, 4000)
    assert (summary.cpu, summary.gpu, summary.rungs) == (2, 0.5, [])


@pytest.mark.parametrize(
    ("steps", "longest"),
    [
        ("steps: {type: int, low: 100, high: 700}", 700),
        ("steps: {type: choice, values: [300, 900, 100]}", 900),
    ],
)
def test_budget_of_a_searched_number_of_steps_is_the_largest(load: Load, steps: str, longest: int):
    summary = summarise(load(f"{HEAD.replace(', steps: 400', '')}space:\n  {steps}\nsearch: {{trials: 3}}\n"))
    assert summary.steps_per_trial == longest
    assert summary.steps_in_all == 3 * longest


TEN = "{at: 0.1, above: 0.7, most: 5}"


@pytest.mark.parametrize(
    ("further", "space"),
    [
        (f", restarts: {TEN}", SPACE),
        (
            "",
            f"space:\n  restarts: {{type: choice, values: [null, {{at: 0.2, above: 1, most: 1}}, {TEN}]}}\n",
        ),
        ("", f"only: [{{d_model: 4}}, {{restarts: {TEN}}}]\n"),
    ],
    ids=["fixed", "searched", "listed"],
)
def test_attempts_that_a_trial_may_give_up_are_told(load: Load, further: str, space: str):
    head = HEAD.replace("steps: 400", f"steps: 400{further}")
    told = dict(summarise(load(head + space)).sentences)["restarts"]
    assert told == "up to 200 further steps a trial, in attempts that are given up"
    assert "restarts" not in dict(summarise(load(HEAD + SPACE)).sentences)


def test_early_stopping_compares_at_multiples_of_the_grace_period_within_the_budget(load: Load):
    rule = "early_stopping: {metric: token_accuracy, direction: max, grace_period: 30"
    rungs = {
        factor: summarise(load(f"{HEAD}{SPACE}{rule}, reduction_factor: {factor}}}\n")).rungs
        for factor in (2, 3, 2.5)
    }
    assert rungs == {2: [30, 60, 120, 240], 3: [30, 90, 270], 2.5: [30, 75, 188]}
