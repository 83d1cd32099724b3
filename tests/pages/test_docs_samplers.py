"""docs/samplers.md is true: its tables are what the code does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import optuna
import pytest
from helpers.plans import bound
from optuna.trial import TrialState

from paretune.plan.samplers import SAMPLERS, options_of
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.samplers.making import SamplerOfNumber
from paretune.sampling.told import Told, told_of
from search_spaces.parts.search import LEARNS_NOTHING

PAGE = (Path(__file__).parents[2] / "docs" / "samplers.md").read_text()

ACCURACY = {"metric": "exact_match", "direction": "max"}
PARAMS = {"metric": "params", "direction": "min"}
STEPS = {"metric": "steps_to_target", "direction": "min"}

PLANS = {
    "`exact_match`": bound(objectives=[ACCURACY], target={"exact_match": 0.99}),
    "`exact_match` and `params`": bound(objectives=[ACCURACY, PARAMS], target={"exact_match": 0.99}),
    "the same, `aim: frontier`": bound(
        objectives=[ACCURACY, PARAMS], target={"exact_match": 0.99}, search={"aim": "frontier"}
    ),
    "`steps_to_target` and `params`": bound(objectives=[STEPS, PARAMS], target={"exact_match": 0.99}),
}

SOLVED = SeedOutcome(ending="solved", step=400, metrics={"exact_match": 0.99, "steps_to_target": 300})
MISSED = SeedOutcome(ending="finished", step=400, metrics={"exact_match": 0.5})
STOPPED = SeedOutcome(ending="stopped early", step=100, metrics={"exact_match": 0.1})
DIVERGED = SeedOutcome(ending="diverged", step=50)
FAILED = SeedOutcome(ending="failed", step=0)
INTERRUPTED = SeedOutcome(ending="interrupted", step=0)
OUT_OF_MEMORY = SeedOutcome(ending="failed", step=0, out_of_memory=True)

ENDINGS = {
    "all solved": [SOLVED] * 3,
    "2 solved, 1 missed": [SOLVED, SOLVED, MISSED],
    "1 solved, 2 missed": [SOLVED, MISSED, MISSED],
    "all missed": [MISSED] * 3,
    "1 missed, 2 diverged": [MISSED, DIVERGED, DIVERGED],
    "all diverged": [DIVERGED] * 3,
    "all stopped early": [STOPPED] * 3,
    "2 solved, 1 stopped early": [SOLVED, SOLVED, STOPPED],
    "1 solved, 2 stopped early": [SOLVED, STOPPED, STOPPED],
    "2 missed, 1 stopped early": [MISSED, MISSED, STOPPED],
    "1 solved, 2 failed": [SOLVED, FAILED, FAILED],
    "all failed": [FAILED] * 3,
    "all interrupted": [INTERRUPTED] * 3,
    "all failed, out of memory": [OUT_OF_MEMORY] * 3,
    "1 failed out of memory, 2 otherwise": [OUT_OF_MEMORY, FAILED, FAILED],
}


def in_words(told: Told) -> str:
    if told.state == TrialState.FAIL:
        return "nothing"
    values = "" if told.values is None else ", ".join(f"{round(value, 3):g}" for value in told.values)
    if told.state == TrialState.PRUNED:
        values = f"pruned at {told.came_to}: {values}" if told.came_to is not None else "pruned"
    short_of = f"infeasible by {told.violation:.2f}" if told.violation else ""
    return "; ".join(filter(None, [values, short_of]))


def told_table() -> str:
    lines = [
        f"| seeds of a configuration | {' | '.join(PLANS)} | reason |",
        "|---" * (len(PLANS) + 2) + "|",
    ]
    for name, outcomes in ENDINGS.items():
        heard = [
            told_of(plan, outcomes, {"digits": 3, "d_model": 8, "lr": 0.01}, 777) for plan in PLANS.values()
        ]
        reasons = list(dict.fromkeys(told.reason for told in heard))
        cells = [name, *map(in_words, heard), " / ".join(reasons)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def sampler_table() -> str:
    columns = ("word", "class of Optuna", "learns", "several objectives", "a target to reach")
    columns = (*columns, "conditions", "choices", "ranges without steps")
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, kind in SAMPLERS.items():
        learns = name not in LEARNS_NOTHING
        facts = [learns, kind.several_objectives, kind.feasibility or not learns]
        facts += [kind.conditions, kind.choices, kind.continuous]
        words = ["yes" if fact else "no" for fact in facts]
        if not kind.choices:
            words[4] = "at random"
        lines.append(f"| `{name}` | `{kind.optuna}` | {' | '.join(words)} |")
    return "\n".join(lines)


def option_table() -> str:
    lines = ["| sampler | option | type | default |", "|---" * 4 + "|"]
    words = {bool: "true or false", int: "whole number", float: "number", str: "word", type(None): "null"}
    for name, kind in SAMPLERS.items():
        signature = inspect.signature(inspect.unwrap(getattr(optuna.samplers, kind.optuna).__init__))
        ours = SamplerOfNumber(bound(search={"sampler": name, "trials": 40}).plan) if name != "grid" else None
        for option, types in options_of(name).items():
            default = signature.parameters[option].default
            shown = f"`{default}`".lower().replace("none", "null")
            set_by_us = {} if ours is None else ours.defaults
            if option in set_by_us:
                shown = f"`{set_by_us[option]}`".lower() + (
                    "" if isinstance(set_by_us[option], bool) else ", with 40 configurations"
                )
            kinds = " or ".join(words[one] for one in types)
            lines.append(f"| `{name}` | `{option}` | {kinds} | {shown} |")
    return "\n".join(lines)


@pytest.mark.parametrize("table", [told_table, sampler_table, option_table])
def test_table_is_what_the_code_does(table):
    expected = table()
    assert expected in PAGE, f"docs/samplers.md lacks this table:\n{expected}"


def test_page_names_no_other_sampler():
    named = set(re.findall(r"sampler: \{?(\w+)", PAGE))
    assert named <= {*SAMPLERS}
    assert named
