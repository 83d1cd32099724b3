"""How addition problems are written as tokens: each format a pair of pure, vectorised functions.

``encode(a, b)`` writes whole problems, ``decode(answers)`` reads the sums from answers;
:mod:`trainables.addition.layout` shows what each format looks like. Reversed answers begin with the
least significant digit, so each digit depends on a carry that was computed one step before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from trainables.addition.digits import MALFORMED, digits_before, digits_of, number, without_zeros
from trainables.addition.layout import END, EQUALS, PLUS, FormatName, Layout

__all__ = ["MALFORMED", "NO_LOSS", "Format", "PaddedBase100", "make_format"]

NO_LOSS = -100
"""What :meth:`Format.targets` holds where a position has no loss: what PyTorch's cross-entropy ignores."""

_BASE100_PLUS, _BASE100_EQUALS, _BASE100_PAD = 100, 101, 102


class Format(ABC):
    """A way of writing problems ``a + b`` whose operands have up to ``layout.digits`` digits."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def encode(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the whole sequences of the problems ``a + b``.

        Args:
            a: int64 tensor of shape (n,), values in [0, 10**digits).
            b: the same.

        Returns:
            int64 tensor of shape (n, layout.length).
        """
        return self.encode_bytes(a, b).long()

    def encode_bytes(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the same as uint8: tokens fit into bytes, which are concatenated and copied much faster."""
        return torch.cat([self._prompt(a, b), self._answer(a + b)], dim=1)

    def encode_prompt(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the sequences up to the answer, shorter ones padded: int64 of shape (n, prompt_length)."""
        return self._prompt(a, b).long()

    def encode_answer(self, total: Tensor) -> Tensor:
        """Return the answers for the sums ``total``: int64 of shape (n, answer_length)."""
        return self._answer(total).long()

    def answers_begin(self, sequences: Tensor) -> Tensor | int:
        """Return the position of the answers' first tokens: int64 of shape (n,), or one for all.

        Args:
            sequences: int64 tensor of shape (n, at least prompt_length).
        """
        return self.layout.prompt_length

    def answers_in(self, sequences: Tensor) -> Tensor:
        """Return the answers of whole sequences, (n, length): int64 of shape (n, answer_length)."""
        return sequences[:, self.layout.prompt_length :]

    def at_answers(self, values: Tensor, sequences: Tensor) -> Tensor:
        """Return those of (n, target_length, k) that are about answers: shape (n, answer_length, k)."""
        return values

    def targets(self, sequences: Tensor) -> Tensor:
        """Return what a model learns to predict of sequences, (n, length), from the earliest answer on.

        Returns:
            int64 tensor of shape (n, target_length); NO_LOSS where a position has no loss.
        """
        return sequences[:, self.layout.earliest_answer :]

    @abstractmethod
    def _prompt(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the prompts as uint8."""

    @abstractmethod
    def _answer(self, total: Tensor) -> Tensor:
        """Return the answers as uint8."""

    @abstractmethod
    def decode(self, answers: Tensor) -> Tensor:
        """Return the sums that answers state.

        Args:
            answers: int64 tensor of shape (n, layout.answer_length).

        Returns:
            int64 tensor of shape (n,); MALFORMED where an answer is not in the format.
        """


class _Digits(Format):
    """Answers of a fixed number of digits, least significant first."""

    def _answer(self, total: Tensor) -> Tensor:
        return digits_of(total, self.layout.digits + 1)

    def decode(self, answers: Tensor) -> Tensor:
        """Return the sums; see the base class."""
        return number(answers, answers <= 9)


class Undelimited(_Digits):
    """Operands as written, one after the other: ``042007`` then ``9400``."""

    def _prompt(self, a: Tensor, b: Tensor) -> Tensor:
        digits = self.layout.digits
        return torch.cat([digits_of(a, digits).flip(1), digits_of(b, digits).flip(1)], dim=1)


class Aligned(_Digits):
    """Everything least significant digit first, with zeros between: ``0 240 00 700 0`` then ``9400``.

    The distance between an operand's digit and the answer's digit of the same place is the same for
    every place.
    """

    def _prompt(self, a: Tensor, b: Tensor) -> Tensor:
        digits = self.layout.digits
        zero = _column(0, a)
        return torch.cat([zero, digits_of(a, digits), zero, zero, digits_of(b, digits), zero], dim=1)


class Delimited(Format):
    """Operands as written, the sum reversed and padded with zeros, then EOS: ``042+007=9400<eos>``."""

    def _prompt(self, a: Tensor, b: Tensor) -> Tensor:
        return _with_signs(a, b, self.layout.digits)

    def _answer(self, total: Tensor) -> Tensor:
        assert self.layout.eos is not None
        eos = _column(self.layout.eos, total)
        return torch.cat([digits_of(total, self.layout.digits + 1), eos], dim=1)

    def decode(self, answers: Tensor) -> Tensor:
        """Return the sums; see the base class."""
        assert self.layout.eos is not None
        digits, end = answers[:, :-1], answers[:, -1:]
        return number(digits, torch.cat([digits <= 9, end.eq(self.layout.eos)], dim=1))


class Characters(Format):
    """The problem as a line of text: ``042+007=``, then the sum in one of four ways.

    Fixed answers are padded with zeros to one digit more than the operands; answers of variable
    length have no leading zeros and end with END, which also fills the remaining columns.
    """

    def _prompt(self, a: Tensor, b: Tensor) -> Tensor:
        return _with_signs(a, b, self.layout.digits)

    def _answer(self, total: Tensor) -> Tensor:
        layout = self.layout
        reversed_digits = digits_of(total, layout.digits + 1)
        if not layout.variable:
            return reversed_digits.flip(1) if layout.forward else reversed_digits
        return without_zeros(total, reversed_digits, END, forward=layout.forward)

    def decode(self, answers: Tensor) -> Tensor:
        """Return the sums; see the base class."""
        layout = self.layout
        is_digit = answers <= 9
        if not layout.variable:
            return number(answers.flip(1) if layout.forward else answers, is_digit)
        return number(*digits_before(END, answers, is_digit, forward=layout.forward))


class Base100(Format):
    """Two digits a token, most significant first: ``00 42 + 00 07 =`` then ``00 49``.

    The published model pads after the answer; a causal model cannot attend to that, so it is left out
    here.
    """

    def _prompt(self, a: Tensor, b: Tensor) -> Tensor:
        groups = -(-self.layout.digits // 2)
        plus, equals = _column(_BASE100_PLUS, a), _column(_BASE100_EQUALS, a)
        first, second = (digits_of(value, groups, base=100).flip(1) for value in (a, b))
        return torch.cat([first, plus, second, equals], dim=1)

    def _answer(self, total: Tensor) -> Tensor:
        return digits_of(total, self.layout.answer_length, base=100).flip(1)

    def decode(self, answers: Tensor) -> Tensor:
        """Return the sums; see the base class."""
        well_formed = answers <= 99
        if self.layout.digits % 2 == 0:
            # One digit more than the operands: of the first group only the lower one is written.
            well_formed = well_formed & (answers[:, :1] <= 9)
        return number(answers.flip(1), well_formed, base=100)


class PaddedBase100(Format):
    """Base 100 with numbers as long as they are, most significant first: ``42 + 7 = 49`` and PAD.

    An answer ends with its first PAD, and PAD fills the remaining columns. With padding "published" a
    sequence has 32 tokens, and each behind ``=`` has a loss, as in the published generator as printed;
    with "corrected" only those of the answer.
    """

    def encode_bytes(self, a: Tensor, b: Tensor) -> Tensor:
        """Return whole sequences as uint8; see the base class."""
        layout = self.layout
        answer = self._answer(a + b)
        sequences = torch.full((len(a), layout.length), _BASE100_PAD, dtype=torch.uint8, device=a.device)
        sequences[:, : layout.prompt_length] = self._prompt(a, b)
        begin = self.answers_begin(sequences)[:, None]
        return sequences.scatter_(1, begin + self._places(layout.answer_length, a), answer)

    def answers_begin(self, sequences: Tensor) -> Tensor:
        """Return where answers begin: behind the first ``=``, which no operand contains."""
        is_equals = sequences[:, : self.layout.prompt_length] == _BASE100_EQUALS
        return is_equals.byte().argmax(1) + 1

    def answers_in(self, sequences: Tensor) -> Tensor:
        """Return the answers of whole sequences; see the base class."""
        begin = self.answers_begin(sequences)[:, None]
        return sequences.gather(1, begin + self._places(self.layout.answer_length, sequences))

    def at_answers(self, values: Tensor, sequences: Tensor) -> Tensor:
        """Return the values that are about answers; see the base class."""
        begin = self.answers_begin(sequences)[:, None] - self.layout.earliest_answer
        index = begin + self._places(self.layout.answer_length, sequences)
        return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))

    def targets(self, sequences: Tensor) -> Tensor:
        """Return what a model learns to predict; see the base class."""
        layout = self.layout
        begin = self.answers_begin(sequences)[:, None] - layout.earliest_answer
        place = self._places(layout.target_length, sequences)
        has_loss = place >= begin
        if layout.padding == "corrected":
            has_loss &= place < begin + layout.answer_length
        return torch.where(has_loss, super().targets(sequences), NO_LOSS)

    def _prompt(self, a: Tensor, b: Tensor) -> Tensor:
        layout = self.layout
        groups = -(-layout.digits // 2)
        first, second = (
            without_zeros(value, digits_of(value, groups, base=100), _BASE100_PAD, forward=True, base=100)
            for value in (a, b)
        )
        # Each part has a sign or PAD behind its number: it is written where that number's PAD begins.
        begin_second = (first != _BASE100_PAD).sum(1, keepdim=True) + 1
        first = first.scatter(1, begin_second - 1, _BASE100_PLUS)
        second = second.scatter(1, (second != _BASE100_PAD).sum(1, keepdim=True), _BASE100_EQUALS)
        prompt = torch.full((len(a), layout.prompt_length), _BASE100_PAD, dtype=torch.uint8, device=a.device)
        prompt[:, : groups + 1] = first
        return prompt.scatter_(1, begin_second + self._places(groups + 1, a), second)

    def _answer(self, total: Tensor) -> Tensor:
        digits = digits_of(total, self.layout.answer_length - 1, base=100)
        return without_zeros(total, digits, _BASE100_PAD, forward=True, base=100)

    def decode(self, answers: Tensor) -> Tensor:
        """Return the sums; see the base class."""
        digits, well_formed = digits_before(_BASE100_PAD, answers, answers <= 99, forward=True)
        if self.layout.digits % 2 == 0:
            # One digit more than the operands: of the highest group only the lower one is written.
            well_formed = well_formed & (digits[:, -1:] <= 9)
        return number(digits, well_formed, base=100)

    @staticmethod
    def _places(count: int, like: Tensor) -> Tensor:
        return torch.arange(count, device=like.device)


_FORMATS: dict[FormatName, type[Format]] = {
    "delimited": Delimited,
    "undelimited": Undelimited,
    "aligned": Aligned,
    "characters": Characters,
    "base100": Base100,
}


def make_format(layout: Layout) -> Format:
    """Return the format of a layout."""
    return (_FORMATS[layout.name] if layout.padding == "none" else PaddedBase100)(layout)


def _column(token: int, like: Tensor) -> Tensor:
    """Return a column of one token, as long as ``like``."""
    return torch.full((len(like), 1), token, dtype=torch.uint8, device=like.device)


def _with_signs(a: Tensor, b: Tensor, digits: int) -> Tensor:
    plus, equals = _column(PLUS, a), _column(EQUALS, a)
    return torch.cat([digits_of(a, digits).flip(1), plus, digits_of(b, digits).flip(1), equals], dim=1)
