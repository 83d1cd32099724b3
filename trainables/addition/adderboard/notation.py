"""The code that writes a problem as tokens and reads an answer, for operands of ten digits.

The functions written here do the same as :mod:`trainables.addition.formats`, for one problem at a time
and without any arithmetic: digits are characters of a number's decimal text.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainables.addition.layout import END, EQUALS, PLUS, Layout

DIGITS = 10
"""Of each operand, in the challenge."""


@dataclass(frozen=True)
class Notation:
    """How a format writes problems and answers."""

    code: list[str]
    """Constants and functions, ``prompt(a, b)`` and ``read(tokens)`` among them."""
    prompt: str
    """The problem 42 + 7 as text, token by token."""
    answer: str
    """Its correct answer."""
    trick: str
    """Its special features."""


def notation(layout: Layout) -> Notation:
    """Return the code of a format for operands of ten digits."""
    assert layout.digits == DIGITS, layout.digits
    return {
        "delimited": _delimited,
        "undelimited": _undelimited,
        "aligned": _aligned,
        "characters": _characters,
        "base100": _base100 if layout.padding == "none" else _padded_base100,
    }[layout.name](layout)


_REVERSED_SUM = "94000000000"
_SIGNED = "0000000042+0000000007="


def _delimited(layout: Layout) -> Notation:
    constants = f"PLUS, EQUALS, EOS = {PLUS}, {EQUALS}, {layout.eos}  # tokens 0 to 9 are the digits"
    read = f'''\
def read(tokens):
    """Return the number of an answer, {DIGITS + 1} digits, the last one first, and EOS; else -1."""
    *digits, end = tokens
    if max(digits) > 9 or end != EOS:
        return -1
    return int("".join(map(str, reversed(digits))))'''
    code = [constants, _DIGITS_OF, _SIGNED_PROMPT, read]
    return Notation(code, _SIGNED, f"{_REVERSED_SUM}<eos>", "answers least significant digit first")


def _undelimited(layout: Layout) -> Notation:
    prompt = '''\
def prompt(a, b):
    """Write a problem as tokens: the operands' digits and nothing between them."""
    return [*digits_of(a), *digits_of(b)]'''
    trick = "no delimiters, answers least significant digit first"
    return Notation(
        [_DIGITS_OF, prompt, _read_digits(layout, reverse=True)], "00000000420000000007", _REVERSED_SUM, trick
    )


def _aligned(layout: Layout) -> Notation:
    prompt = '''\
def prompt(a, b):
    """Write a problem as tokens: the operands' digits, the last ones first, with zeros around them."""
    return [0, *reversed(digits_of(a)), 0, 0, *reversed(digits_of(b)), 0]'''
    return Notation(
        [_DIGITS_OF, prompt, _read_digits(layout, reverse=True)],
        "0 2400000000 00 7000000000 0",
        _REVERSED_SUM,
        "operands and answers least significant digit first, digits of one place always equally far apart",
    )


def _characters(layout: Layout) -> Notation:
    order = "most significant digit first" if layout.forward else "least significant digit first"
    if layout.variable:
        constants = f"PLUS, EQUALS, END = {PLUS}, {EQUALS}, {END}  # tokens 0 to 9 are the digits"
        read = _read_until_end(layout)
        answer = ("49" if layout.forward else "94") + "<end>" * (layout.answer_length - 2)
        trick = f"answers without leading zeros, {order}"
    else:
        constants = f"PLUS, EQUALS = {PLUS}, {EQUALS}  # tokens 0 to 9 are the digits"
        read = _read_digits(layout, reverse=not layout.forward)
        answer = "00000000049" if layout.forward else _REVERSED_SUM
        trick = f"answers {order}"
    return Notation([constants, _DIGITS_OF, _SIGNED_PROMPT, read], _SIGNED, answer, trick)


def _base100(layout: Layout) -> Notation:
    constants = "PLUS, EQUALS = 100, 101  # tokens 0 to 99 are pairs of digits"
    pairs = f'''\
def pairs_of(number):
    """Return the digits of a number in five pairs, the most significant first."""
    text = f"{{number:0{DIGITS}d}}"
    return [int(text[i : i + 2]) for i in range(0, {DIGITS}, 2)]'''
    prompt = '''\
def prompt(a, b):
    """Write a problem as tokens: the operands' pairs of digits with signs."""
    return [*pairs_of(a), PLUS, *pairs_of(b), EQUALS]'''
    read = f'''\
def read(tokens):
    """Return the number of an answer, {layout.answer_length} pairs of digits, the first below 10; else -1."""
    if tokens[0] > 9 or max(tokens) > 99:
        return -1
    return int("".join(f"{{token:02d}}" for token in tokens))'''
    return Notation(
        [constants, pairs, prompt, read],
        "00 00 00 00 42 + 00 00 00 00 07 =",
        "00 00 00 00 00 49",
        "two digits in a token",
    )


def _padded_base100(layout: Layout) -> Notation:
    constants = "PLUS, EQUALS, PAD = 100, 101, 102  # tokens 0 to 99 are pairs of digits"
    pairs = '''\
def pairs_of(number):
    """Return the digits of a number in pairs, the most significant first, without leading zeros."""
    text = str(number)
    text = "0" * (len(text) % 2) + text
    return [int(text[i : i + 2]) for i in range(0, len(text), 2)]'''
    prompt = '''\
def prompt(a, b):
    """Write a problem as tokens: the operands' pairs of digits with signs."""
    return [*pairs_of(a), PLUS, *pairs_of(b), EQUALS]'''
    read = f'''\
def read(tokens):
    """Return the number of an answer, pairs of digits and PAD behind them; else -1."""
    length = tokens.index(PAD) if PAD in tokens else len(tokens)
    digits, rest = tokens[:length], tokens[length:]
    if not digits or max(digits) > 99 or set(rest) != {{PAD}}:
        return -1
    number = int("".join(f"{{token:02d}}" for token in digits))
    return number if digits == pairs_of(number) and number < 10**{DIGITS + 1} else -1  # no zeros in front'''
    answer = "49" + " <pad>" * (layout.answer_length - 1)
    trick = "two digits in a token, numbers without leading zeros"
    return Notation([constants, pairs, prompt, read], "42 + 7 =", answer, trick)


def _read_digits(layout: Layout, *, reverse: bool) -> str:
    """Return the code that reads answers of a fixed number of digits and nothing else."""
    order = "the last one first" if reverse else "the first one first"
    digits = "reversed(tokens)" if reverse else "tokens"
    only_digits = layout.vocabulary == 10
    about = f"Return the number of an answer, {layout.answer_length} digits, {order}"
    lines = ["def read(tokens):", f'    """{about}{"" if only_digits else "; else -1"}."""']
    if not only_digits:
        lines += ["    if max(tokens) > 9:", "        return -1"]
    return "\n".join([*lines, f'    return int("".join(map(str, {digits})))'])


def _read_until_end(layout: Layout) -> str:
    """Return the code that reads answers of any number of digits."""
    order = "the first one first" if layout.forward else "the last one first"
    digits = "digits" if layout.forward else "reversed(digits)"
    return f'''\
def read(tokens):
    """Return the number of an answer, digits, {order}, and END to the end; else -1."""
    length = tokens.index(END) if END in tokens else len(tokens)
    digits, rest = tokens[:length], tokens[length:]
    if not digits or max(digits) > 9 or set(rest) != {{END}}:
        return -1
    number = "".join(map(str, {digits}))
    return int(number) if number == str(int(number)) else -1  # no zeros in front'''


_DIGITS_OF = f'''\
def digits_of(number):
    """Return the {DIGITS} digits of a number, the most significant first."""
    return [int(digit) for digit in f"{{number:0{DIGITS}d}}"]'''

_SIGNED_PROMPT = '''\
def prompt(a, b):
    """Write a problem as tokens: the operands' digits with signs."""
    return [*digits_of(a), PLUS, *digits_of(b), EQUALS]'''
