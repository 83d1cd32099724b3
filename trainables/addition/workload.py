"""One addition configuration on one device: model, batches, loss, validation, evaluation."""

from __future__ import annotations

from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.addition.answers import right_tokens, teacher_forced_logits
from trainables.addition.config import AdditionConfig
from trainables.addition.evaluation import evaluate
from trainables.addition.formats import NO_LOSS, make_format
from trainables.addition.native.choice import choose_engine
from trainables.addition.native.engine import NativeEngine
from trainables.addition.native.problems import NativeProblems
from trainables.addition.native.steps import NativeSteps
from trainables.addition.problems import held_out
from trainables.addition.stream import TrainingStream
from trainables.base import BaseWorkload
from trainables.contract import Evaluation
from trainables.optim.optimization import Optimization
from trainables.replay import Replay
from trainables.transformer.model import Transformer

_VALIDATION_SEED = 0
"""Validation problems are the same for every trial, whatever its seed."""

_CHUNK = 2048
"""Problems per validation batch; a wide model's activations for all would not fit."""


class AdditionWorkload(BaseWorkload[AdditionConfig]):
    """The addition task as the training loop sees it; see :class:`trainables.contract.Workload`."""

    def __init__(self, config: AdditionConfig, device: torch.device) -> None:
        super().__init__(config, device)
        self.format = make_format(config.layout)
        self._problems: Tensor | None = None
        self._steps: tuple[nn.Module, NativeSteps] | None = None

    @property
    def engine(self) -> str:
        """What computes losses and gradients here, and why."""
        return self._chosen[1]

    @property
    def tokens_per_sample(self) -> int:
        """Tokens of a problem that the model reads."""
        return self.format.layout.input_length

    def build_model(self) -> Transformer:
        """Return a newly initialised transformer on the device."""
        layout = self.format.layout
        model = Transformer(self.config, vocabulary=layout.vocabulary, positions=layout.positions)
        return model.to(self.device)

    def batch(self, step: int) -> Tensor:
        """Return encoded problems, int64 of shape (batch, length)."""
        return self.stream(step)

    def large_batch(self, samples: int) -> Tensor:
        """Return encoded training problems for a finish, int64 of shape (samples, length)."""
        return self.stream.sample(samples)

    def loss(self, model: nn.Module, batch: Tensor) -> Tensor:
        """Return the mean cross-entropy of the tokens that have a loss: those of answers, as a rule."""
        native, _ = self._chosen
        if native is not None and isinstance(model, Transformer):
            return native.loss(model, batch)
        logits = model(batch[:, :-1], last=self.format.layout.target_length)
        targets = self.format.targets(batch).flatten()
        return F.cross_entropy(logits.flatten(0, 1).float(), targets, ignore_index=NO_LOSS)

    def take_steps(
        self, model: nn.Module, optimization: Optimization, steps: range, replay: Replay
    ) -> list[float] | None:
        """Take steps in the native engine, as many as have batches that are drawn together."""
        native, _ = self._chosen
        if native is None or native.derivation is None or not isinstance(model, Transformer):
            return None
        if self._steps is None or self._steps[0] is not model:
            self._steps = model, NativeSteps(native, native.derivation, model, self.config)
        batches = replay.mixed_steps(self.stream.next_batches(steps.start, len(steps)), steps.start)
        return self._steps[1].take(optimization, batches, steps.start)

    def fresh_batch(self, step: int, samples: int) -> Tensor:
        """Return encoded training problems that no step has, uint8 of shape (samples, length)."""
        return self.stream.fresh(step, samples)

    @torch.no_grad()
    def is_incorrect(self, model: nn.Module, batch: Tensor) -> Tensor:
        """Return which problems' greedy answers are incorrect: bool, of shape (samples,)."""
        return torch.cat([self._is_incorrect(model, part.long()) for part in torch.split(batch, _CHUNK)])

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Measure loss, token accuracy and exact match on the validation problems, in one pass."""
        if self._problems is None:
            a, b = held_out(self.config.val_problems, self.config.digits, "validation", seed=_VALIDATION_SEED)
            self._problems = self.format.encode(a, b).to(self.device)
        exact, right, loss = self._validated(model, self._problems)
        return {
            "exact_match": exact / len(self._problems),
            "token_accuracy": right / self._answers(self._problems).numel(),
            "val_loss": loss,
        }

    def evaluate(self, model: nn.Module, *, problems: int, seed: int) -> Evaluation:
        """Measure a trained model on held-out test problems."""
        return evaluate(model, self.format, problems=problems, seed=seed)

    @cached_property
    def _chosen(self) -> tuple[NativeEngine | None, str]:
        # Not before it is needed: using a trained model should not wait for a compiler.
        return choose_engine(self.config, self.device)

    @cached_property
    def stream(self) -> TrainingStream:
        """The batches of training steps."""
        native, layout = self._chosen[0], self.format.layout
        draws = None
        if native is not None and self.config.carries == "uniform" and not layout.variable:
            draws = NativeProblems(native.library, layout).draw
        return TrainingStream(self.config, self.format, self.device, draws)

    def _validated(self, model: nn.Module, problems: Tensor) -> tuple[int, int, float]:
        """Return the number of exact answers, that of right answer tokens, and the mean loss of tokens."""
        native, _ = self._chosen
        if native is not None and isinstance(model, Transformer):
            found = native.validate(model, problems)
            return found.exact, found.right, found.loss
        exact, right_in_all, loss = 0, 0, 0.0
        for part in torch.split(problems, _CHUNK):
            logits, answers = teacher_forced_logits(model, part, self.format), self._answers(part)
            right = right_tokens(logits, answers)
            exact += int(right.all(1).sum())
            right_in_all += int(right.sum())
            loss += F.cross_entropy(logits.flatten(0, 1), answers.flatten(), reduction="sum").item()
        return exact, right_in_all, loss / self._answers(problems).numel()

    def _is_incorrect(self, model: nn.Module, problems: Tensor) -> Tensor:
        native, _ = self._chosen
        if native is not None and isinstance(model, Transformer):
            logits = native.logits(model, problems)
        else:
            logits = teacher_forced_logits(model, problems, self.format)
        return ~right_tokens(logits, self._answers(problems)).all(1)

    def _answers(self, sequences: Tensor) -> Tensor:
        return self.format.answers_in(sequences)
