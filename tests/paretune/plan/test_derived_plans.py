"""Derived values in a plan with its task: budgets, other names, sizes, and what is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.plans import bound
from helpers.space_files import load, refusal_of

from paretune.errors import InputError
from paretune.plan.budget import largest_budget
from paretune.plan.rungs import rungs_of
from paretune.plan.summary import sizes_of
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.proposals import Proposer
from search_spaces.sampling import configuration

FILE = """\
name: sizes
task: addition
objectives: [{metric: exact_match, direction: max}]
target: {exact_match: 0.99}
fixed: {digits: 3, eval_every: 10}
space:
  d_model: {type: choice, values: [8, 16]}
  learning_rate: {type: float, low: 1e-3, high: 1e-1, log: true}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a space file that ends with the given line."""

    def write(more: str) -> Path:
        path = tmp_path / "space.yaml"
        path.write_text(f"{FILE}{more}\n")
        return path

    return write


def steps_of(path: Path, budget: int | None = None) -> list[int]:
    found = load(path, budget)
    return [
        found.config(configuration(found.plan, {"d_model": width, "lr": 0.01})).steps for width in (8, 16)
    ]


@pytest.mark.parametrize(
    ("rule", "steps", "scaled"),
    [
        ("{times: d_model, by: 100}", [800, 1600], [200, 400]),
        ("{times: d_model, by: 100, multiple_of: 500}", [1000, 1500], [200, 400]),
        ("{lookup: d_model, table: {8: 500, 16: 1000}}", [500, 1000], [200, 400]),
    ],
)
def test_a_budget_keeps_the_ratios_of_derived_steps(
    write: Callable[[str], Path], rule: str, steps: list[int], scaled: list[int]
):
    path = write(f"derived: {{steps: {rule}}}")
    assert steps_of(path) == steps
    assert largest_budget(load(path)) == steps[-1]
    assert largest_budget(load(path, 400)) == 400
    assert steps_of(path, 400) == scaled


def test_a_budget_cannot_change_a_sum(write: Callable[[str], Path]):
    path = write("derived: {steps: {sum: d_model, plus: 400}}")
    assert largest_budget(load(path)) == 416
    with pytest.raises(InputError, match="--budget cannot change steps that are derived as a sum"):
        load(path, 100)


def test_what_is_derived_from_steps_follows_a_budget(write: Callable[[str], Path]):
    path = write("derived: {eval_every: {times: steps, by: 0.1, multiple_of: 1}}")
    path.write_text(path.read_text().replace("eval_every: 10}", "steps: 1000}"))
    for budget in (1000, 400):
        found = load(path, budget)
        config = found.config(configuration(found.plan, {"d_model": 8, "lr": 0.01}))
        assert (config.steps, config.eval_every) == (budget, budget // 10)


def test_rungs_lie_at_shares_of_derived_steps(write: Callable[[str], Path]):
    path = write(
        "derived: {steps: {times: d_model, by: 100}}\n"
        "early_stopping: {metric: exact_match, direction: max, at: [0.5]}"
    )
    found = load(path)
    assert rungs_of(found, configuration(found.plan, {"d_model": 8, "lr": 0.01})) == [400]


def test_derived_evaluations_that_cannot_hold_the_target_are_a_mistake(write: Callable[[str], Path]):
    path = write("derived: {eval_every: {times: steps}}")
    path.write_text(path.read_text().replace("eval_every: 10}", "steps: 1000}"))
    (mistake,) = refusal_of(path).mistakes
    assert mistake.path == ("derived", "eval_every")
    assert "the target must hold for 2 evaluations" in mistake.message


def test_other_names_are_accepted_wherever_a_parameter_is_named(write: Callable[[str], Path]):
    found = load(
        write(
            "derived: {final_lr: {times: learning_rate, by: 2}, batch_size: {sum: d_model}}\n"
            "constraints: {learning_rate: {max: 0.05}, batch_size: {min: 1}}"
        )
    ).plan
    assert found.derived["final_lr"].times == ["lr"]
    assert {*found.derived} == {"final_lr", "batch"}
    assert {*found.constraints.of_parameters} == {"lr", "batch"}


def test_mistakes_have_the_names_of_the_file(write: Callable[[str], Path]):
    (mistake,) = refusal_of(write("derived: {learning_rate: {times: d_model}}")).mistakes
    assert mistake.path == ("derived", "learning_rate")


def test_sizes_count_every_combination_of_what_decides_a_derived_width():
    spaces: list[dict[str, Any]] = [
        {"derived": {"d_ff": {"times": "d_model", "by": 4}}},
        {"derived": {"d_ff": {"times": "batch"}}, "space": {"batch": {"type": "int", "low": 8, "high": 64}}},
    ]
    for changes in spaces:
        found = bound(**changes)
        sizes = sizes_of(found)
        ends = [
            found.params(configuration(found.plan, given))
            for given in ({"d_model": 4, "batch": 8}, {"d_model": 32, "batch": 64})
            if "space" not in changes or given.pop("d_model")
        ]
        assert (sizes.smallest, sizes.largest, sizes.exact) == (*ends, True)


def test_what_is_proposed_has_its_derived_values_and_a_resumed_search_too():
    limited = bound(
        derived={"d_ff": {"times": "d_model", "by": 4}},
        constraints={"d_ff": {"max": 80}},
        baselines={"small": {"d_model": 4}},
    )
    first = Proposer(limited)
    found = [first.propose() for _ in range(10)]
    assert found[0] is not None
    assert found[0].values["d_model"] == 4
    again = Proposer(limited)
    for proposal in found:
        assert proposal is not None
        assert proposal.values["d_ff"] == 4 * proposal.values["d_model"] <= 80  # type: ignore[operator]
        again.replay(proposal.number, proposal.values)
        again.tell(proposal.number, [SeedOutcome(ending="finished", step=1, metrics={"exact_match": 0.5})])
    proposal = again.propose()
    assert proposal is not None
    assert proposal.values["d_ff"] == 4 * proposal.values["d_model"]  # type: ignore[operator]


def test_listed_configurations_are_proposed_with_their_derived_values():
    listed = bound(space={}, only=[{"d_model": 8}], derived={"d_ff": {"times": "d_model", "by": 4}})
    proposal = Proposer(listed).propose()
    assert proposal is not None
    assert proposal.values == {"digits": 3, "d_model": 8, "d_ff": 32}
