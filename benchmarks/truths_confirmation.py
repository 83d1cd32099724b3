"""Confirmations whose truth is known: of the luckiest of many, of one named before, of losses, of text."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from truths import Answers, Truth

from analysis.confirmation import HeldOut
from analysis.confirmation.changes import change_of_means, change_of_rates, mean_estimate
from analysis.confirmation.rows import rates_of
from analysis.statistics.estimate import Estimate
from trainables.clusters import clustered_mean

CONFIGURATIONS, SEEDS, FRESH = 100, 5, 8

Array = NDArray[np.float64]


def _rate(solved: int, seeds: int) -> Estimate:
    """Return a rate as confirmed rates are made from rows."""
    endings = ["solved"] * solved + ["finished"] * (seeds - solved)
    row = rates_of(pd.DataFrame({"configuration": 0, "ending": endings})).loc[0]
    return Estimate(value=float(row["rate"]), low=float(row["low"]), high=float(row["high"]), unit="share")


def _luckiest(rng: np.random.Generator) -> Answers:
    """Take the configuration that did best in the search, and confirm it."""
    true = 1 / (1 + np.exp(-rng.normal(-1.0, 0.8, CONFIGURATIONS)))
    found = rng.binomial(SEEDS, true)
    # Of equals any: those of a search stand in no order of their true rates.
    best = int(rng.choice(np.flatnonzero(found == found.max())))
    fresh = _rate(int(rng.binomial(FRESH, true[best])), FRESH)
    return {
        "success rate of the best": (fresh, float(true[best])),
        "naive success rate of the best": (_rate(int(found[best]), SEEDS), float(true[best])),
    }


def _named_beforehand(rng: np.random.Generator) -> Answers:
    """Confirm a configuration that nobody chose by its results, on seeds of another rate."""
    before, after = rng.uniform(0.1, 0.9, 2)
    found, fresh = (
        _rate(int(rng.binomial(seeds, true)), seeds) for seeds, true in ((SEEDS, before), (FRESH, after))
    )
    return {"change of the rate": (change_of_rates(found, fresh), float(after - before))}


def _losses(rng: np.random.Generator) -> Answers:
    """Confirm losses: of a search with three seeds, and of one with a single seed."""
    spread = rng.uniform(0.005, 0.05)
    found = rng.normal(2.40, spread, 3)
    fresh = rng.normal(2.43, spread, 5).tolist()
    return {
        "change of the loss, three seeds": (change_of_means(found.tolist(), fresh), 0.03),
        "change of the loss, one seed": (change_of_means(found[:1].tolist(), fresh), 0.03),
        "loss on fresh seeds": (mean_estimate(fresh), 2.43),
    }


DOCUMENTS, MEAN_LOSS = 60, 2.0


def _sizes(rng: np.random.Generator, count: int) -> Array:
    """Draw sizes of documents in windows: most are short, some are long."""
    return np.ceil(rng.lognormal(1.5, 0.8, count))


def _loss_of_documents(rng: np.random.Generator, sizes: Array) -> Array:
    """Draw the mean loss of documents: long ones are easier."""
    return MEAN_LOSS + 0.3 * rng.normal(size=len(sizes)) - 0.1 * np.log(sizes)


def _true_loss() -> float:
    rng = np.random.default_rng(0)
    sizes = _sizes(rng, 1_000_000)
    return float((sizes * _loss_of_documents(rng, sizes)).sum() / sizes.sum())


_TRUE_LOSS = _true_loss()


def _text(rng: np.random.Generator) -> Answers:
    """Evaluate the models of some fresh seeds on the same documents."""
    sizes = _sizes(rng, DOCUMENTS)
    document = np.repeat(np.arange(DOCUMENTS), sizes.astype(int))
    windows = _loss_of_documents(rng, sizes)[document] + 0.15 * rng.normal(size=len(document))
    seeds = [windows + rng.normal(0, 0.02) + 0.02 * rng.normal(size=DOCUMENTS)[document] for _ in range(4)]
    found = [clustered_mean(np.bincount(document, seed), sizes) for seed in seeds]
    errors = [one.standard_error for one in found if one.standard_error is not None]
    naive = [float(seed.std(ddof=1)) / len(seed) ** 0.5 for seed in seeds]
    held, over_windows = (
        HeldOut(
            metric="val_loss",
            values=[one.mean for one in found],
            of_solved=(),
            error_within=float(np.sqrt(np.mean(np.square(within)))),
            units=units,
            called="windows",
        )
        for within, units in ((errors, found[0].effective), (naive, len(windows)))
    )
    return {
        "loss on held-out text": (held.estimate, _TRUE_LOSS),
        "naive loss on held-out text, over windows": (over_windows.estimate, _TRUE_LOSS),
        "naive loss on held-out text, over seeds": (mean_estimate(held.values), _TRUE_LOSS),
    }


TRUTHS = (
    Truth(name="the luckiest of 100", simulate=_luckiest),
    Truth(name="named beforehand", simulate=_named_beforehand),
    Truth(name="losses", simulate=_losses),
    Truth(name="documents", simulate=_text),
)
