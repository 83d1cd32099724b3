"""Training problems drawn by the kernel: the same as PyTorch draws from the same seed."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.addition.layout import EQUALS, PLUS, Layout
from trainables.addition.native.library import EncodingStruct, KernelLibrary

_FIRST, _SECOND, _SUM, _CONSTANT = range(4)
"""As ``Place::Of`` in ``kernel/problems.hpp``."""

Place = tuple[int, int]
"""What a position of a sequence holds: of what, and which digit, counted from the least significant."""


class NativeProblems:
    """Draws uniform problems, and problems with a chain of carries, in one format.

    Args:
        library: the kernel.
        layout: the format; not one of variable length.
    """

    def __init__(self, library: KernelLibrary, layout: Layout) -> None:
        assert not layout.variable, "digits are where the number's length says"
        self._library = library
        places = places_of(layout)
        assert len(places) == layout.length, (len(places), layout.length)
        self._places = torch.tensor(places, dtype=torch.int32)
        base, digits = (100, layout.answer_length) if layout.name == "base100" else (10, layout.digits + 1)
        self._encoding = EncodingStruct(base, digits, self._places.data_ptr())

    def draw(self, seed: int, steps: int, batch: int, digits: tuple[int, int], chained: int) -> Tensor:
        """Return the batches of some steps: uint8 of shape (steps, batch, length).

        In memory a position's tokens are neighbours, as the kernel reads them.

        Args:
            seed: of a generator of PyTorch.
            steps: number of batches.
            batch: problems in each.
            digits: fewest and most digits of an operand.
            chained: problems of all of them that have a long chain of carries.
        """
        tokens = torch.empty(steps, self._library.sequence_length, batch, dtype=torch.uint8)
        self._library.draw(seed, chained, digits, self._encoding, tokens)
        return tokens.transpose(1, 2)


def places_of(layout: Layout) -> list[Place]:
    """Return what each position holds, as the classes of :mod:`trainables.addition.formats` write it."""
    groups = layout.answer_length if layout.name == "base100" else layout.digits + 1
    lowest_first, highest_first = range(groups), range(groups)[::-1]
    operand = range(-(-layout.digits // 2) if layout.name == "base100" else layout.digits)
    if layout.name == "aligned":
        zero = (_CONSTANT, 0)
        first, second = ([(of, digit) for digit in operand] for of in (_FIRST, _SECOND))
        return [zero, *first, zero, zero, *second, zero, *((_SUM, digit) for digit in lowest_first)]
    first, second = ([(of, digit) for digit in reversed(operand)] for of in (_FIRST, _SECOND))
    answer = [(_SUM, digit) for digit in (highest_first if layout.forward else lowest_first)]
    if layout.name == "undelimited":
        return [*first, *second, *answer]
    if layout.name == "base100":
        answer = [(_SUM, digit) for digit in highest_first]
        return [*first, (_CONSTANT, 100), *second, (_CONSTANT, 101), *answer]
    end = [] if layout.eos is None else [(_CONSTANT, layout.eos)]
    return [*first, (_CONSTANT, PLUS), *second, (_CONSTANT, EQUALS), *answer, *end]
