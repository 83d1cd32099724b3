"""One addition configuration on one device: model, batches, loss, validation, examination."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.addition.answers import right_tokens, teacher_forced_logits
from trainables.addition.config import AdditionConfig
from trainables.addition.examination import examine
from trainables.addition.format import ReversedSum
from trainables.addition.layout import VOCABULARY
from trainables.addition.problems import held_out
from trainables.addition.stream import TrainingStream
from trainables.contract import Examination
from trainables.transformer.model import Transformer

_VALIDATION_SEED = 0
"""Validation problems are the same for every trial, whatever its seed."""


class AdditionWorkload:
    """What the training loop needs of the addition task; see :class:`trainables.contract.Workload`."""

    def __init__(self, config: AdditionConfig, device: torch.device) -> None:
        self._config = config
        self._device = device
        self._format = ReversedSum(config.digits)
        self._stream = TrainingStream(config, device)
        self._validation: Tensor | None = None

    def build_model(self) -> nn.Module:
        """Return a newly initialised transformer on the device."""
        model = Transformer(self._config, vocabulary=VOCABULARY, positions=self._format.positions)
        return model.to(self._device)

    def batch(self, step: int) -> Tensor:
        """Return encoded problems, int64 of shape (batch, length)."""
        return self._stream(step)

    def loss(self, model: nn.Module, batch: Tensor) -> Tensor:
        """Return the mean cross-entropy of the answer tokens, which alone are trained on."""
        logits = teacher_forced_logits(model, batch, self._format)
        return F.cross_entropy(logits.flatten(0, 1), self._answers(batch).flatten())

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Measure loss, token accuracy and exact match on the validation problems, in one pass."""
        if self._validation is None:
            a, b = held_out(
                self._config.val_problems, self._config.digits, "validation", seed=_VALIDATION_SEED
            )
            self._validation = self._format.encode(a, b).to(self._device)
        logits = teacher_forced_logits(model, self._validation, self._format)
        answers = self._answers(self._validation)
        right = right_tokens(logits, answers)
        return {
            "exact_match": right.all(1).double().mean().item(),
            "token_accuracy": right.double().mean().item(),
            "val_loss": F.cross_entropy(logits.flatten(0, 1), answers.flatten()).item(),
        }

    def examine(self, model: nn.Module, *, problems: int, seed: int) -> Examination:
        """Measure a trained model on held-out test problems."""
        return examine(model, self._format, problems=problems, seed=seed)

    def _answers(self, sequences: Tensor) -> Tensor:
        return sequences[:, self._format.prompt_length :]
