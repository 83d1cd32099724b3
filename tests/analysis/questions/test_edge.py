"""The model of an edge: what trials say of it, compared with formulas and with what must hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.questions.edge import EdgeModel, EdgePosterior, Seen, best_place

LOW, HIGH = math.log(300), math.log(3000)


def seen(size: float, solved: int, trials: int) -> Seen:
    return Seen(math.log(size), solved, trials)


@pytest.fixture(scope="module")
def model() -> EdgeModel:
    return EdgeModel(LOW, HIGH, within=0.1)


def test_at_the_edge_the_share_that_was_asked_for_solves_whatever_the_curve():
    for at in (0.3, 0.5, 0.8):
        model = EdgeModel(LOW, HIGH, at=at)
        place = len(model.edges) // 2
        at_the_edge = model.mean_chance(float(model.edges[place]))[:, place]
        assert at_the_edge == pytest.approx(np.full(len(at_the_edge), at), abs=1e-9)


def test_success_rises_with_size_and_all_outcomes_together_are_certain(model: EdgeModel):
    chances = np.array([model.mean_chance(x)[:, 50] for x in np.linspace(LOW, HIGH, 30)])
    assert (np.diff(chances, axis=0) > -1e-12).all()
    choose = (1, 3, 3, 1)
    total = sum(n * model.likelihood(seen(900, k, 3)) for k, n in enumerate(choose))
    assert total == pytest.approx(np.ones_like(total))


def test_without_trials_the_edge_may_be_anywhere(model: EdgeModel):
    size = EdgePosterior(model).size
    assert size.low < 300
    assert size.high > 3000


def test_a_clean_separation_leaves_the_edge_between_its_sides(model: EdgeModel):
    below = [seen(size, 0, 4) for size in (500, 600, 700, 800)]
    above = [seen(size, 4, 4) for size in (1000, 1100, 1300, 1600)]
    size = EdgePosterior(model, below + above).size
    assert 780 < size.low < 890 < size.value < 910 < size.high < 1030


@pytest.mark.parametrize(("solved", "side"), [(6, "low"), (0, "high")])
def test_where_all_solve_or_none_the_edge_is_beyond(model: EdgeModel, solved: int, side: str):
    size = EdgePosterior(model, [seen(each, solved, 6) for each in (800, 1000, 1200)]).size
    assert size.value < 800 if side == "low" else size.value > 1200
    assert size.low < 400 or side == "high"


def test_more_seeds_of_one_configuration_say_less_than_other_configurations(model: EdgeModel):
    """What a configuration has for itself is not averaged out by its seeds."""
    one = EdgePosterior(model, [seen(900, 8, 16)])
    many = EdgePosterior(model, [seen(880 + 5 * number, number % 2, 1) for number in range(16)])
    assert one.precision > many.precision * 1.05


def test_the_order_of_trials_and_how_they_are_added_do_not_matter(model: EdgeModel):
    trials = [seen(700, 0, 2), seen(900, 1, 2), seen(1300, 3, 3)]
    at_once = EdgePosterior(model, trials)
    one_by_one = EdgePosterior(model)
    for each in reversed(trials):
        one_by_one = one_by_one.with_one_more(each)
    assert one_by_one.weights == pytest.approx(at_once.weights)


def test_the_grid_hardly_depends_on_the_sizes_it_is_made_for(model: EdgeModel):
    trials = [seen(size, size // 900, 1) for size in range(500, 1500, 40)]
    other = EdgePosterior(EdgeModel(math.log(500), math.log(1500), within=0.1), trials).size
    size = EdgePosterior(model, trials).size
    assert (size.value, size.low, size.high) == pytest.approx((other.value, other.low, other.high), rel=1e-3)


def test_the_next_trial_goes_to_where_the_edge_may_be(model: EdgeModel):
    below = [seen(size, 0, 3) for size in (400, 600)]
    above = [seen(size, 3, 3) for size in (1500, 2500)]
    posterior = EdgePosterior(model, below + above)
    candidates = [seen(size, 0, 0) for size in (320, 400, 700, 950, 1300, 2000, 2900)]
    assert 700 <= math.exp(candidates[best_place(posterior, candidates)].x) <= 1300


def test_a_trial_is_expected_to_sharpen_the_answer_wherever_it_is(model: EdgeModel):
    posterior = EdgePosterior(model, [seen(600, 0, 3), seen(1500, 3, 3)])
    edges = np.clip(model.edges, posterior.quantile(0.01), posterior.quantile(0.99))
    mean = float(posterior.of_edge @ edges)
    now = float(posterior.of_edge @ edges**2) - mean**2
    for size in (320, 600, 950, 1500, 2900):
        after = posterior.variance_after(model.mean_chance(math.log(size)))
        assert 0 < after <= now + 1e-12


def test_the_curve_lies_within_its_interval_and_passes_the_share_at_the_edge(model: EdgeModel):
    posterior = EdgePosterior(model, [seen(size, size // 900, 1) for size in range(500, 1500, 20)])
    low, middle, high = posterior.curve(math.log(posterior.size.value))
    assert low < middle < high
    assert middle == pytest.approx(0.5, abs=0.12)
