"""One GPT-2 configuration on one device: model, batches, loss, validation, evaluation."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from trainables.contract import VALIDATION_LOSS, Evaluation
from trainables.gpt2.block_attention import attend_in_blocks, kernels_for
from trainables.gpt2.config import GPT2Config
from trainables.gpt2.evaluation import Windows, evaluate_windows
from trainables.gpt2.locating import locate, require_text
from trainables.gpt2.masks import Attend, Mask, attend_dense, block_mask, dense_mask, documents_of
from trainables.gpt2.model import GPT2
from trainables.gpt2.optimizers import parameter_groups
from trainables.gpt2.stream import TextBatch, TextStream, read_tokens
from trainables.machines.execution import keep_freed_memory
from trainables.optim.muon import describe
from trainables.optim.optimization import ParameterGroup
from trainables.text.dataset import Dataset

log = logging.getLogger(__name__)

_LOGITS_TOGETHER = 2**24
"""Logits per validation batch; at least one sequence."""


class GPT2Workload:
    """The GPT-2 task as the training loop sees it; see :class:`trainables.contract.Workload`."""

    def __init__(self, config: GPT2Config, device: torch.device) -> None:
        self._config = config
        self._device = device

    @cached_property
    def data(self) -> Dataset:
        """The text, opened on first use: a trained model can be used without it."""
        found = locate(self._config.data)
        require_text(self._config, found)
        return found

    @property
    def engine(self) -> str:
        """What computes losses, gradients and Muon's steps here."""
        attention = "FlexAttention" if self._attends_in_blocks else "scaled-dot-product attention"
        muon = f"; {describe(self._device)}" if self._config.optimizer == "muon" else ""
        return f"PyTorch with {attention}{muon}"

    @property
    def tokens_per_sample(self) -> int:
        """Tokens of a sequence."""
        return self._config.context

    def flops_per_token(self, step: int) -> float:
        """Return operations per token as PaLM counts them."""
        return self._config.flops_per_token_at(step)

    @property
    def notes(self) -> Mapping[str, Any]:
        """The tokenizer and the document mark, for using a model without its data set."""
        description = self.data.description
        return {"tokenizer": description.tokenizer, "document_start": description.document_start}

    def build_model(self) -> GPT2:
        """Return a newly initialised model on the device."""
        if self._device.type == "cpu":
            keep_freed_memory()
        return GPT2(self._config, self._attend).to(self._device)

    def parameter_groups(self, model: nn.Module) -> list[ParameterGroup]:
        """Return the parameters by optimizer and rate."""
        assert isinstance(model, GPT2)
        return parameter_groups(model, self._config)

    def batch(self, step: int) -> TextBatch:
        """Return the sequences of a step."""
        return self._stream(step)

    def large_batch(self, samples: int) -> TextBatch:
        """Return training sequences drawn independently of all steps."""
        return self._stream.sample(samples)

    def loss(self, model: nn.Module, batch: TextBatch) -> Tensor:
        """Return the mean cross-entropy of the next tokens, in float32."""
        inputs, targets = batch.tokens[:, :-1], batch.tokens[:, 1:]
        loss: Tensor = model(inputs, self.mask(inputs, batch.window), targets)
        return loss

    def mask(self, tokens: Tensor, window: Tensor) -> Mask:
        """Return the mask of ``tokens``, (B, T), with attention windows ``window``, (B,)."""
        documents = None
        if self._config.document_mask:
            documents = documents_of(tokens, self.data.document_start)
        limit = None if self._config.window is None else window
        make = block_mask if self._attends_in_blocks else dense_mask
        return make(tokens.shape[1], documents, limit, tokens.device)

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Measure the loss on ``val_tokens`` tokens of the validation text, the same for every trial."""
        begins = self._config.validation_begins(self.data.length("val"))
        nats = sum(float(loss.double().sum()) for loss, _ in self._losses(model, begins))
        bits_per_byte = nats / math.log(2) / self._bytes_of_targets(begins)
        return {
            VALIDATION_LOSS: nats / (len(begins) * self._config.context),
            "bits_per_byte": bits_per_byte,
        }

    @torch.no_grad()
    def evaluate(self, model: nn.Module, *, problems: int, seed: int) -> Evaluation:
        """Measure the loss on the part of the validation text that was not used for selection.

        Windows are drawn without overlap; the standard error is taken over documents.
        """
        model.eval()
        length = self._config.context
        first = self._config.held_out_from(self.data.length("val"))
        count = (self.data.length("val") - 1 - first) // length
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:problems]
        begins = [first + index * length for index in sorted(order.tolist())]
        windows = Windows(data=self.data, begins=begins, length=length, first=first)
        return evaluate_windows(windows, self._losses(model, begins), seed=seed)

    @property
    def _attends_in_blocks(self) -> bool:
        return self._attend is not attend_dense

    @cached_property
    def _attend(self) -> Attend:
        """The attention function, chosen on first use: on a GPU, kernels are compiled for it."""
        config, on_gpu = self._config, self._device.type == "cuda"
        has_mask = config.document_mask or config.window is not None
        if config.attention == "sdpa" or (config.attention == "auto" and not (on_gpu and has_mask)):
            return attend_dense
        if not on_gpu:
            return attend_in_blocks(self._device)
        kernels, reason = kernels_for(self._device, config.head_width)
        if reason is None:
            return attend_in_blocks(self._device, kernels)
        if config.attention == "flex":
            raise RuntimeError(f"FlexAttention does not run on this GPU, set attention: sdpa; {reason}")
        log.warning("FlexAttention does not run on this GPU and is not used: %s", reason)
        return attend_dense

    @cached_property
    def _stream(self) -> TextStream:
        return TextStream(self._config, self.data, self._device)

    def _bytes_of_targets(self, begins: list[int]) -> int:
        """Return the UTF-8 bytes of the targets of validation sequences."""
        length = self._config.context
        return sum(
            int(self._token_bytes[read_tokens(self.data, "val", begin + 1, length)].sum()) for begin in begins
        )

    @cached_property
    def _token_bytes(self) -> Tensor:
        return torch.from_numpy(self.data.token_bytes.astype("int64"))

    def _losses(self, model: nn.Module, begins: list[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (B, T) losses of validation text, and whether the most likely token was correct, in order."""
        config = self._config
        together = max(1, _LOGITS_TOGETHER // (config.context * config.vocabulary))
        window = config.context if config.window is None else config.window[1]
        for start in range(0, len(begins), together):
            part = begins[start : start + together]
            tokens = torch.stack([read_tokens(self.data, "val", begin, config.context + 1) for begin in part])
            tokens = tokens.to(self._device)
            inputs, targets = tokens[:, :-1], tokens[:, 1:]
            reach = torch.full((len(part),), window, device=self._device)
            yield cast("GPT2", model).losses(inputs, self.mask(inputs, reach), targets)
