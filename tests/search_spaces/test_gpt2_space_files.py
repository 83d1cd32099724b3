"""What the space files of language models say of themselves: what is equal, which seeds judge, what races."""

from __future__ import annotations

from typing import Any

from helpers.published import ROOT, bound_of

from paretune.sampling.queue import TrialQueue

RATES, JUDGED = "muon_rates", "muon_against_adamw"
OF_THE_OPTIMIZER = {"optimizer", "lr", "muon_lr"}


def configurations(stem: str) -> list[dict[str, Any]]:
    """Return every configuration of a list, with what it has by default and what is derived."""
    bound = bound_of(stem)
    queue, found = TrialQueue(bound), []
    while (spec := queue.next()) is not None:
        found.append(bound.config(spec.values, spec.seed).model_dump())
    return found


def seeds(stem: str) -> set[int]:
    return {values["seed"] for values in configurations(stem)}


def test_in_the_comparison_of_optimizers_nothing_else_differs() -> None:
    every = configurations(JUDGED)
    free = OF_THE_OPTIMIZER | {"steps", "seed"}
    assert {name for name in every[0] if len({str(values[name]) for values in every}) > 1} <= free
    for optimizer in ("adamw", "grouped_adamw", "muon"):
        mine = [values for values in every if values["optimizer"] == optimizer]
        assert len(mine) == 30
        assert {values["steps"] for values in mine} == {150, 210, 300, 420, 600}
        assert len({(values["lr"], values["muon_lr"]) for values in mine}) == 1, "one rate at all horizons"


def test_rates_are_chosen_with_all_else_as_it_is_judged_and_with_other_seeds() -> None:
    chosen, judged = configurations(RATES), configurations(JUDGED)
    free = OF_THE_OPTIMIZER | {"steps", "seed", "eval_every"}
    assert {name for name in chosen[0] if chosen[0][name] != judged[0][name]} <= free
    assert {values["steps"] for values in chosen} <= {values["steps"] for values in judged}
    assert not seeds(RATES) & seeds(JUDGED)
    for optimizer, rate in (("adamw", "lr"), ("grouped_adamw", "lr"), ("muon", "muon_lr")):
        tried = {values[rate] for values in chosen if values["optimizer"] == optimizer}
        used = {values[rate] for values in judged if values["optimizer"] == optimizer}
        assert len(tried) == 4, "each optimizer gets the same effort"
        assert all(min(tried) < value < max(tried) for value in used), "the best is not at an end"


def test_points_to_confirm_are_the_longest_run_of_each_optimizer() -> None:
    plan = bound_of(JUDGED).plan
    text = (ROOT / "search_spaces" / f"{JUDGED}.yaml").read_text()
    points = text.partition("--points ")[2].partition(" ")[0]
    told = [
        (plan.only[int(point)]["optimizer"], plan.only[int(point)]["steps"]) for point in points.split(",")
    ]
    assert told == [("adamw", 600), ("grouped_adamw", 600), ("muon", 600)]


def test_on_a_laptop_seeds_race_for_the_cost_of_a_success() -> None:
    plan = bound_of("gpt2_laptop").plan
    assert plan.search.race is not None
    assert "cpu_seconds_to_target" in {objective.metric for objective in plan.objectives}
    assert not plan.stop_at_target, "the end of the schedule counts"
    assert len(plan.baselines) + len(plan.try_first) <= plan.trials // plan.search.first_seeds
