"""Positions and vocabulary of each format. No torch: parameter counts depend on this.

=================== ===================== ==================== ========== ==============================
format              prompt                answer               vocabulary origin
=================== ===================== ==================== ========== ==============================
``delimited``       ``042+007=``          ``9400<eos>``        14         F1: gpt-acc-jax, pytorch-763
``undelimited``     ``042007``            ``9400``             10         gpt-acc-jax, without delimiters
``aligned``         ``0 240 00 700 0``    ``9400``             10         F3: the rotary records
``characters``      ``042+007=``          ``9400`` or ``0049`` 13         the 3-digit speedrun
``base100``         ``00 42 + 00 07 =``   ``00 49``            103        the base-100 experiments
``base100``, padded ``42 + 7 =``          ``49 <pad> <pad>``   103        the same, as they were printed
=================== ===================== ==================== ========== ==============================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FormatName = Literal["delimited", "undelimited", "aligned", "characters", "base100"]
Padding = Literal["none", "published", "corrected"]

PLUS, EQUALS = 10, 11
"""Tokens 0 to 9 are the digits, in every format but base100."""

END = 12
"""Format characters: the line's end, which follows an answer of variable length."""

PADDED_LENGTH = 32
"""Format base100 with padding, as published: tokens of every sequence."""

SHORTEST_PROMPT = 4
"""Format base100 with padding: ``a + b =`` with a token for each number."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Lengths of a format for operands of ``digits`` digits, in tokens."""

    name: FormatName
    digits: int
    vocabulary: int
    prompt_length: int
    """Of the longest prompt, where they differ."""
    answer_length: int
    """Of the longest answer, its end included."""
    positions: int
    """Rows of a learned table of positions."""
    forward: bool = False
    variable: bool = False
    eos: int | None = None
    """The token that ends every answer, if there is one."""
    padding: Padding = "none"

    @property
    def length(self) -> int:
        """Tokens of a whole problem."""
        problem = self.prompt_length + self.answer_length
        return max(PADDED_LENGTH, problem) if self.padding == "published" else problem

    @property
    def earliest_answer(self) -> int:
        """The first position at which an answer can begin, counted from 0."""
        return self.prompt_length if self.padding == "none" else SHORTEST_PROMPT

    @property
    def target_length(self) -> int:
        """Positions that can have a loss: the last ones."""
        return self.length - self.earliest_answer

    @property
    def input_length(self) -> int:
        """Tokens that a model reads: all except the last, after which nothing is predicted."""
        return self.length - 1


def layout_of(
    name: FormatName,
    digits: int,
    *,
    forward: bool = False,
    variable: bool = False,
    pad_token: bool = True,
    padding: Padding = "none",
    position_rows: int | None = None,
) -> Layout:
    """Return the layout of a format.

    Args:
        name: the format.
        digits: digits of each operand.
        forward: most significant digit of the answer first (characters only).
        variable: answers without leading zeros (characters only).
        pad_token: whether the vocabulary has the PAD token that never occurs (delimited only).
        padding: numbers without leading zeros and PAD after them: "published", in 32 tokens that all have a
            loss from the answer on, or "corrected", with a loss on the answer alone (base100 only).
        position_rows: rows of a learned table of positions, instead of the format's own number.
    """
    eos = None
    if name == "delimited":
        vocabulary, prompt, answer = 13 + pad_token, 2 * digits + 2, digits + 2
        rows = prompt + answer + 1  # as published, one more than the sequence
        eos = vocabulary - 1
    elif name == "undelimited":
        vocabulary, prompt, answer = 10, 2 * digits, digits + 1
        rows = prompt + answer
    elif name == "aligned":
        vocabulary, prompt, answer = 10, 2 * digits + 4, digits + 1
        rows = prompt + answer
    elif name == "characters":
        vocabulary, prompt, answer = 13, 2 * digits + 2, digits + 1 + variable
        rows = max(16, prompt + answer)  # as published: a block of 16 for 3 digits
    else:
        groups = -(-digits // 2)
        vocabulary, prompt, answer = 103, 2 * groups + 2, -(-(digits + 1) // 2)
        answer += padding != "none"  # a PAD, which ends it
        rows = max(PADDED_LENGTH, prompt + answer)
    return Layout(
        name=name,
        digits=digits,
        vocabulary=vocabulary,
        prompt_length=prompt,
        answer_length=answer,
        positions=rows if position_rows is None else position_rows,
        forward=forward,
        variable=variable,
        eos=eos,
        padding=padding,
    )
