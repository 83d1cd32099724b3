"""The training stream: from a step to its batch, as a pure function of seed and step.

Because nothing is remembered between steps, a run that resumes at any step reads exactly what the
uninterrupted run would have read.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.addition.config import AdditionConfig
from trainables.addition.format import ReversedSum
from trainables.addition.problems import draw, seeded_generator

_CHUNK = 32
"""Steps whose problems are drawn together: the fixed cost of a draw exceeds that of its numbers."""


class TrainingStream:
    """Batches of encoded training problems; call it with a step counted from 1.

    Each batch is an int64 tensor of shape (batch, length) on ``device``.
    """

    def __init__(self, config: AdditionConfig, device: torch.device) -> None:
        self._config = config
        self._format = ReversedSum(config.digits)
        self._device = device
        self._phases = config.phases()
        self._chunk_key: tuple[int, int] | None = None
        self._chunk = torch.empty(0)

    def __call__(self, step: int) -> Tensor:
        """Return the batch of ``step``."""
        phase, offset = self._locate(step)
        key = (phase, offset // _CHUNK)
        if key != self._chunk_key:
            self._chunk, self._chunk_key = self._draw_chunk(*key), key
        return self._chunk[offset % _CHUNK]

    def _locate(self, step: int) -> tuple[int, int]:
        begin = 0
        for phase, (end, _) in enumerate(self._phases):
            if step <= end:
                return phase, step - begin - 1
            begin = end
        raise ValueError(f"step must be at most {self._config.steps}, but got {step}")

    def _draw_chunk(self, phase: int, chunk: int) -> Tensor:
        generator = seeded_generator(self._device, self._config.seed, phase, chunk)
        a, b = draw(_CHUNK * self._config.batch, self._phases[phase][1], "train", generator)
        return self._format.encode(a, b).view(_CHUNK, self._config.batch, -1)
