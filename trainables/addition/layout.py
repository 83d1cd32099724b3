"""Where things are in format F1, and its tokens. No torch: parameter counts depend on this."""

from __future__ import annotations

VOCABULARY = 14
PLUS, EQUALS, PAD, EOS = 10, 11, 12, 13
"""Tokens 0 to 9 are the digits. PAD never occurs; it counts because the published vocabulary has it."""


class Layout:
    """Lengths of format F1 for operands of ``digits`` digits, in tokens."""

    def __init__(self, digits: int) -> None:
        self.digits = digits
        self.prompt_length = 2 * digits + 2
        self.answer_length = digits + 2
        """One digit more than the operands, then EOS."""
        self.length = self.prompt_length + self.answer_length
        self.positions = self.length + 1
        """Rows of the position table: one more than the sequence, as published."""
