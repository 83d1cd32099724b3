"""What a task is, and the small values that cross the border between a task and the rest.

Importing this module does not import torch: checking a space file must be quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from paretune.errors import Error
from trainables.config import TrainingConfig
from trainables.metrics import LOOP_METRICS as LOOP_METRICS
from trainables.metrics import Direction as Direction
from trainables.metrics import Metric as Metric

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from trainables.optim.optimization import Optimization, ParameterGroup
    from trainables.replay import Replay

VALIDATION_LOSS = "val_loss"
"""The metric that every task reports beside its own, and that patience watches."""

Ending = Literal["solved", "finished", "diverged"]
"""How training ends by itself. A driver adds endings of its own (stopped early, failed, interrupted)."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The metric value that counts as success, and for how many evaluations in a row it must hold."""

    metric: str
    value: float
    direction: Direction
    hold: int = 2

    def is_reached_by(self, value: float) -> bool:
        """Tell whether ``value`` is at least as good as the target. NaN never is."""
        return value >= self.value if self.direction == "max" else value <= self.value


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the training loop says at one evaluation.

    ``metrics`` holds finite numbers only: a metric that is not finite is left out, so that
    nothing downstream can compare with NaN. ``ending`` is set in the last report, and ``engine``, what
    computes the steps and why, in the first.
    """

    step: int
    metrics: Mapping[str, float]
    ending: Ending | None = None
    engine: str | None = None

    def as_row(self) -> dict[str, Any]:
        """Return the report as one flat dict, ``step`` first."""
        row: dict[str, Any] = {"step": self.step, **self.metrics}
        if self.ending is not None:
            row["ending"] = self.ending
        if self.engine is not None:
            row["engine"] = self.engine
        return row


@dataclass(frozen=True, kw_only=True)
class Table:
    """A titled table of an :class:`Evaluation`; each row has one cell per column."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float]]


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A metric's mean over an evaluation's problems; its standard error is None where it cannot be told."""

    metric: str
    mean: float
    standard_error: float | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How a trained model does on held-out data that no trial saw.

    Where each of the ``problems`` is either right or wrong, ``successes`` counts the right ones.
    Elsewhere it is None, and ``mean`` is the metric's mean over the problems, with its standard
    error. From both an interval can be computed. Where it is not each problem that is independent, but
    documents, say, ``units`` is how many of equal size these amount to. ``problems``, and units, are called
    ``called`` in texts. ``also`` holds the same in other metrics.
    """

    metric: str
    problems: int
    drawn_from: str
    successes: int | None = None
    mean: float | None = None
    standard_error: float | None = None
    units: float | None = None
    called: str = "held-out problems"
    also: Sequence[Mean] = field(default_factory=tuple)
    tables: Sequence[Table] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        assert (self.successes is None) != (self.mean is None), "either a rate or a mean"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One thing that a task needs or can use on this machine, as ``paretune doctor`` shows it.

    ``advice`` says what to do; None if all is well.
    """

    name: str
    state: str
    advice: str | None = None


class Workload(Protocol):
    """One configuration of a task on one device: what the training loop works with."""

    @property
    def engine(self) -> str:
        """What computes losses and gradients on this machine, and why, in one line."""
        ...

    @property
    def tokens_per_sample(self) -> int:
        """How many tokens a model reads of one sample in training."""
        ...

    def flops_per_token(self, step: int) -> float | None:
        """Return a step's arithmetic operations per token read, forward and backward; None if not known."""
        ...

    @property
    def notes(self) -> Mapping[str, Any]:
        """What a trained model needs beside its weights, such as its tokenizer, in plain values."""
        ...

    def build_model(self) -> nn.Module:
        """Return a newly initialised model on the device; torch's global seed decides its weights."""
        ...

    def parameter_groups(self, model: nn.Module) -> Sequence[ParameterGroup]:
        """Return the model's parameters in groups that are optimized alike, each in one of them."""
        ...

    def batch(self, step: int) -> Any:
        """Return the training batch of a step counted from 1: the same step, the same batch.

        A tensor, or a tuple of tensors, whose first dimension is the samples.
        """
        ...

    def large_batch(self, samples: int) -> Any:
        """Return one batch of training data that no step has, for a finish."""
        ...

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """Return the scalar training loss of one batch, in float32 whatever the model computes in."""
        ...

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the task's metrics on validation data that is the same for every trial."""
        ...

    def evaluate(self, model: nn.Module, *, problems: int, seed: int) -> Evaluation:
        """Measure a trained model on up to ``problems`` held-out test problems drawn with ``seed``."""
        ...


@runtime_checkable
class TakesSteps(Protocol):
    """A workload that can take training steps in a way of its own, faster than the loop's."""

    def take_steps(
        self, model: nn.Module, optimization: Optimization, steps: range, replay: Replay
    ) -> list[float] | None:
        """Take the first of ``steps``, one or more, and return the loss before each; None if it cannot.

        Each batch as ``replay`` mixes it.
        """
        ...


@runtime_checkable
class FindsHard(Protocol):
    """A workload whose answers are correct or incorrect, for replay."""

    def fresh_batch(self, step: int, samples: int) -> Any:
        """Return training data drawn as a step's, which no step has, and others after every step."""
        ...

    def is_incorrect(self, model: nn.Module, batch: Any) -> Tensor:
        """Return which samples of such a batch the model answers incorrectly: bool, of shape (samples,)."""
        ...


class Task(Protocol):
    """A task as the loop, driver and checks see it. Only ``diagnose`` and ``workload`` import torch."""

    name: str
    config_class: type[TrainingConfig]
    metrics: tuple[Metric, ...]
    """What validation measures, first the one that says how good a model is, and always the loss."""
    size_fields: frozenset[str]
    """The configuration's fields that the parameter count, or its validity, depends on."""
    abilities: Mapping[str, Callable[..., Any]]
    """What a trained model can be asked for beside an evaluation; see :mod:`trainables.abilities`."""

    def parameter_table(self, config: TrainingConfig) -> dict[str, int]:
        """Return the exact number of unique parameters by component, without allocating any."""
        ...

    def prepare(self, config: TrainingConfig) -> None:
        """Check or make what a configuration's trials share, such as their data, before any begins.

        Raises:
            DataError: it is not there, or damaged, or not what the configuration needs.
        """
        ...

    def missing(self, config: TrainingConfig) -> str | None:
        """Check what is here of that already, make nothing, and say what is not here and what makes it.

        None if all is here, or if ``prepare`` makes it. A space file may be checked on one machine and
        searched on another, so what is not here is no mistake.

        Raises:
            DataError: what is here is damaged, or not what the configuration needs.
        """
        ...

    def compile_ahead(self, config: TrainingConfig) -> None:
        """Compile what a configuration's trials run on this machine's processor, if anything is compiled.

        Called for the first trials while Ray starts, in a thread. What fails here fails again in the trial,
        which says so.
        """
        ...

    def diagnose(self) -> Sequence[Diagnosis]:
        """Try out what the task can use on this machine, and say how that went."""
        ...

    def workload(self, config: TrainingConfig, device: torch.device) -> Workload:
        """Return the configuration's model, batches, loss and measurements on ``device``."""
        ...


class CheckpointError(Error, ValueError):
    """A file that cannot be used as a checkpoint; the message says why and what to do."""


def parameter_count(task: Task, config: TrainingConfig) -> int:
    """Return the exact number of unique parameters that ``config`` builds."""
    return sum(task.parameter_table(config).values())
