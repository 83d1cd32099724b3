"""Simulated searches in which the effect of every parameter is known, and some in which there is none."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm as normal
from truths import Answers, Truth, search_of

from analysis.effects.comparing import Compared, compared
from analysis.outcomes import KEPT_CHANCE
from analysis.statistics.estimate import Estimate
from analysis.statistics.logistic import shares

Array = NDArray[np.float64]

CONFIGURATIONS, SEEDS = 40, 5
SPREAD = 1.5
"""Standard deviation of configurations' own log odds, and of their losses in units of a seed's."""
SPACE: dict[str, Any] = {
    "norm": {"type": "choice", "values": ["layernorm", "rmsnorm"]},
    "n_layers": {"type": "int", "low": 1, "high": 3},
    "lr": {"type": "float", "low": 0.001, "high": 0.016, "log": True},
}
_OF_NORM, _OF_LAYERS, _OF_RATE = -1.0, 0.8, 0.4
CHANGES, LIST_SEEDS = 12, 8


def _design(rng: np.random.Generator, count: int) -> Array:
    """Draw configurations: shape (count, 3), whether RMSNorm, the log of the layers, that of the rate."""
    return np.stack(
        [
            rng.integers(0, 2, count).astype(float),
            np.log2(rng.integers(1, 4, count)),
            rng.uniform(math.log2(0.001), math.log2(0.016), count),
        ],
        axis=1,
    )


def _linear(design: Array) -> Array:
    rate = design[:, 2] - (math.log2(0.001) + math.log2(0.016)) / 2
    return 0.2 + _OF_NORM * design[:, 0] + _OF_LAYERS * (design[:, 1] - 0.9) + _OF_RATE * rate


@functools.cache
def _true_differences() -> tuple[float, ...]:
    """Return the differences in the success rate that a regression on endless trials would find."""
    rng = np.random.default_rng(1)
    design = _design(rng, 1_000_000)
    chance = shares(_linear(design) + SPREAD * rng.standard_normal(len(design)))
    with_constant = np.column_stack([np.ones(len(design)), design])
    return tuple(np.linalg.lstsq(with_constant, chance)[0][1:])


def _values(row: Array) -> dict[str, Any]:
    return {
        "norm": ("layernorm", "rmsnorm")[int(row[0])],
        "n_layers": round(2 ** row[1]),
        "lr": float(2 ** row[2]),
    }


def _told(found: Compared, true: Mapping[str, float]) -> Iterator[tuple[str, tuple[Estimate, float]]]:
    for change in found.changes:
        # The commonest value is the base, which in half of all searches is the other one.
        sign = -1.0 if change.after == "layernorm" else 1.0
        yield change.parameter, (change.effect, sign * true[change.parameter])


def success_rates(rng: np.random.Generator, *, stopped: bool = False) -> Answers:
    """Draw a random search in which parameters shift the log odds, and configurations have odds of their own.

    Args:
        rng: source of all draws.
        stopped: whether two in three trials that fail are stopped early, the third running on by lot; if not,
        one in eight trials is interrupted instead. One in ten failures has diverged.
    """
    design = _design(rng, CONFIGURATIONS)
    chance = shares(_linear(design) + SPREAD * rng.standard_normal(CONFIGURATIONS))
    trials = []
    for number, (row, solves) in enumerate(zip(design, chance, strict=True)):
        for seed in range(SEEDS):
            ending, kept = "solved", 1.0
            if rng.random() >= solves:
                kept = 1 / 3 if stopped else 1.0
                ending = "stopped early" if rng.random() >= kept else "finished"
                if ending == "finished" and rng.random() < 0.1:
                    ending = "diverged"
            if not stopped and rng.random() < 1 / 8:
                ending = "interrupted"
            trials.append(_trial(number, seed, _values(row), ending, **{KEPT_CHANCE: kept}))
    rows = search_of(trials, space=SPACE, search={"sampler": "random", "trials": len(trials), "seeds": SEEDS})
    true = dict(zip(SPACE, _true_differences(), strict=True))
    answers: dict[str, tuple[Estimate, float]] = dict(_told(compared(rows), true))
    if not stopped:
        known = [trial for trial in trials if trial["ending"] != "interrupted"]
        response = np.array([trial["ending"] == "solved" for trial in known], dtype=float)
        own = design[[trial["configuration"] for trial in known]]
        answers |= {
            f"naive: {name}, trials as units": (estimate, true[name])
            for name, estimate in zip(SPACE, _by_trials(own, response), strict=True)
        }
    return answers


def losses(rng: np.random.Generator) -> Answers:
    """Draw a random search in which parameters shift the loss, and configurations have one of their own."""
    design = _design(rng, CONFIGURATIONS)
    own = 3.0 - 0.1 * _linear(design) + 0.1 * SPREAD * rng.standard_normal(CONFIGURATIONS)
    trials, response, of = [], [], []
    for number, row in enumerate(design):
        for seed in range(SEEDS):
            diverged = rng.random() < 0.05
            loss = float(own[number] + 0.1 * rng.standard_normal())
            ending = "diverged" if diverged else "finished"
            value = {} if diverged else {"val_loss": loss}
            trials.append({**_trial(number, seed, _values(row), ending), **value})
            if not diverged:
                response.append(loss)
                of.append(number)
    rows = search_of(
        trials,
        space=SPACE,
        target=None,
        objectives=[{"metric": "val_loss", "direction": "min"}],
        search={"sampler": "random", "trials": len(trials), "seeds": SEEDS},
    )
    true = dict(zip(SPACE, (-0.1 * _OF_NORM, -0.1 * _OF_LAYERS, -0.1 * _OF_RATE), strict=True))
    by_trials = _by_trials(design[of], np.array(response))
    return dict(_told(compared(rows), true)) | {
        f"naive: {name}, trials as units": (estimate, true[name])
        for name, estimate in zip(SPACE, by_trials, strict=True)
    }


def matched_pairs(rng: np.random.Generator) -> Answers:
    """Draw a list of all combinations of three choices, each combination with odds of its own."""
    names = {
        "norm": ("layernorm", "rmsnorm"),
        "position": ("learned", "rotary"),
        "format": ("aligned", "undelimited"),
    }
    combinations = list(itertools.product((0, 1), repeat=3))
    log_odds = np.array([1.0 - 0.5 * a - 1.5 * b - 1.0 * c for a, b, c in combinations])
    chance = shares(log_odds + SPREAD * rng.standard_normal(len(combinations)))
    listed = [
        {name: values[side] for (name, values), side in zip(names.items(), sides, strict=True)}
        for sides in combinations
    ]
    trials = _of_list(rng, listed, np.tile(chance[:, None], (1, 5)))
    found = compared(search_of(trials, **_as_list(listed)))
    sides = np.array(combinations)
    true = {
        name: float(chance[sides[:, index] == 1].mean() - chance[sides[:, index] == 0].mean())
        for index, name in enumerate(names)
    }
    told = {f"{change.parameter}, four pairs": change for change in found.changes}
    base = [trial for trial in trials if trial["configuration"] in (0, 1)]
    one = compared(search_of(base, **_as_list(listed[:2])))
    return {quantity: (change.effect, true[change.parameter]) for quantity, change in told.items()} | {
        "format, one pair": (one.changes[0].effect, float(chance[1] - chance[0])) if one.changes else _OPEN
    }


def no_effects(rng: np.random.Generator) -> Answers:
    """Draw a list of changes of which none has an effect; seeds are shared, and some are good for all."""
    listed: list[dict[str, Any]] = [{"d_ff": 28}, *({"d_ff": 29 + step} for step in range(CHANGES))]
    of_seeds = shares(1.0 * rng.standard_normal(LIST_SEEDS))
    trials = _of_list(rng, listed, np.tile(of_seeds, (len(listed), 1)))
    rows = search_of(trials, **_as_list(listed), baselines={})
    return _false_findings(compared(rows), "list")


def no_effects_drawn(rng: np.random.Generator) -> Answers:
    """Draw a random search whose parameters have no effect, while configurations differ."""
    design = _design(rng, CONFIGURATIONS)
    chance = shares(1.5 * rng.standard_normal(CONFIGURATIONS))
    trials = [
        _trial(number, seed, _values(row), "solved" if rng.random() < chance[number] else "finished")
        for number, row in enumerate(design)
        for seed in range(SEEDS)
    ]
    rows = search_of(trials, space=SPACE, search={"sampler": "random", "trials": len(trials), "seeds": SEEDS})
    return _false_findings(compared(rows), "regression")


def _false_findings(found: Compared, where: str) -> Answers:
    """Return how many findings there are where there should be none, as numbers without an interval."""
    held = sum(change.holds for change in found.changes)
    uncorrected = sum(change.p_value < 0.05 for change in found.changes)
    return {
        f"no false finding, {where}": (Estimate(value=held, low=held, high=held), 0.0),
        f"naive: no false finding, {where}, uncorrected": (
            Estimate(value=uncorrected, low=uncorrected, high=uncorrected),
            0.0,
        ),
    }


def _of_list(rng: np.random.Generator, listed: list[dict[str, Any]], chance: Array) -> list[dict[str, Any]]:
    solved = rng.random(chance.shape) < chance
    return [
        _trial(number, seed, listed[number], "solved" if solved[number, seed] else "finished")
        for number, seed in np.ndindex(*chance.shape)
    ]


def _as_list(listed: list[dict[str, Any]]) -> dict[str, Any]:
    return {"space": {}, "only": listed, "search": {"seeds": 1}}


def _trial(number: int, seed: int, values: dict[str, Any], ending: str, **more: Any) -> dict[str, Any]:
    return {
        "configuration": number,
        "seed_index": seed,
        "params": 1000 + number,
        "values": values,
        "ending": ending,
        "exact_match": float(ending == "solved"),
        **more,
    }


def _by_trials(design: Array, response: Array) -> list[Estimate]:
    """Return what a textbook's regression says, which takes trials for independent."""
    predictors = np.column_stack([np.ones(len(design)), design])
    coefficients = np.linalg.lstsq(predictors, response)[0]
    variance = ((response - predictors @ coefficients) ** 2).sum() / (len(response) - predictors.shape[1])
    errors = np.sqrt(variance * np.diag(np.linalg.inv(predictors.T @ predictors)))
    z = normal.ppf(0.975)
    return [
        Estimate(value=value, low=value - z * error, high=value + z * error)
        for value, error in zip(coefficients[1:], errors[1:], strict=True)
    ]


_OPEN = (Estimate(value=math.nan), 0.0)

TRUTHS = (
    Truth(name="success rates, interrupted and diverged", simulate=success_rates),
    Truth(name="success rates, stopped early", simulate=functools.partial(success_rates, stopped=True)),
    Truth(name="losses", simulate=losses),
    Truth(name="matched pairs", simulate=matched_pairs),
    Truth(name="no effects, listed", simulate=no_effects),
    Truth(name="no effects, drawn", simulate=no_effects_drawn),
)
