"""The evaluation of a trained adder on held-out test problems."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from trainables.addition.answers import greedy_answers, margins, right_tokens, teacher_forced_logits
from trainables.addition.carries import carries_in, longest_chain
from trainables.addition.formats import MALFORMED, Format
from trainables.addition.problems import held_out
from trainables.contract import Evaluation, Table

MAX_FAILURES_SHOWN = 20
THIN_MARGIN = 0.01
"""A margin between logits whose sign could change with another machine's rounding or order of summation."""

_CHUNK = 2048


@torch.no_grad()
def evaluate(model: nn.Module, form: Format, *, problems: int, seed: int) -> Evaluation:
    """Measure exact match on up to ``problems`` uniformly drawn problems of the test split.

    Tables: accuracy per answer position, per number of carries and per longest chain of them, edge
    cases, logit margins, and failures with the greedy prediction beside the truth.
    """
    digits = form.layout.digits
    a, b = held_out(problems, digits, "test", seed=seed)
    device = next(model.parameters()).device
    model.eval()
    right, margin = [], []
    for part in torch.split(form.encode(a, b), _CHUNK):
        logits = teacher_forced_logits(model, part.to(device), form).cpu()
        answers = form.answers_in(part)
        right.append(right_tokens(logits, answers))
        margin.append(margins(logits, answers).amin(1))
    correct = torch.cat(right)  # (n, answer_length)
    solved = correct.all(1)
    return Evaluation(
        metric="exact_match",
        successes=int(solved.sum()),
        problems=len(a),
        drawn_from=f"{digits}-digit pairs of the test split, seed {seed}",
        tables=(
            _by_position(correct, form),
            _by_group("Exact match per number of carries", "carries", solved, carries_in(a, b, digits)),
            _by_group(
                "Exact match per longest chain of carries", "chain", solved, longest_chain(a, b, digits)
            ),
            _edge_cases(model, form),
            _margins(torch.cat(margin), solved),
            _failures(model, form, a[~solved], b[~solved]),
        ),
    )


def edge_cases(digits: int) -> list[tuple[int, int]]:
    """Return edge cases for operands of up to ``digits`` digits."""
    nines, ones = 10**digits - 1, (10**digits - 1) // 9
    fives, half = 5 * ones, 5 * 10 ** (digits - 1)
    alternating = int(("90" * digits)[:digits])
    return list(
        dict.fromkeys(
            [
                (0, 0),
                (0, 1),
                (nines, 0),
                (nines, nines),
                (nines, 1),  # the longest chain of carries, from one end to the other
                (1, nines),
                (half, half),
                (fives, fives),
                (ones, nines - ones),  # every column sums to nine
                (alternating, nines - alternating + 1),  # a chain over mixed digits
                (int("1234567890" * 2) % 10**digits, int("9876543210" * 2) % 10**digits),
            ]
        )
    )


def _by_position(correct: Tensor, form: Format) -> Table:
    rows = [
        (name, int(column.sum()), len(column), float(column.double().mean()))
        for name, column in zip(_position_names(form), correct.T, strict=True)
    ]
    return Table(
        title="Accuracy per answer position", columns=("position", "right", "of", "share"), rows=rows
    )


def _position_names(form: Format) -> Iterator[str]:
    """Name the answer's tokens: by their place where it is fixed, else by their order."""
    layout = form.layout
    if layout.variable or layout.padding != "none":
        yield from (f"token {number}" for number in range(1, layout.answer_length + 1))
        return
    base = 100 if layout.name == "base100" else 10
    places = range(layout.answer_length - (layout.eos is not None))
    falling = layout.forward or layout.name == "base100"
    for place in reversed(places) if falling else places:
        yield "1s" if place == 0 else f"{base}^{place}s"
    if layout.eos is not None:
        yield "end"


def _by_group(title: str, name: str, solved: Tensor, group: Tensor) -> Table:
    rows = []
    for value in sorted(set(group.tolist())):
        members = solved[group == value]
        rows.append((value, int(members.sum()), len(members), float(members.double().mean())))
    return Table(title=title, columns=(name, "right", "of", "share"), rows=rows)


def _edge_cases(model: nn.Module, form: Format) -> Table:
    cases = torch.tensor(edge_cases(form.layout.digits)).T
    return Table(
        title="Edge cases (training may have seen them)",
        columns=("problem", "prediction", "truth", "right"),
        rows=[
            (*row, "yes" if row[1] == row[2] else "no")
            for row in _predictions(model, form, cases[0], cases[1])
        ],
    )


def _margins(margin: Tensor, solved: Tensor) -> Table:
    thin = int((solved & (margin < THIN_MARGIN)).sum())
    rows: list[tuple[str, float | int]] = []
    if solved.any():
        rows.append(("smallest margin of a correct answer", float(margin[solved].min())))
        rows.append(("its 1 % quantile", float(margin[solved].double().quantile(0.01))))
        rows.append((f"correct answers below {THIN_MARGIN:g}, which another machine could get wrong", thin))
    return Table(
        title="Margin between the correct token's logit and the next", columns=("what", "value"), rows=rows
    )


def _failures(model: nn.Module, form: Format, a: Tensor, b: Tensor) -> Table:
    return Table(
        title="Failures",
        columns=("problem", "prediction", "truth"),
        rows=_predictions(model, form, a[:MAX_FAILURES_SHOWN], b[:MAX_FAILURES_SHOWN]),
    )


def _predictions(model: nn.Module, form: Format, a: Tensor, b: Tensor) -> list[tuple[str, str | int, int]]:
    device = next(model.parameters()).device
    said = form.decode(greedy_answers(model, a.to(device), b.to(device), form)).tolist()
    return [
        (f"{x} + {y}", "no number" if value == MALFORMED else value, x + y)
        for x, y, value in zip(a.tolist(), b.tolist(), said, strict=True)
    ]
