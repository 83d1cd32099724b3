"""The examination of a trained adder on held-out test problems."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainables.addition.answers import greedy_answers, right_tokens, teacher_forced_logits
from trainables.addition.format import MALFORMED, ReversedSum
from trainables.addition.problems import carries_in, held_out
from trainables.contract import Examination, Table

MAX_FAILURES_SHOWN = 20
_CHUNK = 2048


@torch.no_grad()
def examine(model: nn.Module, form: ReversedSum, *, problems: int, seed: int) -> Examination:
    """Measure exact match on up to ``problems`` uniformly drawn problems of the test split.

    Tables: accuracy per answer position, per number of carries, and failures with the greedy
    prediction beside the truth.
    """
    a, b = held_out(problems, form.digits, "test", seed=seed)
    device = next(model.parameters()).device
    model.eval()
    right = []
    for part in torch.split(form.encode(a, b), _CHUNK):
        logits = teacher_forced_logits(model, part.to(device), form).cpu()
        right.append(right_tokens(logits, part[:, form.prompt_length :]))
    correct = torch.cat(right)  # (n, answer_length)
    solved = correct.all(1)
    return Examination(
        metric="exact_match",
        successes=int(solved.sum()),
        problems=len(a),
        drawn_from=f"{form.digits}-digit pairs of the test split, seed {seed}",
        tables=(
            _by_position(correct, form),
            _by_carries(solved, carries_in(a, b, form.digits), form.digits),
            _failures(model, form, a[~solved], b[~solved]),
        ),
    )


def _by_position(correct: Tensor, form: ReversedSum) -> Table:
    names = ["1s", *(f"10^{place}s" for place in range(1, form.digits + 1)), "end"]
    rows = [
        (name, int(column.sum()), len(column), float(column.double().mean()))
        for name, column in zip(names, correct.T, strict=True)
    ]
    return Table(
        title="Accuracy per answer position", columns=("position", "right", "of", "share"), rows=rows
    )


def _by_carries(solved: Tensor, carries: Tensor, digits: int) -> Table:
    rows = []
    for count in range(digits + 1):
        group = solved[carries == count]
        if len(group):
            rows.append((count, int(group.sum()), len(group), float(group.double().mean())))
    return Table(
        title="Exact match per number of carries", columns=("carries", "right", "of", "share"), rows=rows
    )


def _failures(model: nn.Module, form: ReversedSum, a: Tensor, b: Tensor) -> Table:
    a, b = a[:MAX_FAILURES_SHOWN], b[:MAX_FAILURES_SHOWN]
    device = next(model.parameters()).device
    answers = greedy_answers(model, a.to(device), b.to(device), form).cpu()
    said = form.decode(answers).tolist()
    rows = [
        (f"{x} + {y}", "no number" if value == MALFORMED else value, x + y)
        for x, y, value in zip(a.tolist(), b.tolist(), said, strict=True)
    ]
    return Table(title="Failures", columns=("problem", "prediction", "truth"), rows=rows)
