"""What Optuna is asked and told, without Ray."""

from __future__ import annotations

import random

import optuna
import pytest
from helpers.plans import bound

from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.proposals import Proposer


def finished(exact_match: float) -> SeedOutcome:
    return SeedOutcome(ending="finished", step=100, metrics={"exact_match": exact_match})


def states(proposer: Proposer) -> list[optuna.trial.TrialState]:
    return [trial.state for trial in proposer._study.trials]


def test_configurations_outside_constraints_are_never_proposed():
    plan = bound(constraints={"params": {"min": 1000, "max": 2500}})
    proposer = Proposer(plan)
    sizes = []
    for _ in range(40):
        proposal = proposer.propose()
        sizes.append(plan.params(proposal.values))
        proposer.tell(proposal.number, [finished(random.random())])
    assert all(1000 <= size <= 2500 for size in sizes)


def test_refused_configurations_cost_the_sampler_nothing():
    """Fewer than 1 in 30 configurations is allowed, and still every one that is told was trained."""
    plan = bound(
        space={
            "d_model": {"type": "int", "low": 4, "high": 200},
            "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
        },
        constraints={"params": {"max": 500}},
    )
    proposer = Proposer(plan)
    for _ in range(15):
        proposal = proposer.propose()
        proposer.tell(proposal.number, [finished(0.5)])
    complete = [t for t in proposer._study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    assert len(complete) == 15
    assert set(states(proposer)) <= {optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL}


def test_no_configuration_is_proposed_twice_and_an_exhausted_space_ends():
    plan = bound(space={"d_model": {"type": "int", "low": 4, "high": 32, "step": 4}})
    proposer = Proposer(plan)
    seen = []
    while (proposal := proposer.propose()) is not None:
        seen.append(proposal.values["d_model"])
        proposer.tell(proposal.number, [finished(0.1)])
    assert sorted(seen) == list(range(4, 33, 4))


def test_explicit_configurations_come_first_and_only_means_only():
    first = bound(try_first=[{"d_model": 12, "lr": 0.05}, {"d_model": 32}])
    proposer = Proposer(first)
    assert proposer.propose().values == {"digits": 3, "d_model": 12, "lr": 0.05}
    assert proposer.propose().values["d_model"] == 32

    only = Proposer(bound(space={}, only=[{"d_model": 4}, {"d_model": 8}]))
    assert [only.propose().values["d_model"] for _ in range(2)] == [4, 8]
    assert only.propose() is None


def test_baselines_come_before_everything_else_in_the_order_of_the_file():
    plan = bound(
        baselines={"wide": {"d_model": 32, "lr": 0.05}, "narrow": {"d_model": 4}},
        try_first=[{"d_model": 12, "lr": 0.05}],
    )
    proposer = Proposer(plan)
    proposed = [proposer.propose() for _ in range(3)]
    assert [proposal.number for proposal in proposed] == [0, 1, 2]
    assert [proposal.values["d_model"] for proposal in proposed] == [32, 4, 12]
    resumed = Proposer(plan)
    resumed.replay(0, proposed[0].values)
    assert resumed.propose().values["d_model"] == 4


def test_conditional_dimension_is_there_only_where_its_condition_holds():
    plan = bound(
        space={
            "schedule": {"type": "choice", "values": ["constant", "warmup_cosine"]},
            "final_lr": {
                "type": "float",
                "low": 0.0,
                "high": 0.5,
                "when": {"schedule": "warmup_cosine"},
            },
            "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
        }
    )
    proposer = Proposer(plan)
    for _ in range(25):
        proposal = proposer.propose()
        assert ("final_lr" in proposal.values) == (proposal.values["schedule"] == "warmup_cosine")
        proposer.tell(proposal.number, [finished(random.random())])


def test_structured_choices_survive_the_sampler():
    curricula = [[], [{"digits": [1, 2], "share": 1.0}, {"digits": [1, 3], "share": 3.0}]]
    plan = bound(space={"curriculum": {"type": "choice", "values": curricula}, "lr": {
        "type": "float", "low": 0.001, "high": 0.1}})  # fmt: skip
    proposer = Proposer(plan)
    seen = []
    for _ in range(12):
        proposal = proposer.propose()
        seen.append(proposal.values["curriculum"])
        proposer.tell(proposal.number, [finished(0.0)])
    assert all(value in curricula for value in seen)
    assert all(value in seen for value in curricula)  # misses with probability below 2 * 0.5**12


def test_sampler_learns_from_what_it_is_told():
    """TPE, told that small rates are good, proposes rates below the middle in most late trials.

    Independent draws would do so in half of them: 24 or more of 30 has odds below 1 in 1,000.
    """
    proposer = Proposer(bound(search={"trials": 60}))
    rates = []
    for _ in range(60):
        proposal = proposer.propose()
        rates.append(proposal.values["lr"])
        proposer.tell(proposal.number, [finished(1 - proposal.values["lr"] * 10)])
    assert sum(rate < 0.01 for rate in rates[30:]) >= 24


@pytest.mark.parametrize(
    ("ending", "state"),
    [
        ("solved", optuna.trial.TrialState.COMPLETE),
        ("finished", optuna.trial.TrialState.COMPLETE),
        ("stopped early", optuna.trial.TrialState.PRUNED),
        ("failed", optuna.trial.TrialState.FAIL),
    ],
)
def test_each_ending_is_told_as_what_it_is(ending: str, state: optuna.trial.TrialState):
    proposer = Proposer(bound())
    proposal = proposer.propose()
    metrics = {} if ending == "failed" else {"exact_match": 0.5}
    proposer.tell(proposal.number, [SeedOutcome(ending=ending, step=300, metrics=metrics)])
    assert states(proposer)[-1] == state
    if ending == "stopped early":
        assert proposer._study.trials[-1].intermediate_values == {300: 0.5}


def test_pruned_trials_of_different_budgets_are_told_at_shares_of_them():
    """At equal steps, a long run stopped at its first rung would look better than a short one at its last."""
    rule = {"metric": "exact_match", "direction": "max", "at": [0.25, 0.5]}
    proposer = Proposer(
        bound(space={"steps": {"type": "choice", "values": [400, 4000]}}, early_stopping=rule)
    )
    told = {}
    for _ in range(2):
        proposal = proposer.propose()
        step = proposal.values["steps"] // (2 if proposal.values["steps"] == 400 else 4)
        outcome = SeedOutcome(ending="stopped early", step=step, metrics={"exact_match": 0.1})
        proposer.tell(proposal.number, [outcome])
        (told[proposal.values["steps"]],) = proposer._study.trials[-1].intermediate_values
    assert told == {400: 500, 4000: 250}


def test_diverged_trials_count_as_the_worst_value_and_failed_ones_not_at_all():
    proposer = Proposer(bound())
    proposal = proposer.propose()
    diverged = SeedOutcome(ending="diverged", step=50)
    failed = SeedOutcome(ending="failed", step=0)
    proposer.tell(proposal.number, [finished(0.8), diverged, failed])
    assert proposer._study.trials[-1].values == [pytest.approx(0.4)]


def test_diverged_seeds_are_not_left_out_of_a_loss():
    """Two seeds diverged, one found 0.01: told as 0.01, the sampler would go there again."""
    proposer = Proposer(bound(objectives=[{"metric": "val_loss", "direction": "min"}]))
    proposal = proposer.propose()
    diverged = SeedOutcome(ending="diverged", step=50)
    good = SeedOutcome(ending="finished", step=100, metrics={"val_loss": 0.01})
    proposer.tell(proposal.number, [diverged, diverged, good])
    assert proposer._study.trials[-1].values[0] > 5


def test_with_two_objectives_a_stopped_trial_is_infeasible_and_the_study_says_why():
    both = [{"metric": "exact_match", "direction": "max"}, {"metric": "params", "direction": "min"}]
    plan = bound(objectives=both)
    proposer = Proposer(plan)
    proposal = proposer.propose()
    proposer.tell(
        proposal.number, [SeedOutcome(ending="stopped early", step=10, metrics={"exact_match": 0.2})]
    )
    told = proposer._study.trials[-1]
    assert told.values == [0.2, plan.params(proposal.values)]
    assert told.constraints == {"feasible": 1.0}
    assert told.user_attrs["reason"] == "early stopping ended it: its outcome is unknown"
    assert proposer._study.directions == [
        optuna.study.StudyDirection.MAXIMIZE,
        optuna.study.StudyDirection.MINIMIZE,
    ]


def test_replay_puts_a_new_proposer_where_the_old_one_was():
    plan = bound(try_first=[{"d_model": 8, "lr": 0.01}])
    old = Proposer(plan)
    history = []
    for _ in range(12):
        proposal = old.propose()
        outcome = [finished(proposal.values["lr"])]
        old.tell(proposal.number, outcome)
        history.append((proposal, outcome))
    new = Proposer(plan)
    for proposal, outcome in history:
        new.replay(proposal.number, proposal.values)
        new.tell(proposal.number, outcome)
    trials = [[(t.params, t.values) for t in p._study.trials if t.values] for p in (old, new)]
    assert trials[0] == trials[1]
    following = new.propose()
    assert following == old.propose()
    assert following.number == 12
    assert following.values not in [proposal.values for proposal, _ in history]
