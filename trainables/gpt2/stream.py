"""The training stream: from a step to its sequences, as a pure function of seed and step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from trainables.gpt2.config import GPT2Config
from trainables.text.dataset import Dataset, Split


class TextBatch(NamedTuple):
    """Sequences with their attention window."""

    tokens: Tensor
    """int64 of shape (B, context + 1): inputs, each followed by its target."""
    window: Tensor
    """int64 of shape (B,): tokens that attention reaches back."""


class TextStream:
    """Batches of training text; call it with a step counted from 1.

    There is no state between steps, so a run that resumes at any step reads exactly what the
    uninterrupted run would have read.
    """

    def __init__(self, config: GPT2Config, data: Dataset, device: torch.device) -> None:
        self._config = config
        self._data = data
        self._device = device

    def __call__(self, step: int) -> TextBatch:
        """Return the batch of ``step``, and ask the system to read ahead for the next."""
        batch = self._read(self._begins(step), self._config.window_at(step))
        if self._config.order == "sequential" and step < self._config.steps:
            for begin in self._begins(step + 1):
                self._data.advise("train", begin, self._config.context + 1)
        return batch

    def sample(self, count: int) -> TextBatch:
        """Return ``count`` sequences of training text, drawn independently of all steps."""
        return self._read(self._drawn(count, 0), self._config.window_at(self._config.steps))

    def _begins(self, step: int) -> list[int]:
        config = self._config
        count = config.batch_at(step)
        if config.order == "random":
            return self._drawn(count, step)
        done = config.samples_before(step)
        length = config.context
        sequences = (self._data.length("train") - 1) // length
        return [(done + index) % sequences * length for index in range(count)]

    def _drawn(self, count: int, step: int) -> list[int]:
        # A CPU generator: the same seed reads the same text on a CPU and on a GPU.
        generator = torch.Generator().manual_seed((self._config.seed * 1_000_003 + step) % 2**63)
        places = self._data.length("train") - self._config.context
        begins: list[int] = torch.randint(places, (count,), generator=generator).tolist()
        return begins

    def _read(self, begins: list[int], window: int) -> TextBatch:
        length = self._config.context + 1
        tokens = torch.stack([read_tokens(self._data, "train", begin, length) for begin in begins])
        if self._device.type == "cuda":
            tokens = tokens.pin_memory()
        windows = torch.full((len(begins),), window, device=self._device)
        return TextBatch(tokens.to(self._device, non_blocking=True), windows)


def read_tokens(data: Dataset, split: Split, begin: int, count: int) -> Tensor:
    """Return tokens of a split as int64, of shape (count,).

    Raises:
        DataError: a token is outside the vocabulary.
    """
    tokens = data.read(split, begin, count)
    # A token outside the table would crash a GPU process with a message about indices.
    if int(tokens.max()) >= data.vocabulary:
        data.check(data.vocabulary)
    return torch.from_numpy(tokens).long()
