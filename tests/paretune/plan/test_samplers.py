"""Samplers in space files: which a plan can have, with which options, and what they are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.plans import bound
from helpers.space_files import changed, load, refusal_of

from paretune.plan.samplers import SAMPLERS, cannot, options_of, start_up_trials, told_objectives
from search_spaces.parts.search import SAMPLER_NAMES

ACCURACY = {"metric": "exact_match", "direction": "max"}
PARAMS = {"metric": "params", "direction": "min"}
STEPS = {"metric": "steps_to_target", "direction": "min"}

RANGES = {"d_model": {"type": "int", "low": 4, "high": 16}, "lr": {"type": "float", "low": 0.01, "high": 0.1}}
STEPPED = {"lr": {**RANGES["lr"], "step": 0.01}, "norm": {"type": "choice", "values": ["layernorm", "none"]}}
CHOICES = {"norm": STEPPED["norm"], "d_ff": {"type": "choice", "values": [8, 16]}}
CONDITIONAL = {**STEPPED, "final_norm": {**CHOICES["d_ff"], "values": [True], "when": {"norm": "none"}}}
LARGE = {name: {"type": "int", "low": 1, "high": 400} for name in ("d_model", "d_ff")}


def test_every_word_has_a_sampler():
    assert tuple(SAMPLERS) == SAMPLER_NAMES


@pytest.mark.parametrize(
    ("space", "objectives", "refused"),
    [
        pytest.param(RANGES, [ACCURACY], {"grid"}, id="continuous range"),
        pytest.param(STEPPED, [ACCURACY], set(), id="one objective"),
        pytest.param(STEPPED, [ACCURACY, PARAMS], {"cma_es"}, id="smallest that reaches the target"),
        pytest.param(STEPPED, [STEPS, PARAMS], {"cma_es"}, id="several objectives"),
        pytest.param(STEPPED, [STEPS], {"cma_es"}, id="a cost that failures do not have"),
        pytest.param(CHOICES, [ACCURACY], {"cma_es"}, id="choices only"),
        pytest.param(CONDITIONAL, [ACCURACY], {"gp", "cma_es", "nsga2", "nsga3"}, id="conditional"),
        pytest.param(LARGE, [ACCURACY], {"grid"}, id="too many combinations"),
    ],
)
def test_what_a_sampler_cannot_do_is_known(space: dict[str, Any], objectives: Any, refused: set[str]):
    plan = bound(space=space, objectives=objectives, target={"exact_match": 0.9})
    assert {name for name in SAMPLERS if cannot(name, plan.plan, plan.task) is not None} == refused


@pytest.mark.parametrize(
    ("sampler", "key", "says"),
    [
        ("gp", "search.sampler", "gp learns nothing of dimensions that do not always exist (warmup); "
         "accepted: tpe, qmc, random"),
        ("grid", "search.sampler",
         "grid needs values that can be listed, and warmup is a range without a step"),
        ("{tpe: {n_startup: 4}}", "search.sampler.tpe.n_startup",
         "is no option of tpe; accepted: consider_prior, prior_weight"),
        ("{tpe: {seed: 4}}", "search.sampler.tpe.seed", "cannot be set: search.seed sets it; accepted: "),
        ("{tpe: {n_startup_trials: many}}", "search.sampler.tpe.n_startup_trials",
         "got 'many'; accepted: a whole number of at least 1"),
        ("{qmc: {qmc_type: halton, scramble: 3}}", "search.sampler.qmc.scramble",
         "got 3; accepted: true or false"),
        ("{random: {n_startup_trials: 3}}", "search.sampler.random.n_startup_trials",
         "is no option of random; accepted: none"),
        ("{tpe: 3}", "search.sampler",
         "got 3 as the options of tpe; accepted: a map of their names to values"),
        ("{tpe: {}, gp: {}}", "search.sampler", "got 2 samplers; accepted: one"),
        ("{}", "search.sampler", "got 0 samplers"),
        ("[tpe]", "search.sampler", "got ['tpe'], not a sampler; accepted: tpe, gp"),
        ("TPE", "search.sampler", "got 'TPE', not a sampler"),
        ("tpe, aim: target", "search.aim", "got 'target', which needs a target, and as objectives"),
        ("tpe, aim: smallest", "search.aim", "got 'smallest'; accepted: target or frontier"),
    ],
)  # fmt: skip
def test_mistakes_say_what_would_be_accepted(tmp_path: Path, sampler: str, key: str, says: str):
    path = tmp_path / "space.yaml"
    path.write_text(changed("trials: 6", f"trials: 6, sampler: {sampler}"))
    (line,) = str(refusal_of(path)).splitlines()
    assert line.startswith(f"{path}:18: {key}: {says}")


def test_an_option_that_a_constructor_refuses_is_a_mistake(tmp_path: Path):
    path = tmp_path / "space.yaml"
    flat = changed(", when: {schedule: warmup_cosine}", "").replace("schedule: {type", "norm: {type")
    flat = flat.replace("[constant, warmup_cosine]", "[layernorm, none]")
    path.write_text(changed("trials: 6", "trials: 6, sampler: {nsga2: {mutation_prob: 7}}", flat))
    assert "search.sampler.nsga2: " in str(refusal_of(path))


def test_options_that_are_stated_are_kept_through_a_file(tmp_path: Path):
    path = tmp_path / "space.yaml"
    path.write_text(changed("trials: 6", "trials: 6, sampler: {tpe: {n_ei_candidates: 50}}"))
    plan = load(path).plan
    assert plan.search.sampler_name == "tpe"
    assert plan.search.sampler_options == {"n_ei_candidates": 50}
    plan.write(path)
    assert load(path).plan.search == plan.search


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_options_come_from_the_signature_and_hold_only_what_a_file_can_state(name):
    options = options_of(name)
    assert "seed" not in options
    assert all({*types} <= {int, float, bool, str, type(None)} for types in options.values())
    # What is ours is there: a misspelt name would let a plan set it.
    assert not {*options} & {*SAMPLERS[name].ours}


@pytest.mark.parametrize(("trials", "expected"), [(2, 4), (40, 4), (60, 6), (100, 10), (400, 10)])
def test_start_up_goes_by_the_number_of_configurations(trials: int, expected: int):
    assert start_up_trials(bound(search={"trials": trials}).plan) == expected


def test_the_frontier_is_looked_for_where_it_is_asked_for():
    smallest = bound(objectives=[ACCURACY, PARAMS], target={"exact_match": 0.9})
    assert [o.metric for o in told_objectives(smallest.plan, smallest.task)] == ["params"]
    search = {"aim": "frontier"}
    frontier = bound(objectives=[ACCURACY, PARAMS], target={"exact_match": 0.9}, search=search)
    assert told_objectives(frontier.plan, frontier.task) == frontier.plan.objectives
