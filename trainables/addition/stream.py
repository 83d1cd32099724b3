"""The training stream: from a step to its batch, as a pure function of seed and step.

There is no state between steps, so a run that resumes at any step reads exactly what the
uninterrupted run would have read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Tensor

from trainables.addition.carries import balanced_operands, chained_operands, operands_with
from trainables.addition.config import AdditionConfig
from trainables.addition.formats import Format
from trainables.addition.problems import distinct, draw, seed_of, seeded_generator, uniform_operands

_CHUNK = 32
"""Steps whose problems are drawn together: the fixed cost of a draw exceeds that of its numbers."""

_SET_SEED = 1
"""A training set is the same for every trial, whatever its seed; only its order differs."""


DrawBatches = Callable[[int, int, int, tuple[int, int], int], Tensor]
"""Draws problems in place of PyTorch, and the same ones: from seed, steps, batch, the range of digits and how
many have a long chain of carries to uint8 of shape (steps, batch, length). The others are uniform."""


class TrainingStream:
    """Batches of encoded training problems; call it with a step counted from 1.

    Each batch is an int64 tensor of shape (batch, length) on ``device``.

    Args:
        config: the configuration.
        form: its format.
        device: where batches live.
        draw_batches: faster than PyTorch; used if it agrees with PyTorch here, and not for balanced carries.
    """

    def __init__(
        self,
        config: AdditionConfig,
        form: Format,
        device: torch.device,
        draw_batches: DrawBatches | None = None,
    ) -> None:
        self._config = config
        self._format = form
        self._device = device
        self._draw_batches = draw_batches if draw_batches and self._agrees(draw_batches) else None
        # Operand lengths and batch are the same within a stretch: from after the last step before it
        # to its own last step.
        ends = {end for end, _ in config.phases()} | {*config.pass_ends}
        self._stretches = sorted(end for end in ends if end > 0)
        self._chunk_key: tuple[int, int] | None = None
        self._chunk = torch.empty(0)

    @property
    def draws_itself(self) -> bool:
        """Whether problems are drawn without PyTorch."""
        return self._draw_batches is not None

    def __call__(self, step: int) -> Tensor:
        """Return the batch of ``step``."""
        return self.next_batches(step, 1)[0].long()

    def next_batches(self, step: int, most: int) -> Tensor:
        """Return the batches of ``step`` and of steps behind it, as uint8 of shape (steps, batch, length).

        At least one, and at most ``most``: those that are drawn together with it.
        """
        stretch, offset = self._locate(step)
        key = (stretch, offset // _CHUNK)
        if key != self._chunk_key:
            self._chunk, self._chunk_key = self._draw_chunk(key, step - offset % _CHUNK), key
        count = min(most, self._stretches[stretch] - step + 1)
        return self._chunk[offset % _CHUNK :][:count]

    def sample(self, count: int) -> Tensor:
        """Return ``count`` problems drawn as in the last step, but different from its own.

        With ``train_problems`` they are from that set.
        """
        generator = seeded_generator(self._device, self._config.seed, -1)
        return self._sampled(count, self._config.steps, generator).long()

    def fresh(self, step: int, count: int) -> Tensor:
        """Return ``count`` problems drawn as in the step after ``step``, as uint8: others than any step's.

        They differ from step to step, and from those of :meth:`sample`.
        """
        key = (self._config.seed, -2, step)
        if self._draw_batches is not None and self._config.train_problems is None:
            digits, chained = self._digits_at(step + 1), self._chained(count, step + 1)
            return self._draw_batches(seed_of(*key), 1, count, digits, chained)[0].contiguous()
        return self._sampled(count, step + 1, seeded_generator(self._device, *key))

    def _sampled(self, count: int, step: int, generator: torch.Generator) -> Tensor:
        if self._config.train_problems is None:
            a, b = self._draw(count, step, generator)
        else:
            a, b = (operand.to(self._device) for operand in training_set(self._config))
            chosen = torch.randint(len(a), (count,), generator=generator, device=self._device)
            a, b = a[chosen], b[chosen]
        return self._format.encode_bytes(a, b)

    def _locate(self, step: int) -> tuple[int, int]:
        begin = 0
        for stretch, end in enumerate(self._stretches):
            if step <= end:
                return stretch, step - begin - 1
            begin = end
        raise ValueError(f"step must be at most {self._config.steps}, but got {step}")

    def _draw_chunk(self, key: tuple[int, int], step: int) -> Tensor:
        """Draw the batches of the chunk that begins with ``step``, as uint8."""
        batch, seed = self._config.batch_at(step), seed_of(self._config.seed, *key)
        if self._config.train_problems is not None:
            a, b = self._from_set(step, _CHUNK * batch)
        elif self._draw_batches is not None:
            chained = self._chained(_CHUNK * batch, step)
            return self._draw_batches(seed, _CHUNK, batch, self._digits_at(step), chained)
        else:
            a, b = self._draw(_CHUNK * batch, step, torch.Generator(self._device).manual_seed(seed))
        return self._format.encode_bytes(a, b).view(_CHUNK, batch, -1)

    def _agrees(self, draw_batches: DrawBatches) -> bool:
        """Tell whether something draws what PyTorch does: its generator may be another in another version."""
        seed, count, digits = 5, 64, (1, self._config.digits)
        for chained in {0, round(count * self._config.chain_share)}:
            generator = torch.Generator().manual_seed(seed)
            expected = self._format.encode_bytes(*self._drawn(count, digits, chained, generator))
            if not torch.equal(expected, draw_batches(seed, 1, count, digits, chained)[0]):
                return False
        return True

    def _digits_at(self, step: int) -> tuple[int, int]:
        return next(digits for end, digits in self._config.phases() if step <= end)

    def _chained(self, count: int, step: int) -> int:
        return round(count * self._config.chain_share_at(step))

    def _draw(self, count: int, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return self._drawn(count, self._digits_at(step), self._chained(count, step), generator)

    def _drawn(
        self, count: int, digits: tuple[int, int], chained: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        base = uniform_operands if self._config.carries == "uniform" else balanced_operands
        a, b = draw(count - chained, digits, "train", generator, base)
        if chained == 0:
            return a, b
        with_chain = draw(chained, digits, "train", generator, chained_operands)
        order = torch.randperm(count, generator=generator, device=generator.device)
        return torch.cat([a, with_chain[0]])[order], torch.cat([b, with_chain[1]])[order]

    def _from_set(self, step: int, count: int) -> tuple[Tensor, Tensor]:
        """Return the next ``count`` samples of the training set, in a new order every epoch."""
        begin = self._config.samples_before(step)
        a, b = training_set(self._config)
        index = torch.arange(begin, begin + count)
        chosen = torch.empty_like(index)
        for epoch in range(begin // len(a), (begin + count - 1) // len(a) + 1):
            generator = seeded_generator(torch.device("cpu"), self._config.seed, epoch)
            order = torch.randperm(len(a), generator=generator)
            here = index // len(a) == epoch
            chosen[here] = order[index[here] % len(a)]
        return a[chosen].to(self._device), b[chosen].to(self._device)


def training_set(config: AdditionConfig) -> tuple[Tensor, Tensor]:
    """Return the ``train_problems`` distinct problems that a configuration trains on, on the CPU."""
    assert config.train_problems is not None
    return _training_set(config.train_problems, config.digits, config.carries == "balanced")


@lru_cache(maxsize=2)
def _training_set(count: int, digits: int, balanced: bool) -> tuple[Tensor, Tensor]:
    if not balanced:
        return distinct(count, digits, "train", seed=_SET_SEED)
    groups = digits + 1
    parts = [
        distinct(
            count // groups + (carries < count % groups),
            digits,
            "train",
            seed=_SET_SEED,
            operands=partial(operands_with, carries),
        )
        for carries in range(groups)
    ]
    return torch.cat([a for a, _ in parts]), torch.cat([b for _, b in parts])
