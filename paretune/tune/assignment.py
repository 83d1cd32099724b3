"""What a worker is told about a trial, as a value; Tune carries it as the trial's ``config``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.files.layout import PREFIXES_FOLDER
from paretune.plan.binding import BoundPlan
from paretune.plan.rungs import rungs_of
from paretune.sampling.history import TrialSpec
from trainables.contract import Target

AGAIN = "+"
"""In the name of a trial's folder, before how often Tune was given it in a session."""


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
    gpu_context: int | None = None
    """Bytes that a process takes of a GPU besides its tensors, where that was measured."""
    has_fake_gpu: bool = False
    """Whether Ray only counts them, and the trial trains on the processor."""
    resume_from: str | None
    """Folder of the checkpoint of an earlier session, if there is one."""
    prefixes: str | None
    """Folder of shared prefixes, where the plan shares them."""
    memory: int | None = None
    """Bytes of its machine's memory that it may use; None if they are not limited."""
    resume_at: str | None = None
    """Where the same checkpoint is in the search's storage, as a URL; None without a storage."""
    notice: str = ""
    """Token under which its session gives notice, see :mod:`paretune.tune.notice`; empty if it never does."""
    workers: int = 1
    """Trials at a time, of all machines."""

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
        gpu_context=bound.gpu_context,
        has_fake_gpu=bound.fake_gpus > 0,
        resume_from=spec.resume_from,
        prefixes=str(folder / PREFIXES_FOLDER) if bound.plan.share_prefixes else None,
        memory=bound.plan.resources.memory_bytes,
        notice=notice,
    )


def label_of(trial: Any) -> str:
    """Return the label of one of Tune's trials."""
    return str(trial.config["label"])


def folder_of(trial: Any, session: str) -> str:
    """Return the name of the folder of one of Tune's trials: its label, ``c012-s0``, then ``c012-s0+2``.

    Tune counts the checkpoints of each of its trials from 0. One that goes on in the same session as
    another of Tune's trials would overwrite what it resumes from.

    Args:
        trial: Tune's.
        session: the name of the session's folder.
    """
    label, resume_from = label_of(trial), trial.config["resume_from"]
    before = None if resume_from is None else Path(resume_from).parent
    if before is None or before.parent.name != session:
        return label
    return f"{label}{AGAIN}{int(before.name.partition(AGAIN)[2] or 1) + 1}"
