"""A task and a workload with defaults: a first task is a config, a model, a batch, a loss and one metric.

:class:`BaseTask` and :class:`BaseWorkload` keep the contract of :mod:`trainables.contract`. What they do by
default is right for many tasks and can be replaced method by method. This module imports torch only when a
model or a batch is made.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from trainables.config import TrainingConfig
from trainables.contract import VALIDATION_LOSS, Diagnosis, Evaluation, Metric, Workload

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from trainables.optim.optimization import ParameterGroup

Split = Literal["train", "validation", "test"]
"""The three parts of a task's data. What one of them can draw, neither of the others may."""

Config = TypeVar("Config", bound=TrainingConfig)

LOSS = Metric(
    name=VALIDATION_LOSS,
    direction="min",
    unit="nats",
    description="mean loss on validation data",
    best=0.0,
    worst=100.0,
)
"""The loss as a metric, for a task that says nothing more precise about it."""


class BaseWorkload(Generic[Config]):
    """One configuration of a task on one device.

    A task writes four methods: :meth:`model`, :meth:`draw`, :meth:`loss` and :meth:`measure`.

    Args:
        config: the configuration.
        device: where model and batches live.
        metric: name of the metric that :meth:`measure` measures.
    """

    validation_samples: ClassVar[int] = 1024
    """Samples of validation data, the same for every trial."""
    samples_together: ClassVar[int] = 1024
    """Most samples that are validated or evaluated in one batch."""

    def __init__(self, config: Config, device: torch.device, metric: str = "") -> None:
        self.config = config
        self.device = device
        self.metric = metric
        self._validation: list[Any] | None = None

    # What a task writes

    def model(self) -> nn.Module:
        """Return a newly initialised model, anywhere; it is moved to the device."""
        raise NotImplementedError(f"{type(self).__name__} needs a method model(self) that returns the model")

    def draw(self, split: Split, samples: int, generator: torch.Generator) -> Any:
        """Return samples of one part of the data, drawn with ``generator`` and nothing else that is random.

        Returns:
            A tensor, or a tuple of tensors, on the CPU, whose first dimension is the samples.
        """
        raise NotImplementedError(
            f"{type(self).__name__} needs a method draw(self, split, samples, generator) that returns a batch"
        )

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """Return the mean loss of a batch as a scalar, in float32 whatever the model computes in."""
        raise NotImplementedError(f"{type(self).__name__} needs a method loss(self, model, batch)")

    def measure(self, model: nn.Module, batch: Any) -> Tensor:
        """Return the metric of each sample: shape (samples,).

        Of dtype bool where a sample is either correct or not: the metric is the share of correct ones, and an
        evaluation counts them. Otherwise it is the mean.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method measure(self, model, batch)")

    # What has defaults

    drawn_from: str = "the test split"
    """Where an evaluation's samples come from, in words."""

    @property
    def engine(self) -> str:
        """What computes losses and gradients."""
        return "PyTorch"

    @property
    def tokens_per_sample(self) -> int:
        """One: a sample is not a sequence."""
        return 1

    def flops_per_token(self, step: int) -> float | None:
        """Return None: not counted."""
        return None

    @property
    def notes(self) -> Mapping[str, Any]:
        """Nothing: the configuration says all that a trained model needs."""
        return {}

    def build_model(self) -> nn.Module:
        """Return a newly initialised model on the device."""
        return self.model().to(self.device)

    def parameter_groups(self, model: nn.Module) -> Sequence[ParameterGroup]:
        """Return all parameters as one group of AdamW."""
        from trainables.optim.optimization import one_group

        return one_group(model, self.config)

    def batch(self, step: int) -> Any:
        """Return the training batch of a step counted from 1."""
        return self._drawn("train", self.config.batch_at(step), f"{self.config.seed} step {step}")

    def large_batch(self, samples: int) -> Any:
        """Return training data for a finish, drawn apart from those of steps."""
        return self._drawn("train", samples, f"{self.config.seed} finish")

    def fresh_batch(self, step: int, samples: int) -> Any:
        """Return training data for replay, drawn apart from those of steps."""
        return self._drawn("train", samples, f"{self.config.seed} replay {step}")

    def is_incorrect(self, model: nn.Module, batch: Any) -> Tensor:
        """Return which samples are incorrect by :meth:`measure`, which must return bool."""
        import torch

        correct = self.measure(model, batch)
        if correct.dtype != torch.bool:
            raise ValueError(
                f"replay_share needs a measure that returns bool, but got {correct.dtype}; set it to 0"
            )
        return ~correct

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return loss and metric over the validation samples, in evaluation mode."""
        import torch

        if self._validation is None:
            self._validation = list(self._batches("validation", self.validation_samples, "validation"))
        loss = 0.0
        values = []
        with torch.no_grad(), _evaluating(model):
            for batch in self._validation:
                measured = self._measured(model, batch)
                loss += self.loss(model, batch).item() * len(measured)
                values.append(measured)
        mean = torch.cat(values).double().mean().item()
        return {self.metric: mean, VALIDATION_LOSS: loss / self.validation_samples}

    def evaluate(self, model: nn.Module, *, problems: int, seed: int) -> Evaluation:
        """Measure the metric on ``problems`` samples of the test split, drawn with ``seed``."""
        import torch

        with torch.no_grad(), _evaluating(model):
            values = [
                self._measured(model, batch) for batch in self._batches("test", problems, f"test {seed}")
            ]
        measured = torch.cat(values)
        common: dict[str, Any] = {"metric": self.metric, "problems": problems, "drawn_from": self.drawn_from}
        if measured.dtype == torch.bool:
            return Evaluation(successes=int(measured.sum()), **common)
        spread = measured.double()
        error = spread.std().item() / math.sqrt(problems) if problems > 1 else None
        return Evaluation(mean=spread.mean().item(), standard_error=error, **common)

    def _measured(self, model: nn.Module, batch: Any) -> Tensor:
        measured = self.measure(model, batch).cpu()
        if measured.dim() != 1:
            raise ValueError(
                f"measure must return one value per sample, shape (samples,), but got {tuple(measured.shape)}"
            )
        return measured

    def _batches(self, split: Split, samples: int, stream: str) -> Iterator[Any]:
        for begin in range(0, samples, self.samples_together):
            together = min(self.samples_together, samples - begin)
            yield self._drawn(split, together, f"{stream} {begin}")

    def _drawn(self, split: Split, samples: int, stream: str) -> Any:
        """Return samples that depend on nothing but the stream's name."""
        import torch

        seed = int.from_bytes(hashlib.blake2b(f"{split} {stream}".encode(), digest_size=7).digest())
        return _moved(self.draw(split, samples, torch.Generator().manual_seed(seed)), self.device)


class BaseTask:
    """A task. A subclass states ``name``, ``config_class``, ``workload_class`` and ``metric``.

    The class attributes may be stated or overridden one by one; so may the methods.
    """

    name: str
    """What the task is called in tables and reports."""
    config_class: type[TrainingConfig]
    """Its configuration: what a space file may set."""
    workload_class: ClassVar[Callable[..., Workload]]
    """The model, the data and the measurements of one configuration; a :class:`BaseWorkload`."""
    metric: Metric
    """How good a model is."""
    metrics: tuple[Metric, ...]
    """All that validation measures; by default the metric and the loss."""
    size_fields: frozenset[str]
    """The configuration's fields that decide the size; by default all that the task adds."""
    abilities: Mapping[str, Callable[..., Any]] = {}
    """What a trained model can be asked for, by the name of the command; by default nothing."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "metric" in cls.__dict__ and "metrics" not in cls.__dict__:
            cls.metrics = (cls.metric, LOSS)
        if "config_class" in cls.__dict__ and "size_fields" not in cls.__dict__:
            cls.size_fields = frozenset(cls.config_class.model_fields) - frozenset(
                TrainingConfig.model_fields
            )

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, int]] = {}

    def parameter_table(self, config: TrainingConfig) -> dict[str, int]:
        """Return the exact number of unique parameters of each part of the model.

        The model is built without its numbers, on torch's meta device, once for every size.
        """
        size = json.dumps({name: getattr(config, name) for name in sorted(self.size_fields)}, default=str)
        if size not in self._tables:
            self._tables[size] = self._counted(config)
        return dict(self._tables[size])

    def prepare(self, config: TrainingConfig) -> None:
        """Do nothing: there is nothing that trials share."""

    def missing(self, config: TrainingConfig) -> str | None:
        """Return None: nothing is needed."""
        return None

    def compile_ahead(self, config: TrainingConfig) -> None:
        """Do nothing: nothing is compiled for a configuration."""

    def diagnose(self) -> Sequence[Diagnosis]:
        """Return nothing: the task needs nothing of the machine."""
        return ()

    def workload(self, config: TrainingConfig, device: torch.device) -> Workload:
        """Return the configuration's model, batches, loss and measurements on ``device``."""
        return type(self).workload_class(config, device, self.metrics[0].name)

    def _counted(self, config: TrainingConfig) -> dict[str, int]:
        import torch

        # Weights that are shared are named once.
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            model = self.workload(config, torch.device("meta")).build_model()
        table: dict[str, int] = {}
        for name, weight in model.named_parameters():
            part = _part(model, name)
            table[part] = table.get(part, 0) + weight.numel()
        return table


def _part(model: nn.Module, parameter: str) -> str:
    """Return the name of the part of a model that a parameter is in, with its kind where it has a number."""
    first, _, rest = parameter.partition(".")
    if not rest or not first.isdigit():
        return first
    return f"{first} {type(model.get_submodule(first)).__name__}"


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, and in the end back into the mode that it was in."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def _moved(batch: Any, device: torch.device) -> Any:
    """Return a batch on a device: a tensor, or a tuple of them."""
    if not isinstance(batch, tuple):
        return batch.to(device)
    parts = [_moved(part, device) for part in batch]
    return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
