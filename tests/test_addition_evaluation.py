"""Measuring an adder: one pass equals greedy decoding, what is not finite is wrong, tables agree."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from trainables.addition.answers import add, greedy_answers, right_tokens, teacher_forced_logits
from trainables.addition.config import AdditionConfig
from trainables.addition.format import MALFORMED, ReversedSum
from trainables.addition.layout import EOS, PLUS, VOCABULARY
from trainables.addition.problems import carries_in, held_out
from trainables.addition.workload import AdditionWorkload
from trainables.checkpoints import LoadedModel, load_model, save
from trainables.contract import Ending, Examination, Target
from trainables.loop import train
from trainables.tasks import TASKS
from trainables.transformer.model import Transformer

CPU = torch.device("cpu")


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
        target=target,
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


def untrained_transformer(digits: int, seed: int, **shape: object) -> Transformer:
    config = AdditionConfig.model_validate(
        {"digits": digits, "d_model": 8, "n_heads": 2, "d_ff": 16, "n_layers": 1, **shape}
    )
    torch.manual_seed(seed)
    model = Transformer(config, vocabulary=VOCABULARY, positions=ReversedSum(digits).positions)
    # In double precision, so that the two ways' different rounding cannot decide between two tokens.
    return model.double().eval()


def every_pair(digits: int) -> tuple[Tensor, Tensor]:
    every = torch.arange(100**digits)
    return every // 10**digits, every % 10**digits


class Scripted(nn.Module):
    """Answers every problem as ``script(a, b)`` says, whatever it has been fed of the answer."""

    def __init__(self, digits: int, script: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.form, self.script = ReversedSum(digits), script

    def forward(self, tokens: Tensor, *, last: int) -> Tensor:
        d = self.form.digits
        powers = torch.tensor([10**place for place in reversed(range(d))])
        a, b = (tokens[:, :d] * powers).sum(1), (tokens[:, d + 1 : 2 * d + 1] * powers).sum(1)
        answers = self.script(a, b)
        # The logits at position p are about token p + 1.
        end = tokens.shape[1] + 1 - self.form.prompt_length
        return nn.functional.one_hot(answers[:, end - last : end], VOCABULARY).float()


def written(total: Tensor, digits: int) -> Tensor:
    places = torch.tensor([10**place for place in range(digits + 1)])
    return torch.cat([total[:, None] // places % 10, torch.full((len(total), 1), EOS)], dim=1)


# One pass with the true tokens equals decoding


@pytest.mark.parametrize("digits", [1, 3, 10])
@pytest.mark.parametrize("seed", range(4))
@torch.no_grad()
def test_one_pass_accepts_exactly_what_an_untrained_model_decodes(digits: int, seed: int) -> None:
    """An untrained model adds nothing right, so its own answers stand in for the truth.

    The pass over what it decodes must accept every token; the pass over the same answer with one
    token changed must not, wherever the change is.
    """
    form = ReversedSum(digits)
    model = untrained_transformer(digits, seed, n_layers=1 + seed % 2, tied_embeddings=seed < 2)
    a, b = held_out(200, digits, "train", seed=seed)
    prompt, said = form.encode_prompt(a, b), greedy_answers(model, a, b, form)
    assert said.shape == (len(a), form.answer_length)
    own = torch.cat([prompt, said], dim=1)
    assert right_tokens(teacher_forced_logits(model, own, form), said).all()

    generator = torch.Generator().manual_seed(seed)
    rows = torch.arange(len(a))
    place = torch.randint(form.answer_length, (len(a),), generator=generator)
    other = said.clone()
    other[rows, place] = (said[rows, place] + torch.randint(1, 14, (len(a),), generator=generator)) % 14
    changed = right_tokens(teacher_forced_logits(model, torch.cat([prompt, other], dim=1), form), other)
    assert not changed.all(1).any()
    before_change = torch.arange(form.answer_length) < place[:, None]
    assert changed[before_change].all(), "tokens before the change are still what it decodes"


@torch.no_grad()
def test_one_pass_and_decoding_agree_on_every_problem_of_a_partly_trained_model(
    partly_trained: LoadedModel,
) -> None:
    """On all 10,000 two-digit problems; training stops near one answer in five (seen: 0.25 to 0.55)."""
    form = ReversedSum(2)
    a, b = every_pair(2)
    sequences = form.encode(a, b)
    answers = sequences[:, form.prompt_length :]
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
    form = ReversedSum(2)
    # There are exactly 1,000 two-digit validation problems, so every trial measures on all of them.
    a, b = held_out(5_000, 2, "validation", seed=9)
    said = form.decode(greedy_answers(partly_trained.model, a, b, form))
    measured = partly_trained.workload.validate(partly_trained.model)
    assert len(a) == 1_000
    assert 0 < measured["exact_match"] < 1
    assert measured["exact_match"] == (said == a + b).double().mean().item()
    assert measured["exact_match"] <= measured["token_accuracy"] < 1


@torch.no_grad()
def test_training_measures_the_loss_of_answer_tokens_only() -> None:
    """Written out for each token: minus the logarithm of the true token's probability."""
    config = AdditionConfig(digits=3, batch=5)
    workload = AdditionWorkload(config, CPU)
    torch.manual_seed(0)
    model, batch = workload.build_model(), workload.batch(1)
    logits = model(batch[:, :-1])
    surprises = [
        -logits[row, position - 1].log_softmax(-1)[batch[row, position]].item()
        for row in range(5)
        for position in range(8, 13)
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


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_model_of_nan_or_infinite_weights_never_looks_right(poison: float) -> None:
    workload = AdditionWorkload(AdditionConfig(digits=2), CPU)
    model = workload.build_model()
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(poison)
    measured = workload.validate(model)
    assert measured["exact_match"] == measured["token_accuracy"] == 0
    examination = workload.examine(model, problems=100, seed=0)
    assert examination.successes == 0
    assert examination.problems == 100


# The examination


def table(examination: Examination, title: str) -> list[tuple]:
    (found,) = [table for table in examination.tables if title in table.title]
    assert all(len(row) == len(found.columns) for row in found.rows)
    return [tuple(row) for row in found.rows]


def check_tables(examination: Examination, answer_length: int) -> None:
    """Check that each table counts the same problems as the headline."""
    n, successes = examination.problems, examination.successes
    by_position = table(examination, "position")
    assert len(by_position) == answer_length
    for _, right, of, share in by_position:
        assert of == n
        assert successes <= right <= n
        assert share == right / of
    assert n - successes <= sum(n - right for _, right, _, _ in by_position)

    by_carries = table(examination, "carries")
    assert sum(of for _, _, of, _ in by_carries) == n
    assert sum(right for _, right, _, _ in by_carries) == successes
    for _, right, of, share in by_carries:
        assert of > 0
        assert share == right / of
    assert [row[0] for row in by_carries] == sorted({row[0] for row in by_carries})

    failures = table(examination, "Failures")
    assert len(failures) == min(20, n - successes)
    for problem, prediction, truth in failures:
        a, b = problem.split(" + ")
        assert int(a) + int(b) == truth
        assert prediction != truth


def test_the_tables_of_a_partly_trained_model_agree_with_its_headline(partly_trained: LoadedModel) -> None:
    form = ReversedSum(2)
    examination = partly_trained.workload.examine(partly_trained.model, problems=10_000, seed=4)
    a, b = held_out(10_000, 2, "test", seed=4)
    assert examination.problems == len(a) == 1_000, "all two-digit test problems that exist"
    assert 0 < examination.successes < examination.problems
    said = form.decode(greedy_answers(partly_trained.model, a, b, form))
    assert examination.successes == int((said == a + b).sum())
    check_tables(examination, form.answer_length)
    carries = carries_in(a, b, 2).tolist()
    assert [row[2] for row in table(examination, "carries")] == [carries.count(count) for count in range(3)]


def test_an_examination_finds_exactly_the_mistakes_that_a_model_makes() -> None:
    """This one forgets the leading digit's carry, so that problems with a sum beyond 999 are wrong."""
    model = Scripted(3, lambda a, b: written((a + b) % 1000, 3))
    examination = AdditionWorkload(AdditionConfig(digits=3), CPU).examine(model, problems=5_000, seed=1)
    a, b = held_out(5_000, 3, "test", seed=1)
    expected = int((a + b < 1000).sum())
    assert (examination.successes, examination.problems) == (expected, 5_000)
    check_tables(examination, 5)
    shares = {row[0]: row[1] for row in table(examination, "position")}
    assert shares == {"1s": 5_000, "10^1s": 5_000, "10^2s": 5_000, "10^3s": expected, "end": 5_000}
    by_carries = {row[0]: row[3] for row in table(examination, "carries")}
    assert by_carries[0] == 1
    assert by_carries[3] == 0
    assert all(said == truth - 1000 for _, said, truth in table(examination, "Failures"))


def test_a_failure_without_a_number_says_so() -> None:
    model = Scripted(2, lambda a, b: written(a + b, 2).index_fill(1, torch.tensor([1]), PLUS))
    examination = AdditionWorkload(AdditionConfig(digits=2), CPU).examine(model, problems=30, seed=1)
    assert examination.successes == 0
    assert {row[1] for row in table(examination, "Failures")} == {"no number"}


def test_a_model_without_a_mistake_is_examined_like_any_other() -> None:
    model = Scripted(3, lambda a, b: written(a + b, 3))
    examination = AdditionWorkload(AdditionConfig(digits=3), CPU).examine(model, problems=3_000, seed=0)
    assert examination.successes == examination.problems == 3_000
    assert table(examination, "Failures") == []
    check_tables(examination, 5)


def test_a_transformer_without_a_mistake_is_examined_like_any_other(partly_trained: LoadedModel) -> None:
    """Most adders worth keeping make no mistake: then there is no failure to decode. Here, on one problem.

    At least a fifth of all problems is right: that none of 60 single ones is has a chance of 2 in 10**6.
    """
    for seed in range(60):
        examination = partly_trained.workload.examine(partly_trained.model, problems=1, seed=seed)
        assert examination.problems == 1
        if examination.successes == 1:
            assert table(examination, "Failures") == []
            return
    pytest.fail("no single problem was right")


def test_an_examination_is_decided_by_its_seed(partly_trained: LoadedModel) -> None:
    def examined(seed: int) -> Examination:
        return partly_trained.workload.examine(partly_trained.model, problems=100, seed=seed)

    assert examined(1) == examined(1)
    assert table(examined(1), "Failures") != table(examined(2), "Failures")


# Adding two numbers


def test_add_returns_what_the_model_spells_or_none() -> None:
    right = Scripted(10, lambda a, b: written(a + b, 10))
    assert add(right, 1234567890, 9876543210, digits=10) == 11111111100
    assert add(right, 0, 0, digits=10) == 0
    silent = Scripted(10, lambda a, b: torch.full((len(a), 12), EOS))
    assert add(silent, 1, 2, digits=10) is None
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
        examination = loaded.workload.examine(loaded.model, problems=10_000, seed=0)
        assert examination.problems == 10_000
        solved += ending == "solved" and examination.successes >= 9_900
        if solved == 2:
            return
    pytest.fail(f"only {solved} of 3 seeds learnt to add")
