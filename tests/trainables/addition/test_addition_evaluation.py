"""Measuring an adder: one pass equals greedy decoding, what is not finite is wrong, tables agree."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.carries import columns_by_hand, longest_by_hand
from helpers.problems import KINDS, every_kind, every_pair, form_of, operands_in
from torch import Tensor, nn

from trainables.addition.answers import add, greedy_answers, margins, right_tokens, teacher_forced_logits
from trainables.addition.config import MAX_DIGITS, AdditionConfig
from trainables.addition.evaluation import edge_cases, evaluate
from trainables.addition.formats import MALFORMED, Format
from trainables.addition.layout import END, PLUS
from trainables.addition.problems import held_out
from trainables.addition.workload import AdditionWorkload
from trainables.checkpoints import LoadedModel, load_model, save
from trainables.contract import Ending, Evaluation, Target
from trainables.loop import Goal, train
from trainables.tasks import TASKS

CPU = torch.device("cpu")
VOCABULARY, EOS = 14, 13
"""Of format delimited."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """For the fixture below too, which trains before the fixtures of single tests come."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(config: AdditionConfig, target: Target, folder: Path) -> tuple[Ending, LoadedModel]:
    """Train until the target is held, and return how it ended and the model of that moment."""
    path = folder / f"seed-{config.seed}.pt"
    ending = train(
        TASKS["addition"],
        config,
        device=CPU,
        goal=Goal(target=target),
        report=lambda report, snapshot: save(snapshot(), path) if report.ending else None,
    )
    return ending, load_model(path, CPU)


@pytest.fixture(scope="module", params=[1, 2])
def partly_trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A two-digit adder stopped when a fifth of its answers is right, after 125 to 275 steps."""
    config = AdditionConfig(
        digits=2, d_model=16, n_heads=4, d_ff=48, lr=0.02, batch=128, schedule="constant",
        steps=2000, eval_every=25, val_problems=1000, seed=request.param,
    )  # fmt: skip
    target = Target(metric="exact_match", value=0.2, direction="max", hold=1)
    return trained(config, target, tmp_path_factory.mktemp("partly"))[1]


def config_of(kind: str, digits: int, **values: object) -> AdditionConfig:
    asked = KINDS[kind]
    return AdditionConfig.model_validate(
        {
            "format": asked["name"],
            "digits": digits,
            "answer_order": "forward" if asked.get("forward") else "reversed",
            "answer_length": "variable" if asked.get("variable") else "fixed",
            "pad_token": asked.get("pad_token", True),
            **values,
        }
    )


def untrained_transformer(kind: str, digits: int, seed: int, **shape: object) -> nn.Module:
    config = config_of(kind, digits, **{"d_model": 8, "n_heads": 2, "d_ff": 16, "seed": seed, **shape})
    torch.manual_seed(seed)
    # In double precision, so that the two ways' different rounding cannot decide between two tokens.
    return AdditionWorkload(config, CPU).build_model().double().eval()


def some_pairs(digits: int, count: int) -> tuple[Tensor, Tensor]:
    """Return problems of any part; fewer of them are the first of more."""
    pairs = torch.randint(10**digits, (count, 2), generator=torch.Generator().manual_seed(1))
    return pairs[:, 0], pairs[:, 1]


@pytest.fixture(scope="module", params=KINDS)
def half_learnt(request: pytest.FixtureRequest) -> tuple[str, Format, nn.Module]:
    """For each format a model that has learnt 100 two-digit problems by heart until it knew 40 of them.

    Seen after 13 to 89 steps, with some right answers by chance to validation and test problems: 5 to 30.
    """
    form = form_of(request.param, 2)
    model = untrained_transformer(request.param, 2, seed=1, d_model=32, d_ff=64, tied_embeddings=False)
    model.float()
    sequences = form.encode(*some_pairs(2, 100))
    answers = sequences[:, form.layout.prompt_length :]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(400):
        logits = teacher_forced_logits(model, sequences, form)
        if right_tokens(logits, answers).all(1).double().mean() >= 0.4:
            return request.param, form, model.double()
        optimizer.zero_grad()
        nn.functional.cross_entropy(logits.flatten(0, 1), answers.flatten()).backward()
        optimizer.step()
    pytest.fail("it has learnt next to nothing")


class Scripted(nn.Module):
    """Answers every problem as ``script(a, b)`` says, whatever it has been fed of the answer.

    What it says has a logit of ``lead(a, b)``, by default 1; all other tokens have 0.
    """

    def __init__(
        self,
        form: Format,
        script: Callable[[Tensor, Tensor], Tensor],
        lead: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.form, self.script, self.lead = form, script, lead

    def forward(self, tokens: Tensor, *, last: int) -> Tensor:
        layout = self.form.layout
        a, b = operands_in(tokens, layout)
        answers = self.script(a, b)
        # The logits at position p are about token p + 1.
        end = tokens.shape[1] + 1 - layout.prompt_length
        logits = nn.functional.one_hot(answers[:, end - last : end], layout.vocabulary).double()
        return logits if self.lead is None else logits * self.lead(a, b)[:, None, None]


def adder(kind: str, digits: int, wrap: int | None = None) -> Scripted:
    """Return a model that adds, and forgets what reaches ``wrap``."""
    form = form_of(kind, digits)
    return Scripted(form, lambda a, b: form.encode_answer(a + b if wrap is None else (a + b) % wrap))


# One pass with the true tokens equals decoding


@every_kind
@pytest.mark.parametrize("digits", [1, 3, 10])
@pytest.mark.parametrize("seed", [0, 1])
@torch.no_grad()
def test_one_pass_accepts_exactly_what_an_untrained_model_decodes(kind: str, digits: int, seed: int) -> None:
    """An untrained model adds nothing right, so its own answers stand in for the truth.

    The pass over what it decodes must accept every token; the pass over the same answer with one
    token changed must not, wherever the change is.
    """
    form = form_of(kind, digits)
    width, vocabulary = form.layout.answer_length, form.layout.vocabulary
    model = untrained_transformer(kind, digits, seed, n_layers=1 + seed, tied_embeddings=seed == 0)
    generator = torch.Generator().manual_seed(seed)
    a, b = some_pairs(digits, 50)
    prompt, said = form.encode_prompt(a, b), greedy_answers(model, a, b, form)
    assert said.shape == (len(a), width)
    own = torch.cat([prompt, said], dim=1)
    assert right_tokens(teacher_forced_logits(model, own, form), said).all()

    rows = torch.arange(len(a))
    place = torch.randint(width, (len(a),), generator=generator)
    shift = torch.randint(1, vocabulary, (len(a),), generator=generator)
    other = said.clone()
    other[rows, place] = (said[rows, place] + shift) % vocabulary
    changed = right_tokens(teacher_forced_logits(model, torch.cat([prompt, other], dim=1), form), other)
    assert not changed.all(1).any()
    before_change = torch.arange(width) < place[:, None]
    assert changed[before_change].all(), "tokens before the change are still what it decodes"


@torch.no_grad()
def test_one_pass_and_decoding_agree_on_every_problem_in_every_format(
    half_learnt: tuple[str, Format, nn.Module],
) -> None:
    """On 1,500 two-digit problems, among which are those that it knows."""
    _, form, model = half_learnt
    a, b = some_pairs(2, 1_500)
    sequences = form.encode(a, b)
    answers = sequences[:, form.layout.prompt_length :]
    in_one_pass = right_tokens(teacher_forced_logits(model, sequences, form), answers).all(1)
    said = greedy_answers(model, a, b, form)
    decoded = (said == answers).all(1)
    assert 30 < int(decoded.sum()) < len(a)
    assert torch.equal(in_one_pass, decoded)
    assert torch.equal(form.decode(said) == a + b, decoded)


@torch.no_grad()
def test_one_pass_and_decoding_agree_on_every_problem_of_a_partly_trained_model(
    partly_trained: LoadedModel,
) -> None:
    """On all 10,000 two-digit problems; training stops near one answer in five (seen: 0.25 to 0.55)."""
    form = form_of("delimited", 2)
    a, b = every_pair(2)
    sequences = form.encode(a, b)
    answers = sequences[:, form.layout.prompt_length :]
    # Rounding differs between the two ways; in double precision it cannot decide between two tokens.
    model = copy.deepcopy(partly_trained.model).double()
    in_one_pass = right_tokens(teacher_forced_logits(model, sequences, form), answers).all(1)
    said = greedy_answers(model, a, b, form)
    decoded = (said == answers).all(1)
    assert 0 < int(decoded.sum()) < len(a)
    assert torch.equal(in_one_pass, decoded)
    assert torch.equal(form.decode(said) == a + b, decoded)


@torch.no_grad()
def test_reported_exact_match_is_the_share_of_validation_problems_decoded_right(
    partly_trained: LoadedModel,
) -> None:
    form = form_of("delimited", 2)
    # There are exactly 1,000 two-digit validation problems, so every trial measures on all of them.
    a, b = held_out(5_000, 2, "validation", seed=9)
    said = form.decode(greedy_answers(partly_trained.model, a, b, form))
    measured = partly_trained.workload.validate(partly_trained.model)
    assert len(a) == 1_000
    assert 0 < measured["exact_match"] < 1
    assert measured["exact_match"] == (said == a + b).double().mean().item()
    assert measured["exact_match"] <= measured["token_accuracy"] < 1


@torch.no_grad()
def test_validation_measures_what_greedy_decoding_gets_right_in_every_format(
    half_learnt: tuple[str, Format, nn.Module],
) -> None:
    """On all 1,000 two-digit validation problems: the shares of answers, and of answer tokens, that are
    right, and the mean surprise at these tokens."""
    kind, form, model = half_learnt
    a, b = held_out(5_000, 2, "validation", seed=9)
    said, answers = greedy_answers(model, a, b, form), form.encode_answer(a + b)
    measured = AdditionWorkload(config_of(kind, 2, engine="torch"), CPU).validate(model)
    assert measured["exact_match"] == (said == answers).all(1).double().mean().item() > 0
    logits = model(form.encode(a, b)[:, :-1], last=form.layout.answer_length)
    surprise = -logits.log_softmax(-1).gather(-1, answers[..., None])
    assert measured["val_loss"] == pytest.approx(surprise.mean().item())
    assert measured["token_accuracy"] == pytest.approx((logits.argmax(-1) == answers).double().mean().item())


@every_kind
@torch.no_grad()
def test_training_measures_the_loss_of_answer_tokens_only(kind: str) -> None:
    """Written out for each token: minus the logarithm of the true token's probability."""
    workload = AdditionWorkload(config_of(kind, 3, batch=5), CPU)
    torch.manual_seed(0)
    model, batch = workload.build_model(), workload.batch(1)
    logits = model(batch[:, :-1])
    layout = workload.format.layout
    surprises = [
        -logits[row, position - 1].log_softmax(-1)[batch[row, position]].item()
        for row in range(5)
        for position in range(layout.prompt_length, layout.length)
    ]
    assert workload.loss(model, batch).item() == pytest.approx(sum(surprises) / len(surprises), rel=1e-5)


# What is not finite is wrong


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("where", ["the right token", "another token", "every token"])
def test_a_token_whose_logits_are_not_finite_is_wrong(poison: float, where: str) -> None:
    """argmax takes NaN for the largest: a careless comparison would call the first two cases right."""
    answers = torch.tensor([[0, 5, EOS], [0, 5, EOS]])
    logits = nn.functional.one_hot(answers, VOCABULARY).float()
    assert right_tokens(logits, answers).all()
    columns = {"the right token": 5, "another token": 7, "every token": slice(None)}[where]
    logits[0, 1, columns] = poison
    right = right_tokens(logits, answers)
    assert right[0].tolist() == [True, False, True]
    assert right[1].all(), "the problem beside it is untouched"


@every_kind
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_model_of_nan_or_infinite_weights_never_looks_right(kind: str, poison: float) -> None:
    workload = AdditionWorkload(config_of(kind, 2), CPU)
    model = workload.build_model()
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(poison)
    measured = workload.validate(model)
    assert measured["exact_match"] == measured["token_accuracy"] == 0
    evaluation = workload.evaluate(model, problems=100, seed=0)
    assert evaluation.successes == 0
    assert evaluation.problems == 100
    assert table(evaluation, "Margin") == []


# Margins


def test_a_margin_is_the_lead_of_the_right_token_over_the_best_other() -> None:
    logits = torch.tensor([[[1.0, 3.0, -2.0], [1.0, 3.0, -2.0]], [[0.5, 0.5, 0.0], [-1.0, -4.0, -1.5]]])
    answers = torch.tensor([[1, 0], [0, 2]])
    assert margins(logits, answers).tolist() == [[2.0, -2.0], [0.0, -0.5]]


@torch.no_grad()
def test_a_margin_is_negative_exactly_where_a_token_is_wrong(
    half_learnt: tuple[str, Format, nn.Module],
) -> None:
    """In double precision no two logits are alike. On 500 problems, plainly computed on 30."""
    _, form, model = half_learnt
    sequences = form.encode(*some_pairs(2, 500))
    answers = sequences[:, form.layout.prompt_length :]
    logits = teacher_forced_logits(model, sequences, form)
    measured, right = margins(logits, answers), right_tokens(logits, answers)
    assert bool(right.any())
    assert not bool(right.all())
    assert torch.equal(measured > 0, right)
    assert torch.equal(measured < 0, ~right)
    for row in range(30):
        for place, answer in enumerate(answers[row].tolist()):
            scores = logits[row, place].tolist()
            best_other = max(score for token, score in enumerate(scores) if token != answer)
            assert measured[row, place].item() == scores[answer] - best_other


# The evaluation


POSITIONS = {
    "delimited": ["1s", "10^1s", "10^2s", "10^3s", "end"],
    "delimited, no PAD": ["1s", "10^1s", "10^2s", "10^3s", "end"],
    "undelimited": ["1s", "10^1s", "10^2s", "10^3s"],
    "aligned": ["1s", "10^1s", "10^2s", "10^3s"],
    "characters": ["1s", "10^1s", "10^2s", "10^3s"],
    "characters, forward": ["10^3s", "10^2s", "10^1s", "1s"],
    "characters, variable": ["token 1", "token 2", "token 3", "token 4", "token 5"],
    "characters, forward, variable": ["token 1", "token 2", "token 3", "token 4", "token 5"],
    "base100": ["100^1s", "1s"],
}
"""What the answer's tokens are called with three digits."""


def table(evaluation: Evaluation, title: str) -> list[tuple]:
    (found,) = [table for table in evaluation.tables if title in table.title]
    assert all(len(row) == len(found.columns) for row in found.rows)
    return [tuple(row) for row in found.rows]


def check_tables(evaluation: Evaluation, form: Format) -> None:
    """Check that each table counts the same problems as the headline."""
    n, successes = evaluation.problems, evaluation.successes
    by_position = table(evaluation, "position")
    assert len(by_position) == form.layout.answer_length
    for _, right, of, share in by_position:
        assert of == n
        assert successes <= right <= n
        assert share == right / of
    assert n - successes <= sum(n - right for _, right, _, _ in by_position)

    for title in ("number of carries", "longest chain"):
        groups = table(evaluation, title)
        assert sum(of for _, _, of, _ in groups) == n
        assert sum(right for _, right, _, _ in groups) == successes
        for _, right, of, share in groups:
            assert of > 0
            assert share == right / of
        assert [row[0] for row in groups] == sorted({row[0] for row in groups})

    failures = table(evaluation, "Failures")
    assert len(failures) == min(20, n - successes)
    for problem, prediction, truth in failures:
        a, b = problem.split(" + ")
        assert int(a) + int(b) == truth
        assert prediction != truth

    edges = table(evaluation, "Edge cases")
    assert [row[0] for row in edges] == [f"{a} + {b}" for a, b in edge_cases(form.layout.digits)]
    for problem, prediction, truth, right in edges:
        a, b = problem.split(" + ")
        assert int(a) + int(b) == truth
        assert right == ("yes" if prediction == truth else "no")

    margin = table(evaluation, "Margin")
    assert len(margin) == (3 if successes else 0)
    if successes:
        smallest, quantile, thin = (value for _, value in margin)
        assert 0 <= smallest <= quantile
        assert 0 <= thin <= successes
        assert (thin > 0) == (smallest < 0.01)


def test_the_tables_of_a_partly_trained_model_agree_with_its_headline(partly_trained: LoadedModel) -> None:
    form = form_of("delimited", 2)
    evaluation = partly_trained.workload.evaluate(partly_trained.model, problems=10_000, seed=4)
    a, b = held_out(10_000, 2, "test", seed=4)
    assert evaluation.problems == len(a) == 1_000, "all two-digit test problems that exist"
    assert 0 < evaluation.successes < evaluation.problems
    said = form.decode(greedy_answers(partly_trained.model, a, b, form))
    assert evaluation.successes == int((said == a + b).sum())
    check_tables(evaluation, form)
    columns = [columns_by_hand(x, y, 2) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    carries, chains = [sum(each) for each in columns], [longest_by_hand(each) for each in columns]
    by_carries, by_chain = table(evaluation, "number of carries"), table(evaluation, "longest chain")
    assert [row[2] for row in by_carries] == [carries.count(count) for count in range(3)]
    assert [row[2] for row in by_chain] == [chains.count(count) for count in range(3)]


@torch.no_grad()
def test_the_tables_of_a_model_that_knows_some_sums_agree_with_its_headline(
    half_learnt: tuple[str, Format, nn.Module],
) -> None:
    _, form, model = half_learnt
    evaluation = evaluate(model, form, problems=10_000, seed=4)
    a, b = held_out(10_000, 2, "test", seed=4)
    said = form.decode(greedy_answers(model, a, b, form))
    right = said == a + b
    assert 0 < evaluation.successes == int(right.sum()) < evaluation.problems == 1_000
    check_tables(evaluation, form)
    logits, answers = teacher_forced_logits(model, form.encode(a, b), form), form.encode_answer(a + b)
    of_right = margins(logits, answers).amin(1)[right]
    (_, smallest), (_, quantile), (_, thin) = table(evaluation, "Margin")
    assert smallest == pytest.approx(of_right.min().item())
    assert quantile == pytest.approx(np.quantile(of_right.numpy(), 0.01))
    assert thin == int((of_right < 0.01).sum())
    wrong = zip(a[~right].tolist(), b[~right].tolist(), said[~right].tolist(), strict=True)
    assert table(evaluation, "Failures") == [
        (f"{x} + {y}", "no number" if value == MALFORMED else value, x + y)
        for x, y, value in list(wrong)[:20]
    ]


@every_kind
def test_an_evaluation_finds_exactly_the_mistakes_that_a_model_makes(kind: str) -> None:
    """This one forgets the leading digit's carry, so that problems with a sum beyond 999 are wrong."""
    model, form = adder(kind, 3, wrap=1000), form_of(kind, 3)
    evaluation = evaluate(model, form, problems=3_000, seed=1)
    a, b = held_out(3_000, 3, "test", seed=1)
    expected = int((a + b < 1000).sum())
    assert (evaluation.metric, evaluation.successes, evaluation.problems) == (
        "exact_match", expected, 3_000,
    )  # fmt: skip
    assert evaluation.drawn_from == "3-digit pairs of the test split, seed 1"
    check_tables(evaluation, form)

    right = form.encode_answer(a + b) == form.encode_answer((a + b) % 1000)
    by_position = {row[0]: row[1] for row in table(evaluation, "position")}
    assert list(by_position) == POSITIONS[kind]
    assert list(by_position.values()) == right.sum(0).tolist()
    if "variable" not in kind:
        leading = "100^1s" if kind == "base100" else "10^3s"
        assert by_position == {name: expected if name == leading else 3_000 for name in POSITIONS[kind]}

    columns = [columns_by_hand(x, y, 3) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    for title, value in (("number of carries", sum), ("longest chain", longest_by_hand)):
        of = Counter(value(each) for each in columns)
        solved = Counter(value(each) for each in columns if not each[2])
        rows = [(group, solved[group], of[group], solved[group] / of[group]) for group in range(4)]
        assert table(evaluation, title) == rows
    assert all(said == truth - 1000 for _, said, truth in table(evaluation, "Failures"))
    for _, said, truth, answer in table(evaluation, "Edge cases"):
        assert said == truth % 1000
        assert answer == ("yes" if truth < 1000 else "no")
    assert [value for _, value in table(evaluation, "Margin")] == [1.0, 1.0, 0]


@every_kind
def test_right_answers_with_a_thin_margin_are_counted(kind: str) -> None:
    """Each problem has a margin of its own, and those that are wrong do not count however thin it is."""

    def lead(a: Tensor, b: Tensor) -> Tensor:
        return 0.002 + (a * 100 + b) / 100_000

    form = form_of(kind, 2)
    model = Scripted(form, lambda a, b: form.encode_answer((a + b) % 100), lead)
    evaluation = evaluate(model, form, problems=1_000, seed=2)
    a, b = held_out(1_000, 2, "test", seed=2)
    of_right = lead(a, b)[a + b < 100].double()
    (_, smallest), (_, quantile), (what, thin) = table(evaluation, "Margin")
    assert smallest == pytest.approx(of_right.min().item())
    assert quantile == pytest.approx(np.quantile(of_right.numpy(), 0.01))
    assert "below 0.01" in what
    assert thin == int((of_right < 0.01).sum())
    assert 0 < thin < int((lead(a, b) < 0.01).sum()) < len(of_right)


@pytest.mark.parametrize(
    ("kind", "token"),
    [("delimited", PLUS), ("characters", END), ("characters, forward, variable", PLUS), ("base100", 102)],
)
def test_a_failure_without_a_number_says_so(kind: str, token: int) -> None:
    form = form_of(kind, 2)
    model = Scripted(form, lambda a, b: form.encode_answer(a + b).index_fill(1, torch.tensor([1]), token))
    evaluation = evaluate(model, form, problems=30, seed=1)
    assert evaluation.successes == 0
    assert {row[1] for row in table(evaluation, "Failures")} == {"no number"}
    assert {row[1] for row in table(evaluation, "Edge cases")} == {"no number"}
    check_tables(evaluation, form)


@every_kind
@pytest.mark.parametrize("digits", [1, 3, MAX_DIGITS])
def test_a_model_without_a_mistake_is_evaluated_like_any_other(kind: str, digits: int) -> None:
    model, form = adder(kind, digits), form_of(kind, digits)
    evaluation = AdditionWorkload(config_of(kind, digits), CPU).evaluate(model, problems=2_500, seed=0)
    assert evaluation.successes == evaluation.problems == (2_500 if digits > 1 else 2)
    assert table(evaluation, "Failures") == []
    assert {row[3] for row in table(evaluation, "Edge cases")} == {"yes"}
    check_tables(evaluation, form)


def test_a_transformer_without_a_mistake_is_evaluated_like_any_other(partly_trained: LoadedModel) -> None:
    """Most adders worth keeping make no mistake: then there is no failure to decode. Here, on one problem.

    At least a fifth of all problems is right: that none of 60 single ones is has a chance of 2 in 10**6.
    """
    for seed in range(60):
        evaluation = partly_trained.workload.evaluate(partly_trained.model, problems=1, seed=seed)
        assert evaluation.problems == 1
        if evaluation.successes == 1:
            assert table(evaluation, "Failures") == []
            return
    pytest.fail("no single problem was right")


def test_an_evaluation_is_decided_by_its_seed(partly_trained: LoadedModel) -> None:
    def evaluated(seed: int) -> Evaluation:
        return partly_trained.workload.evaluate(partly_trained.model, problems=100, seed=seed)

    assert evaluated(1) == evaluated(1)
    assert table(evaluated(1), "Failures") != table(evaluated(2), "Failures")


# Edge cases


@pytest.mark.parametrize("digits", range(1, MAX_DIGITS + 1))
def test_edge_cases_are_different_and_within_what_can_be_asked(digits: int) -> None:
    cases = edge_cases(digits)
    nines = 10**digits - 1
    assert len(set(cases)) == len(cases) >= 7
    assert all(0 <= operand <= nines for case in cases for operand in case)
    assert {(0, 0), (nines, nines), (nines, 0), (nines, 1), (1, nines)} <= set(cases)
    chains = [longest_by_hand(columns_by_hand(a, b, digits)) for a, b in cases]
    assert max(chains) == digits, "the longest chain that can be"
    assert any(a + b == nines and a and b for a, b in cases), "a chain that nearly is"


def test_the_edge_cases_of_three_digits_are_these() -> None:
    assert edge_cases(3) == [
        (0, 0), (0, 1), (999, 0), (999, 999), (999, 1), (1, 999), (500, 500), (555, 555), (111, 888),
        (909, 91), (890, 210),
    ]  # fmt: skip


@every_kind
def test_edge_cases_can_be_written_at_every_length(kind: str) -> None:
    for digits in range(1, MAX_DIGITS + 1):
        form = form_of(kind, digits)
        a, b = torch.tensor(edge_cases(digits)).T
        assert torch.equal(form.decode(form.encode_answer(a + b)), a + b)


# Adding two numbers


@every_kind
def test_add_returns_the_sum_that_a_model_spells(kind: str) -> None:
    form = form_of(kind, 10)
    right = adder(kind, 10)
    assert add(right, 1234567890, 9876543210, form) == 11111111100
    assert add(right, 0, 0, form) == 0
    assert add(adder(kind, 10, wrap=100), 9999999999, 2, form) == 1


@pytest.mark.parametrize(
    ("kind", "token"), [("delimited", EOS), ("characters, variable", END), ("base100", 100)]
)
def test_add_returns_nothing_where_a_model_spells_no_number(kind: str, token: int) -> None:
    form = form_of(kind, 10)
    silent = Scripted(form, lambda a, b: torch.full((len(a), form.layout.answer_length), token))
    assert add(silent, 1, 2, form) is None
    assert MALFORMED != 0, "a wrong answer must not look like the sum of nothing and nothing"


# Learning


def test_a_small_model_learns_to_add_three_digit_numbers(tmp_path: Path) -> None:
    """At least two of three seeds solve it.

    Seen with PyTorch 2.13 on one CPU thread: 22 of 24 seeds solved it, and all of those had 0.994 or more
    of the test problems right, these three 0.9997 or more. At 22 in 24, two of three fail for 2 in 100
    triples of seeds; these seeds are fixed, so only other arithmetic than that machine's can draw again.
    """
    solved = 0
    for seed in (1, 2, 4):
        config = AdditionConfig(
            digits=3, d_model=16, n_heads=4, d_ff=48, lr=0.02, batch=128, steps=2000, seed=seed
        )
        target = Target(metric="exact_match", value=0.99, direction="max")
        ending, loaded = trained(config, target, tmp_path)
        evaluation = loaded.workload.evaluate(loaded.model, problems=10_000, seed=0)
        assert evaluation.problems == 10_000
        solved += ending == "solved" and evaluation.successes >= 9_900
        if solved == 2:
            return
    pytest.fail(f"only {solved} of 3 seeds learnt to add")
