"""What a worker is told about a trial, as a value; Tune carries it as the trial's ``config``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.layout import PREFIXES_FOLDER
from paretune.plan.binding import BoundPlan
from paretune.plan.rungs import rungs_of
from paretune.sampling.history import TrialSpec
from trainables.contract import Target


@dataclass(frozen=True, kw_only=True)
class TrialAssignment:
    """One trial, as the driver hands it to the worker that runs it."""

    label: str
    """The trial's name, which it keeps across sessions."""
    task: str
    """Its task: a name, or where its class is, from any folder."""
    config: Mapping[str, Any]
    """The task's config as JSON values, seed included."""
    target: Target | None
    """What counts as success, if the plan says."""
    stop_at_target: bool
    """Whether training ends once the target is held."""
    report_at: tuple[int, ...]
    """Steps at which it is compared with other trials, and so has to report."""
    keeps_at_rungs: bool
    """Whether it saves a checkpoint at these steps, as it may be paused there."""
    cpu: float
    """Cores that are this trial's, or a share of one."""
    gpu: float
    """GPUs that are this trial's, or a share of one."""
    has_fake_gpu: bool = False
    """Whether Ray only counts them, and the trial trains on the processor."""
    resume_from: str | None
    """Folder of the checkpoint of an earlier session, if there is one."""
    prefixes: str | None
    """Folder of shared prefixes, where the plan shares them."""
    notice: str = ""
    """Token under which its session gives notice, see :mod:`paretune.tune.notice`; empty if it never does."""

    @property
    def on_gpu(self) -> bool:
        """Whether the trial trains on a GPU."""
        return self.gpu > 0 and not self.has_fake_gpu

    def as_config(self) -> dict[str, Any]:
        """Return the assignment as plain values, which travel to workers on any machine."""
        return {**asdict(self), "report_at": list(self.report_at)}

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> TrialAssignment:
        """Return the assignment that :meth:`as_config` made these values from."""
        target = config["target"]
        return cls(
            **{
                **config,
                "target": None if target is None else Target(**target),
                "report_at": tuple(config["report_at"]),
            }
        )


def assignment_of(bound: BoundPlan, spec: TrialSpec, folder: Path, notice: str = "") -> TrialAssignment:
    """Return what the worker is told about a trial.

    Args:
        bound: the plan.
        spec: the trial.
        folder: the search's folder.
        notice: the token of the session's notices.
    """
    rule = bound.plan.early_stopping
    return TrialAssignment(
        label=spec.label,
        task=bound.plan.task,
        config=bound.config(spec.values, spec.seed).model_dump(mode="json"),
        target=bound.target,
        stop_at_target=bound.plan.stop_at_target,
        report_at=tuple(rungs_of(bound, spec.values)),
        keeps_at_rungs=rule is not None and rule.below_cut == "pause",
        cpu=bound.plan.resources.cpu,
        gpu=bound.gpus(spec.values),
        has_fake_gpu=bound.fake_gpus > 0,
        resume_from=spec.resume_from,
        prefixes=str(folder / PREFIXES_FOLDER) if bound.plan.share_prefixes else None,
        notice=notice,
    )


def label_of(trial: Any) -> str:
    """Return the label of one of Tune's trials."""
    return str(trial.config["label"])
