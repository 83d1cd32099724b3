"""Format F1: how an addition problem is written in tokens, and how an answer is read."""

from __future__ import annotations

import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.addition.config import MAX_DIGITS
from trainables.addition.format import MALFORMED, ReversedSum
from trainables.addition.layout import EOS, EQUALS, PAD, PLUS, VOCABULARY, Layout

SPELLING = {**{digit: str(digit) for digit in range(10)}, PLUS: "+", EQUALS: "=", PAD: "<pad>", EOS: "<eos>"}


def spell(tokens: Tensor) -> str:
    return "".join(SPELLING[token] for token in tokens.tolist())


def encoded(a: int, b: int, digits: int) -> Tensor:
    return ReversedSum(digits).encode(torch.tensor([a]), torch.tensor([b]))[0]


def decoded(answer: Tensor, digits: int) -> int:
    return int(ReversedSum(digits).decode(answer[None])[0])


@st.composite
def problems(draw: st.DrawFn) -> tuple[int, int, int]:
    digits = draw(st.integers(1, MAX_DIGITS))
    operand = st.integers(0, 10**digits - 1)
    return draw(operand), draw(operand), digits


def test_forty_two_plus_seven_is_written_as_published() -> None:
    assert spell(encoded(42, 7, 10)) == "0000000042+0000000007=94000000000<eos>"


def test_the_example_of_the_documentation_is_written_as_documented() -> None:
    assert spell(encoded(42, 7, 3)) == "042+007=9400<eos>"


def test_ten_digits_make_34_tokens_35_positions_and_a_vocabulary_of_14() -> None:
    form = Layout(10)
    assert (form.length, form.positions, form.prompt_length, form.answer_length) == (34, 35, 22, 12)
    assert len(encoded(1, 2, 10)) == 34
    assert VOCABULARY == 14
    assert sorted(SPELLING) == list(range(VOCABULARY)), "tokens should be numbered without gaps"


@settings(deadline=None, max_examples=300)
@given(problem=problems())
@example((0, 0, 1))
@example((0, 0, 18))
@example((9, 9, 1))
@example((10**10 - 1, 10**10 - 1, 10))
@example((10**18 - 1, 10**18 - 1, 18))
@example((10**10 - 1, 1, 10))
@example((1, 10**18 - 1, 18))
@example((5 * 10**17, 5 * 10**17, 18))
def test_every_problem_is_written_in_full_and_its_sum_read_back(problem: tuple[int, int, int]) -> None:
    a, b, digits = problem
    form = ReversedSum(digits)
    tokens = encoded(a, b, digits)
    reversed_sum = f"{a + b:0{digits + 1}d}"[::-1]
    assert spell(tokens) == f"{a:0{digits}d}+{b:0{digits}d}={reversed_sum}<eos>"
    assert len(tokens) == form.length
    assert decoded(tokens[form.prompt_length :], digits) == a + b


@settings(deadline=None, max_examples=100)
@given(problem=problems())
def test_the_prompt_is_the_sequence_up_to_the_equals_sign(problem: tuple[int, int, int]) -> None:
    a, b, digits = problem
    form = ReversedSum(digits)
    prompt = form.encode_prompt(torch.tensor([a]), torch.tensor([b]))[0]
    assert torch.equal(prompt, encoded(a, b, digits)[: form.prompt_length])
    assert prompt[-1] == EQUALS


def test_a_batch_is_written_row_by_row() -> None:
    a, b = torch.tensor([42, 999, 0]), torch.tensor([7, 1, 0])
    rows = ReversedSum(3).encode(a, b)
    assert [spell(row) for row in rows] == ["042+007=9400<eos>", "999+001=0001<eos>", "000+000=0000<eos>"]
    assert ReversedSum(3).decode(rows[:, 8:]).tolist() == [49, 1000, 0]


@settings(deadline=None, max_examples=200)
@given(problem=problems(), wrong=st.sampled_from([PLUS, EQUALS, PAD, EOS]), data=st.data())
def test_an_answer_with_a_sign_among_its_digits_is_malformed(
    problem: tuple[int, int, int], wrong: int, data: st.DataObject
) -> None:
    a, b, digits = problem
    answer = encoded(a, b, digits)[2 * digits + 2 :]
    answer[data.draw(st.integers(0, digits))] = wrong
    assert decoded(answer, digits) == MALFORMED


@settings(deadline=None, max_examples=100)
@given(problem=problems(), last=st.sampled_from([*range(10), PLUS, EQUALS, PAD]))
def test_an_answer_that_does_not_end_is_malformed(problem: tuple[int, int, int], last: int) -> None:
    a, b, digits = problem
    answer = encoded(a, b, digits)[2 * digits + 2 :]
    answer[-1] = last
    assert decoded(answer, digits) == MALFORMED


def test_one_malformed_answer_does_not_spoil_its_neighbours() -> None:
    answers = ReversedSum(3).encode(torch.tensor([42, 42, 42]), torch.tensor([7, 7, 7]))[:, 8:]
    answers[1, 2] = PLUS
    assert ReversedSum(3).decode(answers).tolist() == [49, MALFORMED, 49]


def test_malformed_is_no_sum() -> None:
    assert MALFORMED < 0


def test_an_answer_beyond_64_bits_is_not_read_as_another_number() -> None:
    """Nineteen digits can spell more than int64 holds, although no sum of two 18-digit numbers does."""
    answer = torch.tensor([9] * 19 + [EOS])
    assert decoded(answer, 18) in (10**19 - 1, MALFORMED)
