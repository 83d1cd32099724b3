"""One addition configuration on one device: model, batches, loss, validation, evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.addition.answers import right_tokens, teacher_forced_logits
from trainables.addition.config import AdditionConfig
from trainables.addition.evaluation import evaluate
from trainables.addition.formats import make_format
from trainables.addition.native.choice import choose_engine
from trainables.addition.native.engine import NativeEngine
from trainables.addition.problems import held_out
from trainables.addition.stream import TrainingStream
from trainables.contract import Evaluation
from trainables.optimization import ParameterGroup, one_group
from trainables.transformer.model import Transformer

_VALIDATION_SEED = 0
"""Validation problems are the same for every trial, whatever its seed."""

_CHUNK = 2048
"""Problems that are validated at a time; a wide model's activations for all would not fit."""


class AdditionWorkload:
    """What the training loop needs of the addition task; see :class:`trainables.contract.Workload`."""

    def __init__(self, config: AdditionConfig, device: torch.device) -> None:
        self._config = config
        self._device = device
        self.format = make_format(config.layout)
        self._stream = TrainingStream(config, self.format, device)
        self._validation: Tensor | None = None
        self._engine: tuple[NativeEngine | None, str] | None = None

    @property
    def engine(self) -> str:
        """What computes losses and gradients here, and why."""
        return self._chosen()[1]

    @property
    def tokens_per_sample(self) -> int:
        """Tokens of a problem that the model reads."""
        return self.format.layout.input_length

    def flops_per_token(self, step: int) -> float | None:
        """Not counted: models of this size do not use a GPU's arithmetic."""
        return None

    @property
    def notes(self) -> Mapping[str, Any]:
        """Nothing: the configuration says how problems are written."""
        return {}

    def parameter_groups(self, model: nn.Module) -> list[ParameterGroup]:
        """Return all parameters as one group."""
        return one_group(model, self._config)

    def build_model(self) -> Transformer:
        """Return a newly initialised transformer on the device."""
        layout = self.format.layout
        model = Transformer(self._config, vocabulary=layout.vocabulary, positions=layout.positions)
        return model.to(self._device)

    def batch(self, step: int) -> Tensor:
        """Return encoded problems, int64 of shape (batch, length)."""
        return self._stream(step)

    def large_batch(self, samples: int) -> Tensor:
        """Return encoded training problems for a finish, int64 of shape (samples, length)."""
        return self._stream.sample(samples)

    def loss(self, model: nn.Module, batch: Tensor) -> Tensor:
        """Return the mean cross-entropy of the answer tokens, which alone are trained on."""
        native, _ = self._chosen()
        if native is not None and isinstance(model, Transformer):
            return native.loss(model, batch)
        logits = teacher_forced_logits(model, batch, self.format)
        return F.cross_entropy(logits.flatten(0, 1).float(), self._answers(batch).flatten())

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Measure loss, token accuracy and exact match on the validation problems, in one pass."""
        if self._validation is None:
            a, b = held_out(
                self._config.val_problems, self._config.digits, "validation", seed=_VALIDATION_SEED
            )
            self._validation = self.format.encode(a, b).to(self._device)
        problems, exact, right_in_all, loss = len(self._validation), 0, 0, 0.0
        for part in torch.split(self._validation, _CHUNK):
            logits = self._logits(model, part)
            answers = self._answers(part)
            right = right_tokens(logits, answers)
            exact += int(right.all(1).sum())
            right_in_all += int(right.sum())
            loss += F.cross_entropy(logits.flatten(0, 1), answers.flatten(), reduction="sum").item()
        tokens = problems * self.format.layout.answer_length
        return {
            "exact_match": exact / problems,
            "token_accuracy": right_in_all / tokens,
            "val_loss": loss / tokens,
        }

    def evaluate(self, model: nn.Module, *, problems: int, seed: int) -> Evaluation:
        """Measure a trained model on held-out test problems."""
        return evaluate(model, self.format, problems=problems, seed=seed)

    def _chosen(self) -> tuple[NativeEngine | None, str]:
        # Not before it is needed: who only asks a trained model should not wait for a compiler.
        if self._engine is None:
            self._engine = choose_engine(self._config, self._device)
        return self._engine

    def _logits(self, model: nn.Module, sequences: Tensor) -> Tensor:
        native, _ = self._chosen()
        if native is not None and isinstance(model, Transformer):
            return native.logits(model, sequences)
        return teacher_forced_logits(model, sequences, self.format)

    def _answers(self, sequences: Tensor) -> Tensor:
        return sequences[:, self.format.layout.prompt_length :]
