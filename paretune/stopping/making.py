"""Early stopping as a plan states it."""

from __future__ import annotations

from paretune.plan.binding import BoundPlan
from paretune.plan.rungs import marks_of, rungs_of
from paretune.sampling.history import TrialSpec
from paretune.stopping.bands import edges_of
from paretune.stopping.stopper import EarlyStopper, Entrant


def stopper_of(bound: BoundPlan) -> EarlyStopper | None:
    """Return the plan's early stopping, before any trial; None when every trial may use its budget."""
    rule = bound.plan.early_stopping
    marks = marks_of(bound)
    if rule is None or not marks:
        return None
    return EarlyStopper(rule, marks, edges_of(bound), bound.plan.search.seed)


def entrant_of(bound: BoundPlan, spec: TrialSpec) -> Entrant:
    """Return a trial as early stopping knows it."""
    return Entrant(
        label=spec.label,
        params=spec.params,
        report_at=tuple(rungs_of(bound, spec.values)),
        may_stop=spec.configuration >= len(bound.plan.baselines),
    )
