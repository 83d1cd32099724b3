"""Odd space files that were once misread: each was found as a bug, and is kept as a test."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from helpers.space_files import RIGHT, WITHOUT_TRY_FIRST, changed, load, refusal_of, with_only

from paretune.plan.summary import sizes_of, summarise
from paretune.stopping.making import stopper_of
from search_spaces.dimensions import FloatRange
from search_spaces.sampling import draw, draw_value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text(RIGHT)
    return path


def test_target_that_no_metric_reaches_is_refused(file: Path):
    file.write_text(changed("exact_match: 0.99", "exact_match: 99"))
    assert "its best is 1" in str(refusal_of(file))


def test_contradictions_and_mistakes_of_the_task_are_told_together(file: Path):
    text = changed("digits: 3", "digts: 3")
    file.write_text(changed("max: 5000", "max: 5000", text) + "only: [{d_model: 8}]\n")
    keys = {".".join(map(str, mistake.path)) for mistake in refusal_of(file).mistakes}
    assert {"fixed.digts", "only"} <= keys


def test_aliases_cannot_blow_up(file: Path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    file.write_text("\n".join(lines))
    assert "aliases counted" in str(refusal_of(file))


def test_stepped_decimal_draw_is_in_its_dimension():
    d = FloatRange(type="float", low=0.1, high=0.7, step=0.1)
    r = random.Random(0)
    assert all(d.contains(draw_value(d, r)) for _ in range(200))


def test_condition_on_a_stepped_decimal_can_hold(file):
    t = changed("high: 0.3, when", "high: 0.3, step: 0.1, when", changed("low: 0.1", "low: 0.0"))
    t = changed(
        "  lr: {type: float, low: 1e-3",
        "  final_lr: {type: float, low: 0.0, high: 0.5, when: {warmup: 0.3}}\n  lr: {type: float, low: 1e-3",
        t,
    )
    file.write_text(t)
    plan = load(file).plan
    r = random.Random(0)
    assert any("final_lr" in draw(plan, r) for _ in range(500))


@pytest.mark.parametrize(
    "rule", ["grace_period: 100, reduction_factor: 3, max_steps: 300", "grace_period: 100, max_steps: 100"]
)
def test_rungs_told_are_those_that_trials_are_compared_at(file, rule):
    file.write_text(changed("grace_period: 100", rule))
    b = load(file)
    assert summarise(b).rung_shares == []
    assert summarise(b).rungs == list(stopper_of(b).values)


def test_seeds_above_the_default_number_of_trials(file):
    file.write_text(changed("trials: 6, seeds: 2", "seeds: 30"))
    assert load(file).plan.trials > 0


def test_unknown_task_has_a_line(file):
    file.write_text(changed("task: addition", "task: adition"))
    assert refusal_of(file).lines == [2]


def test_max_of_0_is_named(file):
    file.write_text(changed("max: 5000", "max: 0", WITHOUT_TRY_FIRST))
    assert "max 0" in str(refusal_of(file))


def test_seed_of_the_search_that_the_sampler_cannot_take(file):
    file.write_text(changed("trials: 6", "trials: 6, seed: 4294967296"))
    refusal_of(file)


def test_text_as_reduction_factor(file):
    file.write_text(changed("grace_period: 100", 'grace_period: 100, reduction_factor: "3"'))
    refusal_of(file)


def test_huge_range(file):
    file.write_text(
        changed("high: 16, step: 4", "high: 99999999999999999999999999999999, step: 1", WITHOUT_TRY_FIRST)
    )
    load(file)


def test_deep_nesting(file):
    file.write_text(RIGHT + "description: " + "[" * 2000 + "]" * 2000)
    refusal_of(file)


def test_inactive_value_in_try_first(file):
    file.write_text(changed("{d_model: 8, lr: 0.01}", "{schedule: constant, warmup: 0.2}"))
    refusal_of(file)


def test_rare_space_is_not_empty(file):
    t = changed("high: 16, step: 4", "high: 40000000", changed("max: 5000", "max: 1100"))
    file.write_text(t)
    load(file)


def test_feasible_share_counts_curricula(file):
    t = changed(
        "space:\n",
        "space:\n  digits: {type: choice, values: [3, 4]}\n"
        "  curriculum: {type: choice, values: [[], [{digits: [1, 4], share: 1}]]}\n",
        changed("  digits: 3\n", ""),
    )
    file.write_text(t)
    assert sizes_of(load(file)).feasible_share == pytest.approx(0.75)


def test_messages_inside_values(file):
    file.write_text(changed("digits: 3", "curriculum: [{digits: [3, 2], share: 1}]"))
    assert "Value error" not in str(refusal_of(file))
    file.write_text(changed("digits: 3", "curriculum: [{digits: [1, 2]}]"))
    assert "is missing" in str(refusal_of(file))


def test_duplicate_explicit_configurations(file):
    file.write_text(with_only("  - {d_model: 8}\n  - {d_model: 8}"))
    refusal_of(file)


def test_only_with_try_first_is_one_mistake(file):
    file.write_text(with_only("  - {d_model: 8}") + "try_first: [{d_model: 8}]\n")
    assert len(refusal_of(file).mistakes) == 1


def test_budget_moves_steps_that_only_a_listed_configuration_states(file):
    file.write_text(with_only("  - {d_model: 8, steps: 300}").replace("  steps: 400\n", ""))
    assert load(file, budget=200).plan.only == [{"d_model": 8, "steps": 200}]


def test_budget_moves_the_steps_by_which_a_listed_configuration_is_named(file):
    listed = with_only("  - {d_model: 8, steps: 300}\n  - {d_model: 8, steps: 400}").replace(
        "  steps: 400\n", ""
    )
    file.write_text(listed + "baselines: {longer: {d_model: 8, steps: 400}}\n")
    plan = load(file, budget=200).plan
    assert [values["steps"] for values in plan.only] == [150, 200]
    assert plan.named_only == {"longer": 1}


def test_empty_list_of_values_in_a_condition(file):
    file.write_text(changed("when: {schedule: warmup_cosine}", "when: {schedule: []}"))
    assert "can never be ;" not in str(refusal_of(file))


def test_python_words_in_messages(file):
    file.write_text(changed("search: {trials: 6, seeds: 2}", "search:"))
    assert "instance of" not in str(refusal_of(file))
    file.write_text(changed("{type: int, low: 4, high: 16, step: 4}", "[4, 8]"))
    assert "object to extract" not in str(refusal_of(file))


def test_float_step_larger_than_the_range(file):
    file.write_text(changed("high: 0.3,", "high: 0.3, step: 1e12,"))
    refusal_of(file)


def test_number_of_failing_draws_is_not_that_of_one_wording(file):
    file.write_text(changed("max: 5000", "max: 10", WITHOUT_TRY_FIRST))
    assert "of 4 looked at, none may be" in str(refusal_of(file))


SHARING = """
name: shared
task: addition
objectives: [{metric: exact_match, direction: max}]
fixed: {digits: 2, schedule: constant_linear, warmup: 0.0}
space:
  steps: {type: choice, values: [100, 200]}
share_prefixes: true
"""


def test_prefixes_that_no_trial_can_share_are_refused(file: Path):
    file.write_text(SHARING)
    load(file)
    # Left out, warmup has a default: it is easily forgotten, and nothing would be shared without a word.
    for wrong, instead, reason in (
        (", warmup: 0.0", "", "here warmup is 0.05 (its default)"),
        ("schedule: constant_linear, ", "", "here schedule is warmup_cosine (its default)"),
        (
            "constant_linear, warmup: 0.0",
            "warmup_cosine",
            "is warmup_cosine and warmup is 0.05 (its default)",
        ),
        ("0.0}", "0.0, chain_share: 0.5}", "here chain_share is above 0"),
        ("0.0}", "0.0, cooldown: 1.0}", "here cooldown takes all steps"),
    ):
        file.write_text(SHARING.replace(wrong, instead))
        (mistake,) = refusal_of(file).mistakes
        assert mistake.path == ("share_prefixes",)
        assert "schedule constant_linear, warmup 0" in str(mistake)
        assert str(mistake).endswith(reason)
    some = "  warmup: {type: choice, values: [0.0, 0.1]}\nshare_trunks"
    file.write_text(SHARING.replace(", warmup: 0.0", "").replace("share_prefixes", some))
    load(file)
