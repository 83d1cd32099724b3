"""The formats of addition: how a problem is written in tokens, and how an answer is read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from helpers.problems import KINDS, every_kind, every_pair, form_of, operands_in
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.addition.config import MAX_DIGITS, AdditionConfig
from trainables.addition.formats import MALFORMED, Format
from trainables.addition.layout import END, EQUALS, PLUS, Layout, layout_of

EOS_NAME = "."
PAD_NAME = "_"
END_NAME = ";"
every_digits = pytest.mark.parametrize("digits", range(1, MAX_DIGITS + 1))


def tokens_of(text: str, kind: str) -> list[int]:
    """Read a line such as ``042+007=9400.`` as tokens; base100 has blanks between its tokens."""
    if kind == "base100":
        return [{"+": 100, "=": 101, PAD_NAME: 102}.get(word) or int(word) for word in text.split()]
    names = {"+": 10, "=": 11}
    if kind == "delimited":
        names |= {PAD_NAME: 12, EOS_NAME: 13}
    elif kind == "delimited, no PAD":
        names |= {EOS_NAME: 12}
    elif kind.startswith("characters"):
        names |= {END_NAME: 12}
    return [names[char] if char in names else int(char) for char in text if char != " "]


def prompt_by_hand(kind: str, a: int, b: int, digits: int) -> str:
    first, second = f"{a:0{digits}d}", f"{b:0{digits}d}"
    if kind == "undelimited":
        return first + second
    if kind == "aligned":
        return f"0{first[::-1]}00{second[::-1]}0"
    if kind == "base100":
        return f"{in_pairs(first)} + {in_pairs(second)} ="
    return f"{first}+{second}="


def answer_by_hand(kind: str, total: int, digits: int) -> str:
    if kind == "base100":
        return in_pairs(f"{total:0{digits + 1}d}")
    text = str(total) if "variable" in kind else f"{total:0{digits + 1}d}"
    text = text if "forward" in kind else text[::-1]
    if "variable" in kind:
        text = text.ljust(digits + 2, END_NAME)
    return text + EOS_NAME if kind.startswith("delimited") else text


def in_pairs(number: str) -> str:
    even = "0" * (len(number) % 2) + number
    return " ".join(even[index : index + 2] for index in range(0, len(even), 2))


def encoded(form: Format, a: int, b: int) -> list[int]:
    return form.encode(torch.tensor([a]), torch.tensor([b]))[0].tolist()


def decoded(form: Format, answer: list[int]) -> int:
    return int(form.decode(torch.tensor([answer]))[0])


@st.composite
def problems(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """Digits, and some problems of operands of so many: short ones and long chains as well."""
    digits = draw(st.integers(1, MAX_DIGITS))
    most = 10**digits - 1

    def problem() -> tuple[int, int]:
        a = draw(st.one_of(st.integers(0, most), st.integers(0, 9), st.just(most)))
        return a, draw(st.sampled_from([draw(st.integers(0, most)), most - a, min(10**digits - a, most), 0]))

    return digits, [problem() for _ in range(draw(st.integers(1, 5)))]


def columns(of: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    a, b = torch.tensor(of).T
    return a, b


# Sequences written out by hand


SPELT = [
    ("delimited", 3, 42, 7, "042+007=9400."),
    ("delimited", 3, 0, 0, "000+000=0000."),
    ("delimited", 3, 999, 999, "999+999=8991."),
    ("delimited", 3, 999, 1, "999+001=0001."),
    ("delimited", 1, 4, 3, "4+3=70."),
    ("delimited", 1, 9, 9, "9+9=81."),
    ("delimited", 10, 42, 7, "0000000042+0000000007=94000000000."),
    ("delimited", 10, 9999999999, 1, "9999999999+0000000001=00000000001."),
    ("delimited, no PAD", 3, 42, 7, "042+007=9400."),
    ("delimited, no PAD", 1, 9, 9, "9+9=81."),
    ("undelimited", 3, 42, 7, "042007 9400"),
    ("undelimited", 3, 0, 0, "000000 0000"),
    ("undelimited", 3, 999, 999, "999999 8991"),
    ("undelimited", 3, 1, 999, "001999 0001"),
    ("undelimited", 1, 4, 3, "43 70"),
    ("aligned", 3, 42, 7, "0 240 00 700 0 9400"),
    ("aligned", 3, 0, 0, "0 000 00 000 0 0000"),
    ("aligned", 3, 999, 999, "0 999 00 999 0 8991"),
    ("aligned", 3, 999, 1, "0 999 00 100 0 0001"),
    ("aligned", 1, 4, 3, "0 4 00 3 0 70"),
    ("characters", 3, 42, 7, "042+007=9400"),
    ("characters", 3, 0, 0, "000+000=0000"),
    ("characters", 3, 999, 999, "999+999=8991"),
    ("characters", 1, 4, 3, "4+3=70"),
    ("characters, forward", 3, 42, 7, "042+007=0049"),
    ("characters, forward", 3, 0, 0, "000+000=0000"),
    ("characters, forward", 3, 999, 999, "999+999=1998"),
    ("characters, forward", 3, 999, 1, "999+001=1000"),
    ("characters, forward", 1, 4, 3, "4+3=07"),
    ("characters, variable", 3, 42, 7, "042+007=94;;;"),
    ("characters, variable", 3, 0, 0, "000+000=0;;;;"),
    ("characters, variable", 3, 999, 999, "999+999=8991;"),
    ("characters, variable", 3, 999, 1, "999+001=0001;"),
    ("characters, variable", 3, 60, 40, "060+040=001;;"),
    ("characters, variable", 1, 4, 3, "4+3=7;;"),
    ("characters, forward, variable", 3, 42, 7, "042+007=49;;;"),
    ("characters, forward, variable", 3, 0, 0, "000+000=0;;;;"),
    ("characters, forward, variable", 3, 999, 999, "999+999=1998;"),
    ("characters, forward, variable", 3, 999, 1, "999+001=1000;"),
    ("characters, forward, variable", 3, 60, 40, "060+040=100;;"),
    ("characters, forward, variable", 1, 9, 9, "9+9=18;"),
    ("base100", 3, 42, 7, "00 42 + 00 07 = 00 49"),
    ("base100", 3, 0, 0, "00 00 + 00 00 = 00 00"),
    ("base100", 3, 999, 999, "09 99 + 09 99 = 19 98"),
    ("base100", 3, 999, 1, "09 99 + 00 01 = 10 00"),
    ("base100", 4, 9999, 9999, "99 99 + 99 99 = 01 99 98"),
    ("base100", 4, 1234, 567, "12 34 + 05 67 = 00 18 01"),
    ("base100", 1, 4, 3, "04 + 03 = 07"),
    ("base100", 1, 9, 9, "09 + 09 = 18"),
]


@pytest.mark.parametrize(("kind", "digits", "a", "b", "text"), SPELT)
def test_a_problem_is_written_as_by_hand(kind: str, digits: int, a: int, b: int, text: str) -> None:
    form = form_of(kind, digits)
    tokens = tokens_of(text, kind)
    assert encoded(form, a, b) == tokens
    assert decoded(form, tokens[form.layout.prompt_length :]) == a + b


def test_every_token_has_the_number_that_the_tests_know_it_by() -> None:
    assert (PLUS, EQUALS, END) == (10, 11, 12)
    assert layout_of("delimited", 3).eos == 13
    assert layout_of("delimited", 3, pad_token=False).eos == 12
    assert encoded(form_of("base100", 1), 1, 2) == [1, 100, 2, 101, 3]


@every_kind
@settings(max_examples=50)
@given(drawn=problems())
@example((1, [(0, 0), (9, 9), (9, 1), (5, 5)]))
@example((2, [(0, 0), (99, 99), (99, 1), (9, 1)]))
@example((17, [(10**17 - 1, 10**17 - 1), (10**17 - 1, 1)]))
@example((18, [(0, 0), (10**18 - 1, 10**18 - 1), (10**18 - 1, 1), (5 * 10**17, 5 * 10**17), (10**9, 0)]))
def test_every_problem_is_written_in_full_and_its_sum_read_back(
    kind: str, drawn: tuple[int, list[tuple[int, int]]]
) -> None:
    digits, pairs = drawn
    form = form_of(kind, digits)
    a, b = columns(pairs)
    sequences = form.encode(a, b)
    for row, (x, y) in zip(sequences.tolist(), pairs, strict=True):
        text = prompt_by_hand(kind, x, y, digits) + " " + answer_by_hand(kind, x + y, digits)
        assert row == tokens_of(text, kind)
    assert sequences.dtype == torch.int64
    assert sequences.shape == (len(pairs), form.layout.length)
    assert bool(((sequences >= 0) & (sequences < form.layout.vocabulary)).all())
    prompt = form.encode_prompt(a, b)
    assert prompt.shape[1] == form.layout.prompt_length
    assert torch.equal(prompt, sequences[:, : form.layout.prompt_length])
    answer = form.encode_answer(a + b)
    assert answer.shape[1] == form.layout.answer_length
    assert torch.equal(answer, sequences[:, form.layout.prompt_length :])
    assert torch.equal(form.decode(answer), a + b)
    for read, operand in zip(operands_in(sequences, form.layout), (a, b), strict=True):
        assert torch.equal(read, operand), "a reader of the prompt should find both operands"


@every_kind
@every_digits
def test_a_batch_is_written_and_read_as_each_of_its_problems_alone(kind: str, digits: int) -> None:
    form = form_of(kind, digits)
    a, b = torch.randint(10**digits, (2, 20), generator=torch.Generator().manual_seed(digits))
    a[:3], b[:3] = torch.tensor([0, 10**digits - 1, 10**digits - 1]), torch.tensor([0, 10**digits - 1, 1])
    together = form.encode(a, b)
    alone = torch.cat([form.encode(a[i : i + 1], b[i : i + 1]) for i in range(20)])
    assert torch.equal(together, alone)
    answers = together[:, form.layout.prompt_length :]
    assert form.decode(answers).tolist() == [decoded(form, answer) for answer in answers.tolist()]
    assert torch.equal(form.decode(answers), a + b)


@every_kind
def test_no_problems_are_written_as_no_rows(kind: str) -> None:
    form = form_of(kind, 3)
    none = torch.empty(0, dtype=torch.int64)
    assert form.encode(none, none).shape == (0, form.layout.length)
    assert form.decode(form.encode_answer(none)).shape == (0,)


@every_kind
@pytest.mark.parametrize("digits", [1, 2])
def test_no_two_problems_are_written_alike(kind: str, digits: int) -> None:
    form = form_of(kind, digits)
    a, b = every_pair(digits)
    assert len(torch.unique(form.encode(a, b), dim=0)) == 100**digits
    assert len(torch.unique(form.encode_prompt(a, b), dim=0)) == 100**digits
    sums = torch.arange(2 * 10**digits - 1)
    assert len(torch.unique(form.encode_answer(sums), dim=0)) == len(sums)


# Layouts


@pytest.mark.parametrize(
    ("kind", "digits", "vocabulary", "prompt", "answer", "positions"),
    [
        ("delimited", 10, 14, 22, 12, 35),
        ("delimited", 3, 14, 8, 5, 14),
        ("delimited, no PAD", 10, 13, 22, 12, 35),
        ("undelimited", 10, 10, 20, 11, 31),
        ("aligned", 10, 10, 24, 11, 35),
        ("characters", 3, 13, 8, 4, 16),
        ("characters, forward", 3, 13, 8, 4, 16),
        ("characters, variable", 3, 13, 8, 5, 16),
        ("characters", 10, 13, 22, 11, 33),
        ("characters, variable", 10, 13, 22, 12, 34),
        ("base100", 3, 103, 6, 2, 32),
        ("base100", 4, 103, 6, 3, 32),
        ("base100", 10, 103, 12, 6, 32),
    ],
)
def test_lengths_vocabulary_and_positions_are_as_published(
    kind: str, digits: int, vocabulary: int, prompt: int, answer: int, positions: int
) -> None:
    layout = layout_of(digits=digits, **KINDS[kind])
    assert (layout.vocabulary, layout.prompt_length, layout.answer_length, layout.positions) == (
        vocabulary, prompt, answer, positions,
    )  # fmt: skip
    assert layout.length == prompt + answer
    assert layout.input_length == prompt + answer - 1


@every_kind
@every_digits
def test_a_table_of_positions_holds_all_that_a_model_reads(kind: str, digits: int) -> None:
    layout = layout_of(digits=digits, **KINDS[kind])
    assert layout.positions >= layout.input_length
    assert layout_of(digits=digits, **KINDS[kind], position_rows=77).positions == 77


@every_kind
@pytest.mark.parametrize("digits", [1, 4, MAX_DIGITS])
def test_only_the_tokens_that_a_format_has_no_use_for_never_occur(kind: str, digits: int) -> None:
    """PAD, and END where all answers are as long. Of 3,000 random problems each other token is in some."""
    form = form_of(kind, digits)
    a, b = torch.randint(10**digits, (2, 3_000), generator=torch.Generator().manual_seed(1))
    seen = set(form.encode(a, b).flatten().tolist())
    unused = {"delimited": 12, "characters": END, "characters, forward": END, "base100": 102}
    idle = {unused[kind]} if kind in unused else set()
    if kind == "base100" and digits == 1:
        idle |= set(range(19, 100))  # sums up to 18 are one token
    assert seen == set(range(form.layout.vocabulary)) - idle


def test_a_configuration_asks_for_the_format_that_its_values_name() -> None:
    def layout(**values: object) -> Layout:
        return AdditionConfig.model_validate(values).layout

    assert layout(digits=10) == layout_of("delimited", 10)
    assert layout(digits=10, pad_token=False) == layout_of("delimited", 10, pad_token=False)
    assert layout(format="aligned", digits=4) == layout_of("aligned", 4)
    assert layout(format="undelimited", digits=4, position_rows=12).positions == 12
    assert layout(format="characters") == layout_of("characters", 3)
    assert layout(format="characters", answer_order="forward") == layout_of("characters", 3, forward=True)
    assert layout(format="characters", answer_length="variable") == layout_of("characters", 3, variable=True)
    assert layout(format="base100", digits=7) == layout_of("base100", 7)


# Answers that are none


NOT_ANSWERS = [
    ("delimited", 3, "9+00.", "a sign"),
    ("delimited", 3, "94=0.", "a sign"),
    ("delimited", 3, "9400+", "a sign instead of EOS"),
    ("delimited", 3, "94000", "no EOS"),
    ("delimited", 3, "9400_", "PAD instead of EOS"),
    ("delimited", 3, "94_0.", "PAD"),
    ("delimited", 3, "94.0.", "EOS too early"),
    ("delimited", 3, ".9400", "EOS first"),
    ("delimited", 3, ".....", "nothing but EOS"),
    ("delimited, no PAD", 3, "94000", "no EOS"),
    ("delimited, no PAD", 3, "94.0.", "EOS too early"),
    ("delimited, no PAD", 3, "9400=", "a sign instead of EOS"),
    ("characters", 3, "94+0", "a sign"),
    ("characters", 3, "940;", "END"),
    ("characters", 3, ";940", "END first"),
    ("characters, forward", 3, "0=49", "a sign"),
    ("characters, forward", 3, "049;", "END"),
    ("characters, variable", 3, "94000", "no END"),
    ("characters, variable", 3, "94001", "no END"),
    ("characters, variable", 3, "940;;", "a leading zero"),
    ("characters, variable", 3, "9400;", "leading zeros"),
    ("characters, variable", 3, "00;;;", "nothing, twice"),
    ("characters, variable", 3, ";94;;", "END first"),
    ("characters, variable", 3, ";;;;;", "nothing"),
    ("characters, variable", 3, "9;4;;", "a digit after END"),
    ("characters, variable", 3, "94;;1", "a digit after END"),
    ("characters, variable", 3, "9+;;;", "a sign"),
    ("characters, variable", 3, "94;=;", "a sign after END"),
    ("characters, variable", 3, "+;;;;", "a sign alone"),
    ("characters, forward, variable", 3, "10000", "no END"),
    ("characters, forward, variable", 3, "049;;", "a leading zero"),
    ("characters, forward, variable", 3, "0049;", "leading zeros"),
    ("characters, forward, variable", 3, "00;;;", "nothing, twice"),
    ("characters, forward, variable", 3, ";49;;", "END first"),
    ("characters, forward, variable", 3, ";;;;;", "nothing"),
    ("characters, forward, variable", 3, "4;9;;", "a digit after END"),
    ("characters, forward, variable", 3, "+49;;", "a sign"),
    ("base100", 3, "+ 49", "a sign"),
    ("base100", 3, "00 =", "a sign"),
    ("base100", 3, "00 _", "PAD"),
    ("base100", 4, "10 00 49", "a first group of two digits"),
    ("base100", 4, "99 99 99", "a first group of two digits"),
    ("base100", 18, "10" + 9 * " 00", "a first group of two digits"),
]


@pytest.mark.parametrize(("kind", "digits", "text", "why"), NOT_ANSWERS)
def test_what_the_format_does_not_write_is_malformed(kind: str, digits: int, text: str, why: str) -> None:
    form = form_of(kind, digits)
    answer = tokens_of(text, kind)
    assert len(answer) == form.layout.answer_length
    assert decoded(form, answer) == MALFORMED, why
    right = encoded(form, 42 % 10**digits, 7)[form.layout.prompt_length :]
    rows = torch.tensor([right, answer, right])
    total = 42 % 10**digits + 7
    assert form.decode(rows).tolist() == [total, MALFORMED, total], "its neighbours should not be spoilt"


def test_malformed_is_no_sum() -> None:
    assert MALFORMED < 0


@every_kind
@pytest.mark.parametrize("number", [2**63, 95 * 10**17, 10**19 - 1])
def test_an_answer_beyond_64_bits_is_not_read_as_another_number(kind: str, number: int) -> None:
    """Nineteen digits can spell more than int64 holds, although no sum of two 18-digit numbers does."""
    answer = tokens_of(answer_by_hand(kind, number, 18), kind)
    assert decoded(form_of(kind, 18), answer) == MALFORMED


@every_kind
def test_the_largest_number_of_64_bits_is_read_as_itself(kind: str) -> None:
    answer = tokens_of(answer_by_hand(kind, 2**63 - 1, 18), kind)
    assert decoded(form_of(kind, 18), answer) == 2**63 - 1


def every_row(form: Format) -> Tensor:
    tokens = torch.arange(form.layout.vocabulary)
    return torch.cartesian_prod(*[tokens] * form.layout.answer_length).view(-1, form.layout.answer_length)


def small_forms() -> Iterator[tuple[str, int]]:
    for kind in KINDS:
        yield kind, 1
        yield kind, 2
    yield "undelimited", 3
    yield "characters", 3
    yield "characters, forward", 3
    yield "base100", 3


@pytest.mark.parametrize(("kind", "digits"), list(small_forms()))
def test_of_all_rows_of_tokens_exactly_one_is_read_as_each_sum(kind: str, digits: int) -> None:
    """And of each number that is no sum but could be written, only the row that writes it."""
    form = form_of(kind, digits)
    rows = every_row(form)
    values = form.decode(rows)
    readable = values != MALFORMED
    assert bool((values[readable] >= 0).all())
    assert torch.equal(form.encode_answer(values[readable]), rows[readable])
    sums = torch.arange(2 * 10**digits - 1)
    assert bool(torch.isin(sums, values).all())
    assert len(torch.unique(values[readable])) == int(readable.sum())


@every_kind
@settings(max_examples=50)
@given(drawn=problems(), data=st.data())
def test_an_answer_with_some_tokens_changed_is_malformed_or_the_one_way_to_write_its_number(
    kind: str, drawn: tuple[int, list[tuple[int, int]]], data: st.DataObject
) -> None:
    digits, ((a, b), *_) = drawn
    form = form_of(kind, digits)
    answer = encoded(form, a, b)[form.layout.prompt_length :]
    changed = data.draw(st.lists(st.integers(0, len(answer) - 1), max_size=len(answer)))
    for place in changed:
        answer[place] = data.draw(st.integers(0, form.layout.vocabulary - 1))
    value = decoded(form, answer)
    assert value == MALFORMED or value >= 0
    if 0 <= value <= 2 * (10**digits - 1):
        assert form.encode_answer(torch.tensor([value]))[0].tolist() == answer


@every_kind
@settings(max_examples=50)
@given(data=st.data(), digits=st.integers(1, MAX_DIGITS))
def test_any_row_of_tokens_is_malformed_or_the_one_way_to_write_its_number(
    kind: str, data: st.DataObject, digits: int
) -> None:
    form = form_of(kind, digits)
    # Mostly digits, or no row of ten and more would ever be read.
    most = 99 if kind == "base100" else 9
    token = st.one_of(*[st.integers(0, most)] * 4, st.integers(0, form.layout.vocabulary - 1))
    row = data.draw(st.lists(token, min_size=form.layout.answer_length, max_size=form.layout.answer_length))
    if form.layout.eos is not None and data.draw(st.booleans()):
        row[-1] = form.layout.eos
    if "variable" in kind:
        written = data.draw(st.integers(0, len(row)))
        row[written:] = [END] * (len(row) - written)
    value = decoded(form, row)
    assert value == MALFORMED or value >= 0
    if 0 <= value <= 2 * (10**digits - 1):
        assert form.encode_answer(torch.tensor([value]))[0].tolist() == row


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("undelimited", "aligned")])
@settings(max_examples=50)
@given(drawn=problems(), data=st.data())
def test_a_sign_in_place_of_a_token_makes_an_answer_malformed(
    kind: str, drawn: tuple[int, list[tuple[int, int]]], data: st.DataObject
) -> None:
    digits, ((a, b), *_) = drawn
    form = form_of(kind, digits)
    answer = encoded(form, a, b)[form.layout.prompt_length :]
    signs = [100, 101, 102] if kind == "base100" else [PLUS, EQUALS]
    answer[data.draw(st.integers(0, len(answer) - 1))] = data.draw(st.sampled_from(signs))
    assert decoded(form, answer) == MALFORMED
