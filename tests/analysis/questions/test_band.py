"""The band of rates that work: the tables against plain enumeration, and what few trials say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from analysis.questions.band import WIDTHS, BandModel
from analysis.questions.band_posterior import BandPosterior, BandTables, posteriors
from analysis.questions.edge import Seen

MODEL = BandModel(-3.0, -1.0)


def posterior(*seen: tuple[float, float, float], model: BandModel = MODEL) -> BandPosterior:
    return BandPosterior(BandTables(model, [Seen(*one) for one in seen]))


def test_the_tables_are_what_enumeration_gives() -> None:
    model = BandModel(-2.0, -1.0, within=1.0)
    seen = [Seen(-1.9, 0, 2), Seen(-1.5, 3, 4), Seen(-1.2, 1, 3)]
    likely = [model.likelihood(one) for one in seen]
    lower, upper = np.zeros((2, len(model.edges)))
    kinds, slopes, edges = range(len(model.of_kind)), range(len(WIDTHS)), range(len(model.edges))
    for middle, kind, first, second, low, high in itertools.product(
        range(len(model.middles)), kinds, slopes, slopes, edges, edges
    ):
        weight = model.of_band * model.near[0][middle, low] * model.near[1][middle, high]
        weight *= model.of_curve[kind, first, second]
        for one, table in zip(seen, likely, strict=True):
            is_below = one.x <= model.middles[middle]
            weight *= table[0][kind, first, low] if is_below else table[1][kind, second, high]
        lower[low] += weight
        upper[high] += weight
    none = float((model.of_hump * np.prod([table[2] for table in likely], axis=0)).sum())
    total = lower.sum() + none
    told = BandPosterior(BandTables(model, seen))
    assert told.of_edges[0] == pytest.approx(lower / total)
    assert told.of_edges[1] == pytest.approx(upper / total)
    assert told.none == pytest.approx(none / total)


def test_before_any_trial_it_is_the_prior() -> None:
    told = posterior()
    assert told.none == pytest.approx(0.15)
    assert sum(map(np.sum, told.of_edges)) == pytest.approx(2 * 0.85)
    assert told.trials == 0


@pytest.mark.parametrize("wanted", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize(
    "candidate", [Seen(-2.5, 0, 0), Seen(-1.4, 0, 0), Seen(-2.2, 1, 2), Seen(-1.2, 1, 1)]
)
def test_what_is_expected_of_a_trial_is_the_mean_over_its_outcomes(
    candidate: Seen, wanted: tuple[bool, bool]
) -> None:
    seen = [(-2.8, 0, 2), (-2.2, 1, 2), (-1.8, 2, 2), (-1.2, 1, 1)]
    others = [one for one in seen if one[0] != candidate.x]
    now = posterior(*seen)
    won = posterior(*others, (candidate.x, candidate.solved + 1, candidate.trials + 1))
    lost = posterior(*others, (candidate.x, candidate.solved, candidate.trials + 1))
    chance = (now.of_edges[0][0] - lost.of_edges[0][0]) / (won.of_edges[0][0] - lost.of_edges[0][0])
    expected = chance * won.uncertainty(wanted) + (1 - chance) * lost.uncertainty(wanted)
    assert now.uncertainty_after([candidate], wanted)[0] == pytest.approx(expected, rel=1e-6)
    if not candidate.trials:
        assert now.chance(candidate.x) == pytest.approx(chance, rel=1e-6)


def test_both_sides_are_alike() -> None:
    seen = [(-2.8, 0, 2), (-2.3, 2, 2), (-1.9, 2, 3), (-1.3, 0, 1)]
    one = posterior(*seen)
    other = posterior(*((-4 - x, solved, trials) for x, solved, trials in seen))
    low, middle, high = one.interval("lower")
    # A middle and a rate at the same place are on one side; else nothing tells the sides apart.
    assert other.interval("upper") == pytest.approx((-4 - high, -4 - middle, -4 - low), abs=0.02)


def test_where_nothing_works_no_edge_is_looked_for() -> None:
    told = posterior(*((x, 0.0, 1.0) for x in np.linspace(-3, -1, 25)))
    assert told.none > 0.95
    few = posterior((-2.0, 0, 1), (-2.5, 0, 1))
    assert few.none < 0.5, "two failures leave most of the space open"


def test_where_everything_works_the_edges_are_beyond_the_space() -> None:
    told = posterior(*((x, 3.0, 3.0) for x in np.linspace(-3, -1, 9)))
    assert told.none < 0.001
    assert told.interval("lower")[2] < -2.85
    assert told.interval("upper")[0] > -1.15


def test_edges_lie_between_what_works_and_what_does_not() -> None:
    told = posterior((-2.9, 0, 3), (-2.5, 0, 3), (-2.3, 3, 3), (-2.0, 3, 3), (-1.5, 3, 3), (-1.3, 0, 3))
    assert -2.6 < told.interval("lower")[1] < -2.2
    assert -1.55 < told.interval("upper")[1] < -1.25


def test_sizes_tell_each_other_how_steep_edges_are_but_not_where() -> None:
    steep = [Seen(-2.6, 0, 8), Seen(-2.5, 8, 8), Seen(-2.4, 8, 8), Seen(-1.5, 8, 8), Seen(-1.4, 0, 8)]
    little = BandTables(MODEL, [Seen(-2.3, 0, 2), Seen(-2.1, 2, 2), Seen(-1.8, 2, 2), Seen(-1.3, 0, 2)])
    [alone] = posteriors([little])
    beside, _, _ = posteriors([little, BandTables(MODEL, steep), BandTables(MODEL, steep)])

    def width(one: BandPosterior) -> float:
        low, _, high = one.interval("lower")
        return high - low

    assert width(beside) < 0.85 * width(alone)
    assert -2.35 < beside.interval("lower")[1] < -2.05, "its own edge, not that of the others"


def test_what_sizes_have_in_common_stays_a_probability() -> None:
    tables = [BandTables(MODEL, [Seen(-2.0, solved, 4)]) for solved in (0, 2, 4)]
    for curve in MODEL.common([each.evidence for each in tables]):
        assert curve.sum() == pytest.approx(1)
        assert curve.min() > 0
    [alone] = MODEL.common([tables[0].evidence])
    assert alone is MODEL.of_curve


def test_many_trials_do_not_vanish() -> None:
    told = posterior(*((x, 340.0 if -2.55 < x < -1.45 else 3.0, 400.0) for x in np.linspace(-3, -1, 21)))
    assert told.interval("lower")[1] == pytest.approx(-2.5, abs=0.1)
    assert np.isfinite(told.uncertainty())
