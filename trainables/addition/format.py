"""Format F1 of an addition problem: operands as written, the sum reversed.

``042+007=`` is followed by the sum, least significant digit first, zero-padded to one digit more
than the operands, then EOS: ``042+007=9400<eos>``. Reversed, each answer digit depends on a
carry that has been computed one step before.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.addition.layout import EOS, EQUALS, PLUS, Layout

MALFORMED = -1
"""What :meth:`ReversedSum.decode` returns for tokens that are no number followed by EOS."""


class ReversedSum(Layout):
    """Format F1 for operands of ``digits`` digits."""

    def encode(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the whole sequences of the problems ``a + b``.

        Args:
            a: int64 tensor of shape (n,), values in [0, 10**digits).
            b: the same.

        Returns:
            int64 tensor of shape (n, length).
        """
        eos = torch.full((len(a), 1), EOS, device=a.device)
        answer = self._digits_of(a + b, self.digits + 1)
        return torch.cat([self.encode_prompt(a, b), answer, eos], dim=1)

    def encode_prompt(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the sequences up to and with ``=``: int64 tensor of shape (n, prompt_length)."""
        plus = torch.full((len(a), 1), PLUS, device=a.device)
        equals = torch.full((len(a), 1), EQUALS, device=a.device)
        first = self._digits_of(a, self.digits).flip(1)
        second = self._digits_of(b, self.digits).flip(1)
        return torch.cat([first, plus, second, equals], dim=1)

    def decode(self, answers: Tensor) -> Tensor:
        """Return the sums that answers spell.

        Args:
            answers: int64 tensor of shape (n, answer_length).

        Returns:
            int64 tensor of shape (n,); MALFORMED where the answer is not digits then EOS.
        """
        digits, end = answers[:, :-1], answers[:, -1]
        value = (digits * self._powers(self.digits + 1, answers.device)).sum(1)
        # Nineteen nines are more than 64 bits hold; whatever wraps comes out negative.
        well_formed = (digits <= 9).all(1) & (end == EOS) & (value >= 0)
        return torch.where(well_formed, value, MALFORMED)

    def _digits_of(self, value: Tensor, count: int) -> Tensor:
        """(n,) to (n, count), least significant digit first."""
        return value[:, None] // self._powers(count, value.device) % 10

    @staticmethod
    def _powers(count: int, device: torch.device) -> Tensor:
        return torch.tensor([10**place for place in range(count)], device=device)
