"""Base-100 problems as they were printed: numbers of their own length, padding, and what has a loss."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from trainables.addition.adderboard.submission import make_submission
from trainables.addition.answers import add, greedy_answers, right_tokens, teacher_forced_logits
from trainables.addition.config import MAX_DIGITS, AdditionConfig
from trainables.addition.evaluation import evaluate
from trainables.addition.formats import MALFORMED, NO_LOSS, Format, PaddedBase100, make_format
from trainables.addition.layout import layout_of
from trainables.addition.problems import held_out
from trainables.addition.workload import AdditionWorkload
from trainables.config import TrainingConfig
from trainables.contract import Report
from trainables.loop import train
from trainables.tasks import TASKS

CPU = torch.device("cpu")
PLUS, EQUALS, PAD = 100, 101, 102
PADDINGS = ("published", "corrected")
every_padding = pytest.mark.parametrize("padding", PADDINGS)


def form_of(padding: str, digits: int) -> PaddedBase100:
    form = make_format(layout_of("base100", digits, padding=padding))  # type: ignore[arg-type]
    assert isinstance(form, PaddedBase100)
    return form


def config_of(padding: str, digits: int = 3, **values: Any) -> AdditionConfig:
    return AdditionConfig.model_validate(
        {"format": "base100", "padding": padding, "digits": digits, "d_model": 16, "n_heads": 2, **values}
    )


def pairs_by_hand(number: int) -> list[int]:
    text = str(number)
    text = text.zfill(len(text) + len(text) % 2)
    return [int(text[index : index + 2]) for index in range(0, len(text), 2)]


def problem_by_hand(a: int, b: int, length: int) -> list[int]:
    tokens = [*pairs_by_hand(a), PLUS, *pairs_by_hand(b), EQUALS, *pairs_by_hand(a + b)]
    return tokens + [PAD] * (length - len(tokens))


def encoded(form: Format, a: int, b: int) -> list[int]:
    return form.encode(torch.tensor([a]), torch.tensor([b]))[0].tolist()


# As tokens


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (42, 7, "42 + 7 = 49 _ _ _ _"),
        (0, 0, "0 + 0 = 0 _ _ _ _"),
        (99, 1, "99 + 1 = 1 0 _ _ _"),
        (100, 5, "1 0 + 5 = 1 5 _ _"),
        (5, 100, "5 + 1 0 = 1 5 _ _"),
        (999, 999, "9 99 + 9 99 = 19 98 _"),
    ],
)
def test_a_problem_is_written_as_by_hand(a: int, b: int, text: str) -> None:
    names = {"+": PLUS, "=": EQUALS, "_": PAD}
    tokens = [names[word] if word in names else int(word) for word in text.split()]
    assert encoded(form_of("corrected", 3), a, b) == tokens
    assert encoded(form_of("published", 3), a, b) == tokens + [PAD] * 23


@st.composite
def problems(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """Digits, and some problems of operands with up to so many, short ones among them."""
    digits = draw(st.integers(1, MAX_DIGITS))
    length = st.integers(0, digits)
    operand = length.flatmap(lambda n: st.integers(0, 10**n - 1))
    return digits, draw(st.lists(st.tuples(operand, operand), min_size=1, max_size=5))


@every_padding
@settings(max_examples=50)
@given(drawn=problems())
@example((1, [(0, 0), (9, 9), (9, 1)]))
@example((2, [(99, 99), (99, 1), (0, 100 - 1)]))
@example((18, [(10**18 - 1, 10**18 - 1), (10**18 - 1, 1), (0, 0), (10**17, 99)]))
def test_every_problem_is_written_in_full_and_its_sum_read_back(
    padding: str, drawn: tuple[int, list[tuple[int, int]]]
) -> None:
    digits, pairs = drawn
    form = form_of(padding, digits)
    layout = form.layout
    a, b = torch.tensor(pairs).T
    sequences = form.encode(a, b)
    assert sequences.tolist() == [problem_by_hand(x, y, layout.length) for x, y in pairs]
    assert layout.length == (32 if padding == "published" else layout.prompt_length + layout.answer_length)
    answers = form.answers_in(sequences)
    assert torch.equal(answers, form.encode_answer(a + b))
    assert answers.shape == (len(pairs), layout.answer_length)
    assert bool((answers[:, -1] == PAD).all()), "there is an end to every answer"
    assert torch.equal(form.decode(answers), a + b)
    prompts = form.encode_prompt(a, b)
    assert torch.equal(form.answers_begin(prompts), form.answers_begin(sequences))
    for row, begin, (x, y) in zip(prompts.tolist(), form.answers_begin(prompts), pairs, strict=True):
        assert row[:begin] == [*pairs_by_hand(x), PLUS, *pairs_by_hand(y), EQUALS]
        assert set(row[begin:]) <= {PAD}
    assert layout.positions >= layout.input_length


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ([19, 98, 98], "no PAD"),
        ([PAD, PAD, PAD], "nothing"),
        ([PAD, 49, PAD], "PAD first"),
        ([49, PAD, 1], "a digit behind PAD"),
        ([0, 49, PAD], "a leading zero"),
        ([PLUS, PAD, PAD], "a sign"),
        ([49, EQUALS, PAD], "a sign"),
    ],
)
def test_what_the_format_does_not_write_is_malformed(answer: list[int], why: str) -> None:
    for padding in PADDINGS:
        read = form_of(padding, 3).decode(torch.tensor([[49, PAD, PAD], answer, [19, 98, PAD]]))
        assert read.tolist() == [49, MALFORMED, 1998], why


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_of_all_rows_of_tokens_exactly_one_is_read_as_each_sum(digits: int) -> None:
    form = form_of("corrected", digits)
    tokens = torch.arange(form.layout.vocabulary)
    rows = torch.cartesian_prod(*[tokens] * form.layout.answer_length)
    values = form.decode(rows)
    readable = values != MALFORMED
    assert torch.equal(form.encode_answer(values[readable]), rows[readable])
    assert len(torch.unique(values[readable])) == int(readable.sum())
    assert bool(torch.isin(torch.arange(2 * 10**digits - 1), values).all())


def test_a_number_beyond_64_bits_is_not_read_as_another() -> None:
    form = form_of("corrected", 18)
    for number in (2**63, 95 * 10**17, 10**19 - 1, 2 * 10**19, 10**20 - 1):
        answer = [*pairs_by_hand(number), PAD]
        assert int(form.decode(torch.tensor([answer]))[0]) == MALFORMED
    assert int(form.decode(torch.tensor([[*pairs_by_hand(2**63 - 1), PAD]]))[0]) == 2**63 - 1


# What has a loss


@pytest.mark.parametrize(
    ("a", "b", "corrected", "behind"),
    [
        (42, 7, [49, PAD, PAD, NO_LOSS, NO_LOSS], [PAD] * 23),
        (999, 1, [NO_LOSS, 10, 0, PAD, NO_LOSS], [PAD] * 23),
        (999, 999, [NO_LOSS, NO_LOSS, 19, 98, PAD], [PAD] * 23),
    ],
)
def test_as_published_all_padding_has_a_loss_and_corrected_the_answer_alone(
    a: int, b: int, corrected: list[int], behind: list[int]
) -> None:
    def targets(padding: str) -> list[int]:
        form = form_of(padding, 3)
        return form.targets(form.encode(torch.tensor([a]), torch.tensor([b])))[0].tolist()

    assert targets("corrected") == corrected
    begun = corrected[: len(corrected) - corrected[::-1].index(PAD)]
    assert targets("published") == begun + [PAD] * (28 - len(begun))
    assert len(begun + [PAD] * (28 - len(begun))) == 5 + len(behind)


@every_padding
def test_training_measures_the_mean_loss_of_exactly_these_tokens(padding: str) -> None:
    workload = AdditionWorkload(config_of(padding, batch=5), CPU)
    torch.manual_seed(0)
    model, batch = workload.build_model(), workload.batch(1)
    batch[0] = workload.format.encode(torch.tensor([3]), torch.tensor([4]))[0]
    logits = model(batch[:, :-1])
    surprises = []
    for row, tokens in enumerate(batch.tolist()):
        begin = tokens.index(EQUALS) + 1
        end = 32 if padding == "published" else begin + 3
        for position in range(begin, end):
            surprises.append(-logits[row, position - 1].log_softmax(-1)[tokens[position]].item())
    assert workload.loss(model, batch).item() == pytest.approx(
        math.fsum(surprises) / len(surprises), rel=1e-5
    )


def test_both_are_judged_alike() -> None:
    """The same weights have the same validation: of the answer and the PAD that ends it."""
    found = []
    for padding in PADDINGS:
        workload = AdditionWorkload(config_of(padding, position="rotary", rope_theta=100), CPU)
        torch.manual_seed(1)
        found.append(workload.validate(workload.build_model()))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert 4 < found[0]["val_loss"] < 6, "near the logarithm of 103 tokens"


# Decoding


@pytest.fixture(scope="module")
def learnt_weights() -> dict[str, Tensor]:
    """Weights that have learnt 100 problems of all lengths until they knew 40 of them by heart."""
    workload = AdditionWorkload(learner("corrected"), CPU)
    torch.manual_seed(1)
    model = workload.build_model()
    sequences = workload.format.encode(*mixed_problems(100))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(400):
        logits = teacher_forced_logits(model, sequences, workload.format)
        if right_tokens(logits, workload.format.answers_in(sequences)).all(1).double().mean() >= 0.4:
            return model.state_dict()
        optimizer.zero_grad()
        workload.loss(model, sequences).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    pytest.fail("they have learnt next to nothing")


@pytest.fixture(params=PADDINGS)
def half_learnt(
    request: pytest.FixtureRequest, learnt_weights: dict[str, Tensor]
) -> tuple[PaddedBase100, nn.Module]:
    workload = AdditionWorkload(learner(request.param), CPU)
    model = workload.build_model()
    model.load_state_dict(learnt_weights)
    return form_of(request.param, 3), model.double().eval()


def learner(padding: str) -> AdditionConfig:
    return config_of(padding, d_model=32, n_heads=2, d_ff=64, tied_embeddings=False)


def mixed_problems(count: int) -> tuple[Tensor, Tensor]:
    """Return problems with operands of one to three digits; fewer of them are the first of more."""
    drawn = torch.rand(count, 4, generator=torch.Generator().manual_seed(1))
    a, b = (drawn[:, :2] * 10 ** (1 + (3 * drawn[:, 2:]).long())).long().T
    return a, b


@torch.no_grad()
def test_one_pass_and_decoding_agree_on_every_problem(
    half_learnt: tuple[PaddedBase100, nn.Module],
) -> None:
    """Of 600 problems whose answers begin at three different positions."""
    form, model = half_learnt
    a, b = mixed_problems(600)
    sequences = form.encode(a, b)
    answers = form.answers_in(sequences)
    in_one_pass = right_tokens(teacher_forced_logits(model, sequences, form), answers).all(1)
    said = greedy_answers(model, a, b, form)
    decoded = (said == answers).all(1)
    assert 30 < int(decoded.sum()) < len(a)
    assert torch.equal(in_one_pass, decoded)
    assert torch.equal(form.decode(said) == a + b, decoded)
    begins = form.answers_begin(sequences)
    assert set(begins[decoded].tolist()) == {4, 5, 6}, "right answers with prompts of every length"


@torch.no_grad()
def test_problems_decoded_together_are_answered_as_each_alone(
    half_learnt: tuple[PaddedBase100, nn.Module],
) -> None:
    form, model = half_learnt
    a, b = mixed_problems(40)
    together = form.decode(greedy_answers(model, a, b, form)).tolist()
    alone = [add(model, x, y, form) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert together == [MALFORMED if value is None else value for value in alone]
    for x, y, begin in zip(
        a[:10].tolist(), b[:10].tolist(), form.answers_begin(form.encode(a, b)), strict=False
    ):
        tokens = encoded(form, x, y)[:begin]  # continued by hand, without any padding
        for _ in range(form.layout.answer_length):
            tokens.append(int(model(torch.tensor([tokens]))[0, -1].argmax()))
        said = form.decode(torch.tensor([tokens[begin:]]))
        assert add(model, x, y, form) == (None if said == MALFORMED else int(said))


@torch.no_grad()
def test_an_evaluation_counts_what_is_decoded_right(
    half_learnt: tuple[PaddedBase100, nn.Module],
) -> None:
    form, model = half_learnt
    evaluation = evaluate(model, form, problems=400, seed=1)
    a, b = held_out(400, 3, "test", seed=1)
    said = form.decode(greedy_answers(model, a, b, form))
    assert evaluation.problems == 400
    assert evaluation.successes == int((said == a + b).sum())
    positions = next(table for table in evaluation.tables if table.title == "Accuracy per answer position")
    assert [row[0] for row in positions.rows] == ["token 1", "token 2", "token 3"]


# Configurations


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"padding": "published", "format": "characters"}, "padding=published needs format base100"),
        ({"padding": "corrected", "format": "delimited"}, "padding=corrected needs format base100"),
        ({"padding": "some", "format": "base100"}, "padding"),
        ({"padding": "corrected", "format": "base100", "engine": "native"}, "which only PyTorch supports"),
        ({"padding": "published", "format": "base100", "position_rows": 30}, "must be at least 31"),
        ({"padding": "corrected", "format": "base100", "position_rows": 7}, "must be at least 8"),
    ],
)
def test_what_cannot_be_is_refused(settings_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AdditionConfig.model_validate(settings_)


def test_it_trains_in_pytorch_and_says_so_and_padding_costs_no_parameters() -> None:
    config = config_of("corrected")
    assert (
        AdditionWorkload(config, CPU).engine
        == "PyTorch, because padding is corrected, which only PyTorch supports"
    )
    counts = {
        sum(config_of(padding, position="rotary").parameter_table().values())
        for padding in ("none", *PADDINGS)
    }
    assert len(counts) == 1
    flops = [
        config_of(padding).demand.flops_per_token * config_of(padding).layout.input_length
        for padding in ("corrected", "published")
    ]
    assert flops[1] > 3 * flops[0], "the padding is computed with"


# As a file


@every_padding
def test_a_submission_writes_and_reads_as_in_training(padding: str) -> None:
    config = config_of(padding, digits=10, d_model=8)
    workload = AdditionWorkload(config, CPU)
    torch.manual_seed(3)
    model, form = workload.build_model().eval(), workload.format
    names: dict[str, Any] = {"__name__": "submission"}
    exec(compile(make_submission(config, model).text, "submission.py", "exec"), names)
    file = SimpleNamespace(**names)
    built, _ = file.build_model()
    for a, b in [(0, 0), (42, 7), (10**10 - 1, 10**10 - 1), (123456, 99), (10**9, 10**9)]:
        begin = encoded(form, a, b).index(EQUALS) + 1
        assert file.prompt(a, b) == encoded(form, a, b)[:begin]
        right = form.encode_answer(torch.tensor([a + b]))[0].tolist()
        assert file.read(right) == a + b
        said = add(model, a, b, form)
        assert file.add(built, a, b) == (MALFORMED if said is None else said)
        for place in range(len(right)):
            for token in (0, 9, 10, 99, PLUS, EQUALS, PAD):
                broken = [*right[:place], token, *right[place + 1 :]]
                assert file.read(broken) == int(form.decode(torch.tensor([broken]))), broken


@every_padding
def test_a_trial_trains_and_reports(padding: str) -> None:
    """A few steps of the published recipe: dropout, untied head, rotary positions, a training set."""
    config: TrainingConfig = config_of(
        padding, position="rotary", rope_theta=100, tied_embeddings=False, dropout=0.1, batch=32, steps=4,
        eval_every=2, train_problems=500, val_problems=200,
    )  # fmt: skip
    reports: list[Report] = []
    ending = train(TASKS["addition"], config, device=CPU, report=lambda row, _: reports.append(row))
    assert ending == "finished"
    assert [report.step for report in reports] == [2, 4]
    assert all({"exact_match", "val_loss", "train_loss"} <= set(report.metrics) for report in reports)
