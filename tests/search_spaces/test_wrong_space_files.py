"""Wrong space files: each is refused before anything starts, at its key and line, with what is accepted.

Every case is the right file below with one thing changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from helpers.commands import run_cli
from helpers.space_files import RIGHT, WITHOUT_TRY_FIRST, changed, load, refusal_of, with_only
from ruamel.yaml import YAML

from paretune.plan.loading import load_bound
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import SpaceFileError, dotted
from search_spaces.reading import MAX_BYTES

WHERE_IT_DIFFERS, ANY_LINE = object(), object()
"""Stand for the line that a message must tell: the first that differs from the right file, or any."""


def case(name: str, text: str, key: str, says: str, *, at: object = WHERE_IT_DIFFERS) -> Any:
    """Return a named case.

    Args:
        name: its name in the test report.
        text: the wrong file.
        key: the dotted key that must be named; empty for the file as a whole.
        says: what the message must contain, in this order, with " ... " between the passages: the
            value, and what would be accepted.
        at: a passage of the line that must be told, if it is not the first changed one; None where
            no line can be told.
    """
    return pytest.param(text, key, says.split(" ... "), at, id=name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The right file on disk."""
    path = tmp_path / "space.yaml"
    path.write_text(RIGHT)
    return path


def line_with(passage: str, text: str) -> int:
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if passage in line]
    assert len(lines) == 1, f"{passage!r} must be on one line"
    return lines[0]


def first_changed_line(text: str) -> int:
    pairs = zip_longest(text.splitlines(), RIGHT.splitlines())
    return next(number for number, (new, old) in enumerate(pairs, start=1) if new != old)


def expected_line(at: object, text: str) -> int | None:
    if at is None:
        return None
    return first_changed_line(text) if at is WHERE_IT_DIFFERS else line_with(str(at), text)


NOT_A_SPACE_FILE = [
    case("empty", "", "", "is empty ... name, task, objectives", at=None),
    case("only comments", "# nothing yet\n", "", "is empty", at=None),
    case("list at the top", "- name: tiny\n", "", "must be a mapping ... a list"),
    case("one word", "tiny\n", "", "must be a mapping ... 'tiny'"),
    case("brace left open", changed("0.99}", "0.99"), "", "not valid YAML ... '}'", at="fixed:"),
    case("tab as indentation", changed("  digits", "\tdigits"), "", "not valid YAML ... '\\t'"),
    case(
        "duplicate key",
        changed("  steps: 400\n", "  steps: 400\n  steps: 500\n"),
        "",
        'duplicate key ... "steps" ... "500"',
    ),
    case("duplicate top-level key", f"{RIGHT}name: again\n", "", 'duplicate key "name"'),
    case("two documents", f"{RIGHT}---\nname: second\n", "", "another document"),
    case("undefined alias", changed("digits: 3", "digits: *three"), "", "alias 'three'"),
    case(
        "tag of another kind",
        changed("steps: 400", "steps: !inches 400"),
        "fixed.steps",
        "!inches ... accepted: plain numbers",
    ),
    case(
        "date instead of a number",
        changed("steps: 400", "steps: 2026-01-31"),
        "fixed.steps",
        "date ... accepted: plain numbers",
    ),
    case("number as key", changed("  digits: 3", "  3: 3"), "fixed", "must be words ... got 3"),
]

KEYS = [
    case(
        "unknown key at the top",
        changed("target:", "targets:"),
        "targets",
        "is not a key here ... did you mean target? ... early_stopping",
    ),
    case(
        "unknown key in search",
        changed("trials: 6", "trails: 6"),
        "search.trails",
        "did you mean trials? ... concurrency",
    ),
    case(
        "unknown key in an objective",
        changed("direction: max}\ntarget", "direction: max, weight: 2}\ntarget"),
        "objectives.0.weight",
        "is not a key here ... accepted: metric, direction",
    ),
    case(
        "unknown key in a dimension",
        changed("step: 4", "stride: 4"),
        "space.d_model.stride",
        "is not a key here ... low, high, step, log",
    ),
    case(
        "unknown key in constraints",
        changed("  params:", "  flops:"),
        "constraints.flops",
        "is not a key here ... params",
    ),
    case("no name", changed("name: tiny\n", ""), "name", "is missing", at=None),
    case("no task", changed("task: addition\n", ""), "task", "is missing", at=None),
    case("no direction", changed("direction: max}\nt", "}\nt"), "objectives.0.direction", "missing"),
    case("no end of a range", changed("low: 4, high: 16", "low: 4"), "space.d_model.high", "is missing"),
    case(
        "no kind of dimension",
        changed("type: int, ", ""),
        "space.d_model.type",
        "is missing ... accepted: int, float, choice",
    ),
    case("key without a value", changed("search: {trials: 6, seeds: 2}", "search:"), "search", "None"),
]

WHAT_IS_ASKED = [
    case("name with capitals", changed("name: tiny", "name: Tiny_One"), "name", "'Tiny_One' ... lower-case"),
    case("name with a line break", changed("name: tiny", r'name: "tiny\n"'), "name", "lower-case"),
    case("name too long", changed("name: tiny", f"name: {'a' * 81}"), "name", "at most 80"),
    case("name is a number", changed("name: tiny", "name: 7"), "name", "got 7 ... text"),
    case(
        "unknown task",
        changed("task: addition", "task: subtraction"),
        "task",
        "'subtraction' ... accepted: addition",
        at=ANY_LINE,
    ),
    case(
        "no objective",
        changed("\n  - {metric: exact_match, direction: max}", " []"),
        "objectives",
        "got [] ... at least 1",
    ),
    case(
        "unknown metric of an objective",
        changed("metric: exact_match", "metric: exact_mach"),
        "objectives.0.metric",
        "'exact_mach' ... did you mean exact_match? ... params",
    ),
    case(
        "direction that makes it worse",
        changed("exact_match, direction: max", "exact_match, direction: min"),
        "objectives.0.direction",
        "'min' ... exact_match is better when it is maximal",
    ),
    case(
        "direction that does not exist",
        changed("exact_match, direction: max", "exact_match, direction: up"),
        "objectives.0.direction",
        "'up' ... max or min",
    ),
    case(
        "objective stated twice",
        changed("max}\ntarget", "max}\n  - {direction: max, metric: exact_match}\ntarget"),
        "objectives.1.metric",
        "'exact_match' ... already",
    ),
    case(
        "unknown metric of the target",
        changed("target: {exact_match", "target: {accuracy"),
        "target.accuracy",
        "is not a metric of addition ... exact_match, token_accuracy, val_loss",
    ),
    case(
        "parameter count as target",
        changed("target: {exact_match", "target: {params"),
        "target.params",
        "is not a metric of addition",
    ),
    case(
        "two metrics in the target",
        changed("0.99}", "0.99, token_accuracy: 0.999}"),
        "target",
        "token_accuracy ... at most 1",
    ),
    case("word as target", changed("0.99", "high"), "target.exact_match", "'high' ... number"),
    case("target is not a number", changed("0.99", ".nan"), "target.exact_match", "nan ... finite"),
]

FIXED = [
    case(
        "unknown parameter",
        changed("  digits: 3", "  n_digits: 3"),
        "fixed.n_digits",
        "is not a parameter of addition ... did you mean digits?",
    ),
    case("word for a number", changed("400", "many"), "fixed.steps", "'many' ... a whole number"),
    case("fraction for a whole number", changed("400", "400.5"), "fixed.steps", "400.5 ... a whole number"),
    case("text for a number", changed("400", '"400"'), "fixed.steps", "'400' ... a whole number"),
    case(
        "no is a word",
        changed("  steps: 400", "  final_norm: no"),
        "fixed.final_norm",
        "'no' ... true or false",
    ),
    case(
        "value above the task's bound",
        changed("digits: 3", "digits: 19"),
        "fixed.digits",
        "got 19 ... at most 18",
    ),
    case(
        "value that the task does not list",
        changed("digits: 3", "norm: batchnorm"),
        "fixed.norm",
        "'batchnorm' ... layernorm, rmsnorm or none",
    ),
    case(
        "infinite value",
        changed("  digits: 3", "  weight_decay: .inf"),
        "fixed.weight_decay",
        "inf ... finite",
    ),
    case(
        "wrong value inside a list",
        changed("  digits: 3", "  curriculum: [{digits: [1, 2], share: -1}]"),
        "fixed.curriculum.0.share",
        "got -1 ... above 0",
    ),
    case(
        "seed, which the search sets",
        changed("digits: 3", "seed: 3"),
        "fixed.seed",
        "set by the search ... search.seeds",
    ),
    case(
        "fixed and searched",
        changed("  steps: 400", "  lr: 0.01"),
        "space.lr",
        "is fixed too ... either fixed or searched",
        at="  lr: {type",
    ),
]

DIMENSIONS = [
    case(
        "unknown kind",
        changed("type: int", "type: integer"),
        "space.d_model.type",
        "'integer' ... accepted: int, float, choice",
    ),
    case(
        "list instead of a dimension",
        changed("{type: int, low: 4, high: 16, step: 4}", "[4, 8]"),
        "space.d_model",
        "[4, 8]",
    ),
    case(
        "crossing bounds",
        changed("low: 4, high: 16", "low: 16, high: 4"),
        "space.d_model",
        "low <= high ... low=16, high=4",
    ),
    case("logarithm of 0", changed("low: 1e-3", "low: 0"), "space.lr", "above 0 ... low=0"),
    case(
        "logarithm of 0 in whole numbers",
        changed("low: 4, high: 16, step: 4", "low: 0, high: 16, log: true"),
        "space.d_model",
        "above 0 ... low=0",
    ),
    case(
        "step with log",
        changed("log: true", "log: true, step: 0.033"),
        "space.lr",
        "exclude each other ... step=0.033",
    ),
    case(
        "high not reached by whole steps",
        changed("high: 16", "high: 17"),
        "space.d_model",
        "high=17, step=4 ... the last value would be 16",
    ),
    case(
        "high not reached by real steps",
        changed("high: 0.3", "high: 0.3, step: 0.15"),
        "space.warmup",
        "whole number of steps ... step=0.15",
    ),
    case("step of 0", changed("step: 4", "step: 0"), "space.d_model.step", "got 0 ... at least 1"),
    case(
        "fraction in whole numbers",
        changed("low: 4", "low: 4.5"),
        "space.d_model.low",
        "got 4.5 ... a whole number",
    ),
    case(
        "end below the task's bound",
        changed("low: 4, high: 16", "low: 0, high: 16"),
        "space.d_model.low",
        "got 0 ... at least 2",
    ),
    case(
        "end above the task's bound",
        changed("high: 0.3", "high: 1.5"),
        "space.warmup.high",
        "got 1.5 ... below 1",
    ),
    case("infinite end", changed("high: 1e-1", "high: .inf"), "space.lr.high", "inf ... finite"),
    case("end is not a number", changed("low: 1e-3", "low: .nan"), "space.lr.low", "nan ... finite"),
    case(
        "unknown parameter in the space",
        changed("  warmup: {", "  warm_up: {"),
        "space.warm_up",
        "is not a parameter of addition ... did you mean warmup?",
    ),
    case(
        "choice that the task refuses",
        changed("[constant, ", "[linear, constant, "),
        "space.schedule.values.0",
        "'linear' ... warmup_cosine, constant_linear or constant",
    ),
    case(
        "same choice twice",
        changed("[constant, ", "[constant, constant, "),
        "space.schedule",
        "different ... 'constant' twice",
    ),
    case(
        "nothing to choose from",
        changed("[constant, warmup_cosine]", "[]"),
        "space.schedule.values",
        "got [] ... at least 1",
    ),
    case(
        "wrong value inside a choice",
        changed("space:", "space:\n  curriculum: {type: choice, values: [[], [{digits: [1, 2], share: 0}]]}"),
        "space.curriculum.values.1.0.share",
        "got 0 ... above 0",
    ),
]

CONDITIONS = [
    case(
        "condition on a parameter that is not there",
        changed("when: {schedule: w", "when: {shedule: w"),
        "space.warmup.when.shedule",
        "neither fixed nor in the space ... did you mean schedule?",
    ),
    case(
        "condition on a parameter left to its default",
        changed("when: {schedule: warmup_cosine}", "when: {norm: rmsnorm}"),
        "space.warmup.when.norm",
        "neither fixed nor in the space",
    ),
    case(
        "value that a choice does not have",
        changed("when: {schedule: warmup_cosine}", "when: {schedule: cosine}"),
        "space.warmup.when.schedule",
        "can never be 'cosine' ... constant, warmup_cosine",
    ),
    case(
        "values that a range does not have",
        changed("when: {schedule: warmup_cosine}", "when: {d_model: [5, 6]}"),
        "space.warmup.when.d_model",
        "can never be 5 or 6 ... 4 to 16 in steps of 4",
    ),
    case(
        "value that a fixed parameter does not have",
        changed("when: {schedule: warmup_cosine}", "when: {digits: 10}"),
        "space.warmup.when.digits",
        "can never be 10 ... fixed to 3",
    ),
    case(
        "condition on a later parameter",
        changed("when: {schedule: warmup_cosine}", "when: {lr: 0.01}"),
        "space.warmup.when.lr",
        "lr must stand above warmup",
    ),
    case(
        "condition on itself",
        changed("when: {schedule: warmup_cosine}", "when: {warmup: 0.1}"),
        "space.warmup.when.warmup",
        "must stand above",
    ),
    case(
        "condition without a parameter",
        changed("when: {schedule: warmup_cosine}", "when: {}"),
        "space.warmup.when",
        "got {} ... at least 1",
    ),
]

EXPLICIT = [
    case(
        "try_first outside the space",
        changed("d_model: 8,", "d_model: 10,"),
        "try_first.0.d_model",
        "10 is outside the space ... 4 to 16 in steps of 4",
    ),
    case(
        "try_first with a parameter that is not searched",
        changed("{d_model: 8,", "{d_ff: 8,"),
        "try_first.0.d_ff",
        "is not searched ... d_model, schedule, warmup, lr",
    ),
    case(
        "try_first outside the constraints",
        changed("max: 5000", "max: 1000"),
        "try_first.0",
        "params must be within max 1,000 ... 1,040",
        at="- {d_model",
    ),
    case("only with a space", f"{RIGHT}only: [{{d_ff: 8}}]\n", "only", "replaces space ... one of them"),
    case("neither space nor only", RIGHT[: RIGHT.index("space:")], "", "neither a space ... only", at=None),
    case(
        "only with a combination that the task refuses",
        with_only("  - {d_model: 8, n_heads: 2}\n  - {d_model: 8, n_heads: 3}"),
        "only.1",
        "n_heads must divide d_model ... d_model=8, n_heads=3",
        at="n_heads: 3",
    ),
    case(
        "only with an unknown parameter",
        with_only("  - {d_mdel: 8}"),
        "only.0.d_mdel",
        "is not a parameter ... did you mean d_model?",
        at="d_mdel",
    ),
    case(
        "only with a fixed parameter",
        with_only("  - {d_model: 8, digits: 3}"),
        "only.0.digits",
        "is fixed to 3 already",
        at="d_model: 8",
    ),
    case(
        "only outside the constraints",
        with_only("  - {d_model: 64}"),
        "only.0",
        "params must be within max 5,000",
        at="d_model: 64",
    ),
]

CONSTRAINTS = [
    case(
        "constraint that nothing satisfies",
        changed("max: 5000", "max: 10", WITHOUT_TRY_FIRST),
        "constraints.params",
        "no configuration is left to train ... params must be within max 10",
        at="params",
    ),
    case(
        "smallest above largest",
        changed("max: 5000", "min: 5000, max: 500"),
        "constraints.params",
        "min <= max ... min=5000, max=500",
    ),
    case(
        "constraint without a limit", changed("{max: 5000}", "{}"), "constraints.params", "min, max or both"
    ),
    case(
        "negative limit",
        changed("max: 5000", "max: -1"),
        "constraints.params.max",
        "got -1 ... at least 0",
    ),
    case(
        "limit that is not whole",
        changed("max: 5000", "max: 5e3"),
        "constraints.params.max",
        "got 5000.0 ... a whole number",
    ),
    case(
        "space of invalid combinations only",
        changed(
            "space:",
            "space:\n  n_heads: {type: choice, values: [3, 5, 7]}",
            changed("step: 4", "step: 12", WITHOUT_TRY_FIRST),
        ),
        "space",
        "no configuration is left to train ... n_heads must divide d_model",
        at="space:",
    ),
]

SEARCH = [
    case("no trials", changed("trials: 6", "trials: 0"), "search.trials", "got 0 ... at least 1"),
    case("fraction of a trial", changed("trials: 6", "trials: 6.5"), "search.trials", "a whole number"),
    case(
        "fewer trials than seeds",
        changed("trials: 6, seeds: 2", "trials: 2, seeds: 3"),
        "search",
        "trials must be at least seeds ... trials=2, seeds=3",
    ),
    case(
        "too many seeds",
        changed("trials: 6, seeds: 2", "trials: 600, seeds: 501"),
        "search.seeds",
        "got 501 ... at most 500",
    ),
    case(
        "unknown sampler",
        changed("trials: 6", "sampler: gird"),
        "search.sampler",
        "'gird', not a sampler; did you mean grid? ... tpe, gp, cma_es ... random",
    ),
    case(
        "a cost of reaching a target that there is none of",
        changed(
            "{metric: exact_match, direction: max}\ntarget: {exact_match: 0.99}",
            "{metric: seconds_to_target, direction: min}",
        ),
        "objectives.0.metric",
        "seconds_to_target needs a target",
    ),
    case(
        "a cost to be made large",
        changed("{metric: exact_match, direction: max}", "{metric: cpu_seconds, direction: max}"),
        "objectives.0.direction",
        "'max' ... cpu_seconds is better when it is minimal",
    ),
    case(
        "an objective that is neither quality nor cost",
        changed("{metric: exact_match, direction: max}", "{metric: learning_rate, direction: min}"),
        "objectives.0.metric",
        "'learning_rate', not a metric here ... seconds_to_target ... val_loss",
    ),
    case(
        "a baseline outside the space",
        changed("try_first:\n  - {", "baselines:\n  as published: {d_model: 9}\ntry_first:\n  - {"),
        "baselines.as published.d_model",
        "9 is outside the space ... 4",
        at="as published",
    ),
    case(
        "a baseline with a parameter that is not searched",
        changed("try_first:\n  - {", "baselines:\n  as published: {d_ff: 8}\ntry_first:\n  - {"),
        "baselines.as published.d_ff",
        "is not searched ... d_model",
        at="as published",
    ),
    case(
        "a baseline outside the constraints",
        changed(
            "try_first:\n  - {d_model: 8, lr: 0.01}\nconstraints:\n  params: {max: 5000}",
            "baselines:\n  big: {d_model: 16}\nconstraints:\n  params: {max: 900}",
        ),
        "baselines.big",
        "params must be within max 900",
        at="big",
    ),
    case(
        "a baseline that is tried first again",
        changed("try_first:\n", "baselines:\n  small: {d_model: 8, lr: 0.01}\ntry_first:\n"),
        "try_first.0",
        "is the same configuration as baselines.small",
        at="- {d_model: 8, lr: 0.01}",
    ),
    case(
        "a baseline that states nothing",
        changed("try_first:\n", "baselines:\n  default: {}\ntry_first:\n"),
        "baselines.default",
        "states no value",
        at="default",
    ),
    case(
        "a baseline with a long name",
        changed("try_first:\n", f"baselines:\n  {'long' * 11}: {{d_model: 8}}\ntry_first:\n"),
        f"baselines.{'long' * 11}",
        "got the name 'longlong ... accepted: one line of 1 to 40 printable characters",
        at="long",
    ),
    case(
        "a baseline beside only",
        with_only("  - {d_model: 8}").replace("constraints:", "baselines: {a: {d_model: 9}}\nconstraints:"),
        "baselines.a",
        "is none of the configurations under only, which are all that is tried",
        at="baselines",
    ),
    case(
        "a hold without a target",
        changed("target: {exact_match: 0.99}", "target_hold: 3"),
        "target_hold",
        "no effect without a target ... target: {exact_match: 0.99}",
    ),
    case(
        "no stop without a target",
        changed("target: {exact_match: 0.99}", "stop_at_target: false"),
        "stop_at_target",
        "no effect without a target",
    ),
    case(
        "a target held for no evaluation",
        changed("target: {exact_match: 0.99}", "target: {exact_match: 0.99}\ntarget_hold: 0"),
        "target_hold",
        "got 0 ... at least 1",
    ),
    case(
        "first rung at the end of the budget",
        changed("grace_period: 100", "grace_period: 400"),
        "early_stopping.grace_period",
        "got 400 ... the budget is 400 steps",
    ),
    case(
        "first rung beyond the last",
        changed("grace_period: 100", "grace_period: 100, max_steps: 50"),
        "early_stopping",
        "grace_period <= max_steps ... grace_period=100, max_steps=50",
    ),
    case(
        "rungs at steps and at shares",
        changed("grace_period: 100", "grace_period: 100, at: [0.5]"),
        "early_stopping",
        "state grace_period ... or at ... [0.25, 0.5] ... got both",
    ),
    case(
        "rungs nowhere",
        changed(", grace_period: 100", ""),
        "early_stopping",
        "state grace_period ... or at ... got neither",
    ),
    case(
        "last step beside shares",
        changed("grace_period: 100", "at: [0.5], max_steps: 200"),
        "early_stopping",
        "max_steps belongs to grace_period",
    ),
    case(
        "shares that do not increase",
        changed("grace_period: 100", "at: [0.25, 0.5, 0.5]"),
        "early_stopping",
        "must increase ... at=[0.25, 0.5, 0.5]",
    ),
    case(
        "no share",
        changed("grace_period: 100", "at: []"),
        "early_stopping.at",
        "got [] ... at least 1",
    ),
    case(
        "rung at the end",
        changed("grace_period: 100", "at: [0.5, 1]"),
        "early_stopping.at.1",
        "got 1 ... below 1",
    ),
    case(
        "share of too few steps to stop at",
        changed("grace_period: 100", "at: [0.999]"),
        "early_stopping.at",
        "got [0.999] ... the budget is 400 steps",
    ),
    case(
        "rungs at which all go on",
        changed("grace_period: 100", "grace_period: 100, reduction_factor: 1"),
        "early_stopping.reduction_factor",
        "got 1 ... above 1",
    ),
    case(
        "rungs that compare the parameter count",
        changed("metric: token_accuracy", "metric: params"),
        "early_stopping.metric",
        "'params' ... accepted: cpu_seconds, exact_match, ... token_accuracy, tokens, train_loss, val_loss",
    ),
    case(
        "rungs that compare what is known of solved trials only",
        changed("token_accuracy, direction: max", "steps_to_target, direction: min"),
        "early_stopping.metric",
        "'steps_to_target'",
    ),
    case(
        "one of several metrics at a rung that there is not",
        changed(
            "metric: token_accuracy, direction: max",
            "metrics: [{metric: val_loss, direction: min}, {metric: acuracy, direction: max}]",
        ),
        "early_stopping.metrics.1.metric",
        "'acuracy'",
    ),
    case(
        "one metric alone in a list",
        changed("metric: token_accuracy, direction: max", "metrics: [{metric: val_loss, direction: min}]"),
        "early_stopping.metrics",
        "at least 2",
    ),
    case(
        "weights of some metrics only",
        changed(
            "metric: token_accuracy, direction: max",
            "metrics: [{metric: val_loss, direction: min, weight: 2}, "
            "{metric: token_accuracy, direction: max}]",
        ),
        "early_stopping",
        "all metrics have a weight, or none ... none for token_accuracy",
    ),
    case(
        "no metric at a rung",
        changed("metric: token_accuracy, direction: max, ", ""),
        "early_stopping",
        "state metric with its direction, or metrics ... got neither",
    ),
    case(
        "a metric at a rung without its direction",
        changed("token_accuracy, direction: max", "token_accuracy"),
        "early_stopping",
        "metric and direction belong together ... metric='token_accuracy' alone",
    ),
    case(
        "bands of nothing",
        changed("grace_period: 100", "grace_period: 100, bands: 3"),
        "early_stopping",
        "bands need within: params ... bands=3 alone",
    ),
    case(
        "bands that do not increase",
        changed("grace_period: 100", "grace_period: 100, within: params, bands: [700, 300]"),
        "early_stopping",
        "must increase ... bands=[700, 300]",
    ),
    case(
        "bands within anything else",
        changed("grace_period: 100", "grace_period: 100, within: d_model"),
        "early_stopping.within",
        "got 'd_model' ... accepted: params",
    ),
    case(
        "neither stopped nor paused",
        changed("grace_period: 100", "grace_period: 100, below_cut: kill"),
        "early_stopping.below_cut",
        "got 'kill' ... accepted: stop or pause",
    ),
    case(
        "all trials in the reserve",
        changed("grace_period: 100", "grace_period: 100, reserve: 1"),
        "early_stopping.reserve",
        "got 1 ... below 1",
    ),
    case(
        "rungs that keep the worst",
        changed("token_accuracy, direction: max", "val_loss, direction: max"),
        "early_stopping.direction",
        "'max' ... val_loss is better when it is minimal",
    ),
    case(
        "one and a half GPUs",
        changed("cpu: 1", "gpu: 1.5"),
        "resources",
        "a share up to 1 or a whole number ... gpu=1.5",
    ),
    case("negative GPU", changed("cpu: 1", "gpu: -1"), "resources.gpu", "got -1 ... at least 0"),
    case("no processor", changed("cpu: 1", "cpu: 0"), "resources.cpu", "got 0 ... above 0"),
    case("memory without a unit", changed("cpu: 1", "memory: 2"), "resources.memory", "got 2 ... 16 MiB"),
    case("memory in words", changed("cpu: 1", "memory: lots"), "resources.memory", "'lots' ... 2 GiB"),
    case("infinite processor", changed("cpu: 1", "cpu: .inf"), "resources.cpu", "inf ... finite"),
]

WRONG = [
    *NOT_A_SPACE_FILE,
    *KEYS,
    *WHAT_IS_ASKED,
    *FIXED,
    *DIMENSIONS,
    *CONDITIONS,
    *EXPLICIT,
    *CONSTRAINTS,
    *SEARCH,
]


def test_the_file_that_the_cases_change_is_right(file: Path):
    assert load(file).plan.name == "tiny"


@pytest.mark.parametrize(("text", "key", "says", "at"), WRONG)
def test_wrong_file_is_refused_at_its_key_and_line(
    file: Path, text: str, key: str, says: Sequence[str], at: object
):
    file.write_text(text)
    error = refusal_of(file)
    assert [dotted(mistake.path) for mistake in error.mistakes] == [key]
    if at is not ANY_LINE:
        line = expected_line(at, text)
        place = f"{file}: " if line is None else f"{file}:{line}: "
        assert str(error).startswith(place + (f"{key}: " if key else ""))
    assert re.search(".*".join(map(re.escape, says)), error.mistakes[0].message)


# Files that are no text


def test_missing_file_is_refused(tmp_path: Path):
    assert str(refusal_of(tmp_path / "no.yaml")) == f"{tmp_path / 'no.yaml'}: there is no such file"


def test_folder_is_refused(tmp_path: Path):
    assert str(refusal_of(tmp_path)).startswith(f"{tmp_path}: is a folder; name a space file")


def test_file_that_is_not_utf8_is_refused_with_the_place(file: Path):
    file.write_bytes(b"name: tiny\ndescription: \xff\n")
    assert "is not UTF-8 text (byte 24)" in str(refusal_of(file))


def test_huge_file_is_refused(file: Path):
    file.write_text("#" * (MAX_BYTES + 1))
    message = str(refusal_of(file))
    assert "1,000,001 bytes" in message
    assert "at most 1,000,000" in message


def test_python_tag_is_refused_and_not_run(file: Path, tmp_path: Path):
    witness = tmp_path / "witness"
    tagged = f'steps: !!python/object/apply:os.mkdir ["{witness}"]'
    file.write_text(changed("steps: 400", tagged))
    error = refusal_of(file)
    assert dotted(error.mistakes[0].path) == "fixed.steps"
    assert error.lines == [line_with("python", file.read_text())]
    assert "python/object/apply:os.mkdir" in error.mistakes[0].message
    assert not witness.exists()


# Several mistakes


def test_every_mistake_of_form_is_shown_at_once_in_the_order_of_the_file(file: Path):
    text = changed("name: tiny", "name: Tiny")
    text = changed("target:", "targets:", text)
    text = changed("low: 4, high: 16", "low: 16, high: 4", text)
    text = changed("low: 1e-3", "low: 0", text)
    text = changed("cpu: 1", "gpu: 1.5", text)
    file.write_text(text)
    error = refusal_of(file)
    keys = ["name", "targets", "space.d_model", "space.lr", "resources"]
    assert [dotted(mistake.path) for mistake in error.mistakes] == keys
    assert error.lines == [
        line_with(passage, text)
        for passage in ("name: Tiny", "targets", "d_model: {type", "  lr: {", "resources")
    ]
    assert len(str(error).splitlines()) == 5


def test_every_contradiction_is_shown_at_once(file: Path):
    text = changed("steps: 400", "lr: 0.01")
    text = changed("when: {schedule: warmup_cosine}", "when: {schedule: cosine}", text)
    text = changed("d_model: 8,", "d_model: 9,", text)
    file.write_text(text)
    keys = [dotted(mistake.path) for mistake in refusal_of(file).mistakes]
    assert keys == ["space.warmup.when.schedule", "space.lr", "try_first.0.d_model"]


def test_everything_that_the_task_refuses_is_shown_at_once(file: Path):
    text = changed("metric: exact_match", "metric: accuracy")
    text = changed("digits: 3", "digits: 19", text)
    text = changed("steps: 400", "step: 400", text)
    text = changed("low: 4, high: 16", "low: 0, high: 16", text)
    file.write_text(text)
    keys = [dotted(mistake.path) for mistake in refusal_of(file).mistakes]
    assert keys == ["objectives.0.metric", "fixed.digits", "fixed.step", "space.d_model.low"]


# Values from the command line


def test_values_from_the_command_line_are_checked_like_those_of_the_file(file: Path):
    error = refusal_of(file, trials=1)
    assert dotted(error.mistakes[0].path) == "search"
    assert "trials=1, seeds=2" in error.mistakes[0].message
    assert "gpu=1.5" in str(refusal_of(file, gpu=1.5))
    assert "got -1.0" in str(refusal_of(file, cpu=-1.0))


TEXT = """\
name: tiny-text
task: gpt2
objectives: [{metric: val_loss, direction: min}]
fixed: {attention: flex}
space: {d_model: {type: choice, values: [64, 128]}}
"""


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (TEXT, "fixed.attention"),
        (
            TEXT.replace("{attention: flex}", "{}").replace(
                "space: {", "space: {attention: {type: choice, values: [sdpa, flex]}, "
            ),
            "space.attention.values.1",
        ),
        (
            TEXT.replace("{attention: flex}", "{}").replace(
                "space: {d_model: {type: choice, values: [64, 128]}}",
                "only: [{d_model: 64}, {attention: flex}]",
            ),
            "only.1.attention",
        ),
    ],
    ids=["fixed", "searched", "listed"],
)
def test_what_learns_on_a_gpu_only_is_refused_where_trials_get_none(file: Path, text: str, key: str):
    """A file may be checked where there is no GPU; what counts is what it asks for."""
    file.write_text(text)
    (mistake,) = refusal_of(file).mistakes
    assert dotted(mistake.path) == key
    assert mistake.message == (
        "got 'flex', but trials get no GPU (attention: flex trains on a GPU only, auto and sdpa everywhere); "
        "take another, or state resources.gpu"
    )
    assert load(file, gpu=0.25).plan.resources.gpu == 0.25
    file.write_text(text + "resources: {gpu: 1}\n")
    assert load(file).plan.resources.gpu == 1
    assert "got 'flex'" in str(refusal_of(file, gpu=0.0))
    file.write_text(text.replace("flex", "auto"))
    load(file)


@pytest.mark.parametrize(
    ("dimension", "scaled"),
    [
        ("{type: int, low: 200, high: 400}", {"low": 50, "high": 100}),
        ("{type: int, low: 200, high: 400, step: 40}", {"low": 50, "high": 100, "step": 10}),
        ("{type: int, low: 250, high: 400, log: true}", {"low": 62, "high": 100, "step": 1, "log": True}),
        # A step that does not divide the range any more when both are rounded.
        ("{type: int, low: 40, high: 400, step: 30}", {"low": 4, "high": 100, "step": 8}),
        ("{type: choice, values: [400, 100, 40]}", {"values": [10, 25, 100]}),
    ],
)
def test_budget_scales_steps_that_are_searched(file: Path, dimension: str, scaled: dict[str, Any]):
    text = changed("  steps: 400\n", "").replace("space:\n", f"space:\n  steps: {dimension}\n")
    file.write_text(text.replace("lr: 0.01}", "lr: 0.01, steps: 400}"))
    plan = load_bound(SpaceFile(file), {}, 100).plan
    found = plan.space["steps"].model_dump()
    assert {key: found[key] for key in scaled} == scaled
    assert [given["steps"] for given in plan.try_first] == [100]


@pytest.mark.parametrize("budget", [5, 333, 1777, 4000])
def test_any_budget_scales_a_range_of_steps_into_one_that_is_right(file: Path, budget: int):
    for more in (", step: 100", ", step: 900", ", log: true", ""):
        steps = f"  steps: {{type: int, low: 100, high: 1000{more}}}\n"
        text = changed("  steps: 400\n", "").replace("space:\n", f"space:\n{steps}")
        text = text.replace("target: {exact_match: 0.99}\n", "target: {exact_match: 0.99}\ntarget_hold: 1\n")
        file.write_text(text.replace("lr: 0.01}", "lr: 0.01, steps: 100}"))
        plan = load_bound(SpaceFile(file), {}, budget).plan
        found = plan.space["steps"].model_dump()
        assert found["high"] == budget
        assert [given["steps"] for given in plan.try_first] == [found["low"]]


def test_budget_scales_steps_that_differ_between_listed_configurations(file: Path):
    listed = "  [{d_model: 16, steps: 5000}, {d_model: 8, steps: 200}, {d_model: 12}]"
    file.write_text(with_only(listed).replace("  steps: 400\n", ""))
    plan = load_bound(SpaceFile(file), {}, 80).plan
    assert [given["steps"] for given in plan.only] == [80, 3, 32], "2,000 where nothing is said"


def test_budget_that_leaves_no_room_for_a_rung_is_refused(file: Path):
    assert "the budget is 1 steps" in str(refusal_of(file, budget=1))


# Nothing crashes

ODD_VALUES = (None, -1, "odd", [], {"odd": 1})


def paths_in(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Walk to every key of nested maps and lists."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in children:
        yield (*path, key)
        yield from paths_in(value, (*path, key))


def with_value(node: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    copied = node.copy()
    copied[path[0]] = with_value(node[path[0]], path[1:], value)
    return copied


@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
def test_odd_value_at_any_key_is_accepted_or_refused_in_words_that_name_a_line(file: Path, odd: Any):
    content = YAML(typ="safe", pure=True).load(RIGHT)
    refused = []
    for path in paths_in(content):
        # JSON is YAML too.
        file.write_text(json.dumps(with_value(content, path, odd), indent=1))
        try:
            load(file)
        except SpaceFileError as error:
            refused.append(dotted(path))
            for mistake, line in zip(error.mistakes, error.lines, strict=True):
                assert mistake.message, path
                assert line is not None or path == ("task",) or mistake.path == (), path
    assert {"objectives.0", "fixed.steps", "space.lr.type", "early_stopping.metric"} <= {*refused}


# The command


def test_check_prints_the_mistakes_and_exits_with_2(file: Path):
    file.write_text(changed("steps: 400", "steps: many"))
    done = run_cli("check", file)
    assert done.code == 2
    assert done.err == f"{file}:8: fixed.steps: got 'many'; accepted: a whole number\n"
    assert done.out == ""


def test_check_tells_programs_the_mistakes_as_json(file: Path):
    file.write_text(changed("steps: 400", "steps: many"))
    done = run_cli("check", file, "--json")
    assert done.code == 2
    message = "got 'many'; accepted: a whole number"
    assert json.loads(done.out) == {
        "valid": False,
        "mistakes": [{"file": str(file), "line": 8, "key": "fixed.steps", "message": message}],
    }


def test_check_of_a_valid_file_says_what_it_means_and_exits_with_0(file: Path):
    done = run_cli("check", file)
    assert done.code == 0
    assert f"{file} is valid." in done.out.replace("\n", "")
    assert "6: 3 configurations, 2 seeds each" in done.out
    assert done.err == ""


def test_check_tells_programs_what_a_valid_file_means_as_json(file: Path):
    done = run_cli("check", file, "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert told["valid"] is True
    assert (told["trials"], told["configurations"], told["rungs"]) == (6, 3, [100, 300])
