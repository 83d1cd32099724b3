"""Strategies: where the next trial of a search goes, and when the search is over.

A strategy decides by the history alone, whatever order trials ended in; what it draws depends on the search's
seed and on how many trials were handed out. So a resumed search decides as an uninterrupted one would have.
"""

from __future__ import annotations

from paretune.plan.binding import BoundPlan
from paretune.sampling.strategies.strategy import Progress, Strategy

__all__ = ["Progress", "Strategy", "strategy_of"]


def strategy_of(bound: BoundPlan) -> Strategy:
    """Return the strategy of a plan: that of its question, or its sampler with all seeds of each
    configuration."""
    question = bound.plan.question
    if question is not None and question.cliff is not None:
        from paretune.sampling.strategies.cliff import CliffStrategy

        return CliffStrategy(bound, question.cliff)
    if question is not None and question.regimes is not None:
        from paretune.sampling.strategies.regimes import RegimesStrategy

        return RegimesStrategy(bound, question.regimes)
    if question is not None and question.effects is not None:
        from paretune.sampling.strategies.effects import EffectsStrategy

        return EffectsStrategy(bound, question.effects)
    if question is not None and question.time_to_target is not None:
        from paretune.sampling.strategies.time_to_target import TimeStrategy

        return TimeStrategy(bound, question.time_to_target)
    if bound.plan.search.race is not None:
        from paretune.sampling.strategies.racing import Racing

        return Racing(bound)
    from paretune.sampling.strategies.sampled import Sampled

    return Sampled(bound)
