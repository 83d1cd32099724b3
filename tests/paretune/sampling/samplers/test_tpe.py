"""Our TPE sampler against Optuna's own: the same proposals, digit for digit."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import optuna
import pytest
from helpers.plans import bound
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.trial import TrialState

from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.proposals import Proposer
from paretune.sampling.samplers.parzen import ColumnwiseEstimator, log_mass
from paretune.sampling.samplers.tpe import KeptTPESampler

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

SPACE = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "decay": FloatDistribution(0.0, 0.3),
    "share": FloatDistribution(0.0, 1.0, step=0.1),
    "width": IntDistribution(4, 64, step=4),
    "hidden": IntDistribution(1, 5000, log=True),
    "norm": CategoricalDistribution(["layer", "rms", "none"]),
    "only": IntDistribution(3, 3),
}
FINAL = FloatDistribution(0.0, 0.5)


def optunas(seed: int) -> optuna.samplers.TPESampler:
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


def proposals(
    make: Callable[[int], optuna.samplers.BaseSampler],
    *,
    seed: int,
    objectives: int = 1,
    constraints: bool = False,
    trials: int = 60,
) -> list[dict[str, object]]:
    """Let a sampler propose, with up to four trials open, which end in another order and in every way."""
    study = optuna.create_study(directions=["maximize", "minimize"][:objectives], sampler=make(seed))
    rng = random.Random(seed)
    open_ones: list[optuna.Trial] = []
    proposed = []
    for _ in range(trials):
        trial = study.ask()
        params = {name: trial._suggest(name, space) for name, space in SPACE.items()}
        if params["norm"] != "none":
            params["final"] = trial._suggest("final", FINAL)
        proposed.append(params)
        open_ones.append(trial)
        if len(open_ones) < 4:
            continue
        ended = open_ones.pop(rng.randrange(4))
        if constraints:
            ended.set_constraint("feasible", max(0.0, rng.uniform(-1, 0.5)))
        what = rng.random()
        if what < 0.15:
            study.tell(ended, state=TrialState.FAIL)
        elif what < 0.3 and objectives == 1:
            ended.report(rng.random(), rng.randrange(3))
            study.tell(ended, state=TrialState.PRUNED)
        else:
            # Rounded, so that some are equal.
            study.tell(ended, [round(rng.random(), 1) for _ in range(objectives)])
    return proposed


@pytest.mark.parametrize("constraints", [False, True])
@pytest.mark.parametrize("objectives", [1, 2])
def test_it_proposes_what_optunas_sampler_proposes(objectives, constraints):
    how = {"seed": 0, "objectives": objectives, "constraints": constraints}
    assert proposals(KeptTPESampler, **how) == proposals(optunas, **how)


def test_with_the_limit_it_looks_at_the_latest_of_the_others_only():
    def limited(seed: int) -> KeptTPESampler:
        return KeptTPESampler(seed, 20)

    def unlimited(seed: int) -> KeptTPESampler:
        return KeptTPESampler(seed, None)

    ours, all_looked_at = (proposals(make, seed=0, trials=50) for make in (limited, unlimited))
    # Up to the limit the proposals are the same.
    assert ours[:20] == all_looked_at[:20]
    assert ours[25:] != all_looked_at[25:]


def test_a_refusal_fits_nothing_anew(monkeypatch):
    fitted = []
    made = ColumnwiseEstimator.__init__
    monkeypatch.setattr(
        ColumnwiseEstimator, "__init__", lambda self, *given: (fitted.append(1), made(self, *given))[1]
    )
    # Fewer than one proposal in ten is small enough.
    proposer = Proposer(
        bound(
            space={
                "d_model": {"type": "int", "low": 4, "high": 200},
                "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
            },
            constraints={"params": {"max": 900}},
        )
    )
    for index in range(14):
        proposal = proposer.propose()
        done = SeedOutcome(ending="finished", step=100, metrics={"exact_match": index / 14})
        proposer.tell(proposal.number, [done])
    refused = [trial for trial in proposer._study.trials if trial.state == TrialState.FAIL]
    assert len(refused) > 14
    assert len(fitted) == 2 * 10  # the first four are drawn at random


@pytest.mark.parametrize("name", [name for name, space in SPACE.items() if not space.single()])
def test_densities_are_optunas(name):
    space = {name: SPACE[name]}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [study.ask(space).params[name] for _ in range(50)]
    observed = {name: np.array([space[name].to_internal_repr(value) for value in drawn], dtype=float)}
    parameters = optunas(0)._parzen_estimator_parameters
    theirs = _ParzenEstimator(observed, space, parameters)
    ours = ColumnwiseEstimator(observed, space, parameters)
    samples = theirs.sample(np.random.RandomState(0), 40)
    assert ours.log_pdf(samples) == pytest.approx(theirs.log_pdf(samples), rel=1e-10, abs=1e-12)


def test_the_probability_of_an_interval_is_precise_in_both_tails():
    # Of 30 to 31 standard deviations, from the continued fraction of Mills' ratio, to 40 digits: mpmath.
    right = log_mass(np.array([30.0]), np.array([31.0]))
    left = log_mass(np.array([-31.0]), np.array([-30.0]))
    assert right == left == pytest.approx(-454.32124395634, abs=1e-9)
    middle = log_mass(np.array([-1.0]), np.array([1.0]))
    assert np.exp(middle) == pytest.approx(0.6826894921370859)
