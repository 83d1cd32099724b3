"""Find how small, how fast and how cheap a transformer can get before it stops working.

From Python, begin with :func:`search` or :func:`open`; ``docs/api.md`` shows all there is. Public is what
``__all__`` names, here and in :mod:`paretune.testing`, with its public attributes. Everything else, below
here and in the other packages, is private and may change without notice.

Nothing but tests, benchmarks and examples imports this package, and only its room ``tune`` imports Ray.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.files.layout import ExportError, SelectionError
    from paretune.api.checking import check, summary
    from paretune.api.confirming import Confirmed
    from paretune.api.deadline import estimate
    from paretune.api.evaluating import evaluate
    from paretune.api.retraining import Retrained
    from paretune.api.searches import Search, Session, learning_curves, open
    from paretune.api.searching import resume, search
    from paretune.api.sources import ResourceOptions, SearchOptions
    from paretune.confirm.retraining import SeedRun
    from paretune.errors import ClusterError, Error, InputError, RayLostError
    from paretune.plan.summary import PlanSummary
    from paretune.record.repairing.repair import Repair, repair
    from paretune.timing.estimate import TimeEstimate
    from paretune.timing.outlook import Outlook
    from search_spaces.dimensions import Choice, FloatRange, IntRange
    from search_spaces.mistakes import Mistake, SpaceFileError
    from search_spaces.parts.derived import Derived
    from search_spaces.parts.early_stopping import EarlyStopping
    from search_spaces.parts.limits import Bounds, Constraints, Limits, MemoryLimits
    from search_spaces.parts.resources import Resources
    from search_spaces.parts.search import Search as SearchSettings
    from search_spaces.plan import Objective, Plan
    from trainables.base import BaseTask, BaseWorkload
    from trainables.config import TrainingConfig
    from trainables.contract import CheckpointError, Evaluation, Metric
    from trainables.machines.demand import Demand
    from trainables.tasks import TaskError
    from trainables.text.errors import DataError

__version__ = "0.1.0"

_HOMES = {
    # What to do.
    "search": "paretune.api.searching",
    "resume": "paretune.api.searching",
    "repair": "paretune.record.repairing.repair",
    "open": "paretune.api.searches",
    "learning_curves": "paretune.api.searches",
    "check": "paretune.api.checking",
    "summary": "paretune.api.checking",
    "estimate": "paretune.api.deadline",
    "evaluate": "paretune.api.evaluating",
    # What comes of it.
    "Search": "paretune.api.searches",
    "Session": "paretune.api.searches",
    "Repair": "paretune.record.repairing.repair",
    "Confirmed": "paretune.api.confirming",
    "Retrained": "paretune.api.retraining",
    "SeedRun": "paretune.confirm.retraining",
    "Evaluation": "trainables.contract",
    "PlanSummary": "paretune.plan.summary",
    "TimeEstimate": "paretune.timing.estimate",
    "Outlook": "paretune.timing.outlook",
    "SearchOptions": "paretune.api.sources",
    "ResourceOptions": "paretune.api.sources",
    # A plan, made in Python.
    "Plan": "search_spaces.plan",
    "Objective": "search_spaces.plan",
    "IntRange": "search_spaces.dimensions",
    "FloatRange": "search_spaces.dimensions",
    "Choice": "search_spaces.dimensions",
    "Derived": "search_spaces.parts.derived",
    "Constraints": "search_spaces.parts.limits",
    "Bounds": "search_spaces.parts.limits",
    "Limits": "search_spaces.parts.limits",
    "MemoryLimits": "search_spaces.parts.limits",
    "SearchSettings": "search_spaces.plan",
    "EarlyStopping": "search_spaces.plan",
    "Resources": "search_spaces.parts.resources",
    # A task of one's own.
    "BaseTask": "trainables.base",
    "BaseWorkload": "trainables.base",
    "Metric": "trainables.contract",
    "Demand": "trainables.machines.demand",
    "TrainingConfig": "trainables.config",
    # What can go wrong.
    "Error": "paretune.errors",
    "InputError": "paretune.errors",
    "SpaceFileError": "search_spaces.mistakes",
    "Mistake": "search_spaces.mistakes",
    "CheckpointError": "trainables.contract",
    "ClusterError": "paretune.errors",
    "RayLostError": "paretune.errors",
    "DataError": "trainables.text.errors",
    "ExportError": "analysis.files.layout",
    "SelectionError": "analysis.files.layout",
    "TaskError": "trainables.tasks",
}
"""Where each public name is defined. It is imported when it is asked for: `paretune --help` needs none,
and an earlier search is opened without Ray and torch."""

_NAMED_OTHERWISE = {"SearchSettings": "Search"}

__all__ = [
    "BaseTask",
    "BaseWorkload",
    "Bounds",
    "CheckpointError",
    "Choice",
    "ClusterError",
    "Confirmed",
    "Constraints",
    "DataError",
    "Demand",
    "Derived",
    "EarlyStopping",
    "Error",
    "Evaluation",
    "ExportError",
    "FloatRange",
    "InputError",
    "IntRange",
    "Limits",
    "MemoryLimits",
    "Metric",
    "Mistake",
    "Objective",
    "Outlook",
    "Plan",
    "PlanSummary",
    "RayLostError",
    "Repair",
    "ResourceOptions",
    "Resources",
    "Retrained",
    "Search",
    "SearchOptions",
    "SearchSettings",
    "SeedRun",
    "SelectionError",
    "Session",
    "SpaceFileError",
    "TaskError",
    "TimeEstimate",
    "TrainingConfig",
    "__version__",
    "check",
    "estimate",
    "evaluate",
    "learning_curves",
    "open",
    "repair",
    "resume",
    "search",
    "summary",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), _NAMED_OTHERWISE.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
