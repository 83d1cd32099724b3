"""How addition problems are written as tokens: each format a pair of pure, vectorised functions.

``encode(a, b)`` writes whole problems, ``decode(answers)`` reads the sums from answers;
:mod:`trainables.addition.layout` shows what each format looks like. Reversed answers begin with the
least significant digit, so each digit depends on a carry that was computed one step before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache

import torch
from torch import Tensor

from trainables.addition.layout import END, EQUALS, PLUS, FormatName, Layout

MALFORMED = -1
"""What :meth:`Format.decode` returns for tokens that are not a valid number of the format."""

_DIGITS_AT_ONCE = {10: 4, 100: 2}
"""Digits of each base that are looked up together."""

_BASE100_PLUS, _BASE100_EQUALS = 100, 101


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
        """Return the sequences up to the answer: int64 of shape (n, prompt_length)."""
        return self._prompt(a, b).long()

    def encode_answer(self, total: Tensor) -> Tensor:
        """Return the answers for the sums ``total``: int64 of shape (n, answer_length)."""
        return self._answer(total).long()

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
        return _number(answers, answers <= 9)


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
        return _number(digits, torch.cat([digits <= 9, end.eq(self.layout.eos)], dim=1))


class Characters(Format):
    """The problem as a line of text: ``042+007=``, then the sum in one of four ways.

    Fixed answers are padded with zeros to one digit more than the operands; answers of variable
    length have no leading zeros and end with END, which also fills the remaining columns.
    """

    def _prompt(self, a: Tensor, b: Tensor) -> Tensor:
        return _with_signs(a, b, self.layout.digits)

    def _answer(self, total: Tensor) -> Tensor:
        layout = self.layout
        count = layout.digits + 1
        reversed_digits = digits_of(total, count)
        if not layout.variable:
            return reversed_digits.flip(1) if layout.forward else reversed_digits
        place = torch.arange(count + 1, device=total.device)
        written = (total[:, None] >= _powers(count, total.device)).sum(1, keepdim=True).clamp(min=1)
        # Where the digit of each column comes from; columns behind the number are END.
        source = (written - 1 - place) if layout.forward else place.expand(len(total), -1)
        digit = reversed_digits.gather(1, source.clamp(0, count - 1))
        return torch.where(place < written, digit, END)

    def decode(self, answers: Tensor) -> Tensor:
        """Return the sums; see the base class."""
        layout = self.layout
        is_digit = answers <= 9
        if not layout.variable:
            return _number(answers.flip(1) if layout.forward else answers, is_digit)
        width = answers.shape[1]
        written = is_digit.int().cumprod(1).sum(1, keepdim=True)
        place = torch.arange(width, device=answers.device)
        source = (written - 1 - place) if layout.forward else place.expand(len(answers), -1)
        digits = torch.where(place < written, answers.gather(1, source.clamp(0, width - 1)), 0)
        leading = digits.gather(1, (written - 1).clamp(min=0))
        well_formed = ((place < written) | (answers == END)).all(1, keepdim=True)
        well_formed &= (written >= 1) & (written < width) & ((leading > 0) | (written == 1))
        return _number(digits[:, :-1], well_formed)


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
        return _number(answers.flip(1), well_formed, base=100)


_FORMATS: dict[FormatName, type[Format]] = {
    "delimited": Delimited,
    "undelimited": Undelimited,
    "aligned": Aligned,
    "characters": Characters,
    "base100": Base100,
}


def make_format(layout: Layout) -> Format:
    """Return the format of a layout."""
    return _FORMATS[layout.name](layout)


def digits_of(value: Tensor, count: int, *, base: int = 10) -> Tensor:
    """Return the last ``count`` digits, least significant first: int64 (n,) to uint8 (n, count)."""
    # Divisions are slow, so each gives several digits, looked up as the bytes of one number.
    table, groups = _digit_table(base, value.device), []
    for _ in range(0, count, _DIGITS_AT_ONCE[base]):
        groups.append(table.index_select(0, value % len(table)))
        value = value // len(table)
    return torch.stack(groups, dim=1).view(torch.uint8)[:, :count]


@lru_cache(maxsize=4)
def _digit_table(base: int, device: torch.device) -> Tensor:
    """Return the digits of the numbers below 10,000 as the bytes of one number, least significant first."""
    count = _DIGITS_AT_ONCE[base]
    digits = torch.arange(base**count, device=device)[:, None] // _powers(count, device, base) % base
    return digits.to(torch.uint8).view(torch.int32 if count == 4 else torch.int16).squeeze(1)


def _column(token: int, like: Tensor) -> Tensor:
    """Return a column of one token, as long as ``like``."""
    return torch.full((len(like), 1), token, dtype=torch.uint8, device=like.device)


def _with_signs(a: Tensor, b: Tensor, digits: int) -> Tensor:
    plus, equals = _column(PLUS, a), _column(EQUALS, a)
    return torch.cat([digits_of(a, digits).flip(1), plus, digits_of(b, digits).flip(1), equals], dim=1)


def _number(digits: Tensor, well_formed: Tensor, *, base: int = 10) -> Tensor:
    """Return the numbers of digits, least significant first; MALFORMED where the mask says so."""
    value = (digits * _powers(digits.shape[1], digits.device, base)).sum(1)
    # Nineteen nines do not fit into 64 bits; a value that wraps is negative.
    return torch.where(well_formed.all(1) & (value >= 0), value, MALFORMED)


def _powers(count: int, device: torch.device, base: int = 10) -> Tensor:
    return torch.tensor([base**place for place in range(count)], device=device)
