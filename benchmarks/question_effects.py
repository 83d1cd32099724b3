"""The question of effects on known truths: how many trials, and how often its intervals hold the truth.

    python benchmarks/question_effects.py --searches 200

A baseline and twelve changes of it with known success rates. The trials are placed by the strategy of the
question, until every difference is known to the precision asked for; and, for comparison, alike for all
configurations until that is so. Searches without training: outcomes are drawn.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from untrained import bound_of, run

from analysis.questions.effects import EffectsAnswer, Tally, answer_of, effects_answer
from paretune.sampling.history import TrialSpec
from search_spaces.parts.question import EffectsQuestion

TRUTHS: dict[str, tuple[float, Sequence[float]]] = {
    "most changes break it": (0.95, (0.95, 0.95, 0.9, 0.5, 0.3, 0.1, 0.05, 0, 0, 0, 0, 0)),
    "most changes do nothing": (0.8, (0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.4, 0)),
    "all near one half": (0.5, (0.5, 0.5, 0.5, 0.5, 0.4, 0.4, 0.6, 0.6, 0.3, 0.3, 0.7, 0.7)),
}
"""Success rates of the baseline and of its changes."""

MOST = 6000


def main() -> None:
    """Print trials and coverage on each truth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--searches", type=int, default=200, help="searches of each truth")
    parser.add_argument("--within", type=float, nargs="+", default=[0.3, 0.2], help="precisions asked for")
    options = parser.parse_args()
    print("| truth | to | trials | alike for all | share | coverage | coverage, alike |")
    print("|---|---|---|---|---|---|---|")
    for name, (base, changes) in TRUTHS.items():
        for within in options.within:
            asked = [placed(number, base, changes, within) for number in range(options.searches)]
            alike = [evenly(number, base, changes, within) for number in range(options.searches)]
            trials, others = (float(np.mean([one for one, _ in each])) for each in (asked, alike))
            held, held_alike = (float(np.mean([one for _, one in each])) for each in (asked, alike))
            print(
                f"| {name} | ±{within:g} | {trials:.0f} | {others:.0f} | {100 * trials / others:.0f} % "
                f"| {100 * held:.1f} % | {100 * held_alike:.1f} % |",
                flush=True,
            )


def placed(number: int, base: float, changes: Sequence[float], within: float) -> tuple[int, float]:
    """Run a search with the question; return its trials, and the share of intervals that hold the truth."""
    rng = np.random.default_rng([number, 3])
    rates = [base, *changes]

    def ends(spec: TrialSpec) -> tuple[bool, float]:
        return bool(rng.random() < rates[spec.configuration]), 1.0

    bound = bound_of(
        space={},
        constraints={},
        only=[{"d_model": 4 + place} for place in range(len(rates))],
        baselines={"baseline": {"d_model": 4}},
        question={"effects": {"of": "baseline", "within": within}},
        search={"trials": MOST, "seed": number},
    )
    rows = run(bound, ends)
    assert bound.plan.question is not None
    assert bound.plan.question.effects is not None
    answer = effects_answer(rows, bound.plan.question.effects)
    assert answer.is_sharp
    return len(rows.trials), held(answer, base, changes)


def evenly(number: int, base: float, changes: Sequence[float], within: float) -> tuple[int, float]:
    """Give every configuration the same number of seeds until all differences are known; return as above."""
    rng = np.random.default_rng([number, 4])
    rates = np.array([base, *changes])
    solved = np.zeros(len(rates), dtype=int)
    question = EffectsQuestion(within=within)
    for seeds in range(1, MOST):
        solved += rng.random(len(rates)) < rates
        if seeds < 4:
            continue
        answer = answer_of(question, [Tally(label="", solved=int(one), known=seeds) for one in solved], 0)
        if answer.is_sharp:
            return seeds * len(rates), held(answer, base, changes)
    raise AssertionError("never sharp")


def held(answer: EffectsAnswer, base: float, changes: Sequence[float]) -> float:
    """Return the share of the differences whose interval holds the true one."""
    holds = []
    for effect, rate in zip(answer.effects, changes, strict=True):
        difference = effect.difference
        holds.append(difference.low - 1e-9 <= rate - base <= difference.high + 1e-9)
    return float(np.mean(holds))


if __name__ == "__main__":
    main()
