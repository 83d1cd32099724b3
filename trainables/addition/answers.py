"""A model's answers: all answer positions in one pass, or token by token."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paretune.errors import InputError
from trainables.addition.config import AdditionConfig
from trainables.addition.formats import MALFORMED, Format, make_format


def teacher_forced_logits(model: nn.Module, sequences: Tensor, form: Format) -> Tensor:
    """Return the logits of every answer token, each given the true tokens before it.

    Args:
        model: a :class:`trainables.transformer.model.Transformer`.
        sequences: int64 tensor of shape (n, length), as the format encodes them.
        form: the format.

    Returns:
        Float tensor of shape (n, answer_length, vocabulary).
    """
    logits: Tensor = model(sequences[:, :-1], last=form.layout.target_length)
    return form.at_answers(logits, sequences)


def right_tokens(logits: Tensor, answers: Tensor) -> Tensor:
    """Return which answer tokens have the highest logit: bool tensor of shape (n, answer_length).

    A row is all True if and only if greedy decoding gives the correct answer: as long as every token
    so far is correct, the true tokens are those that the decoder has written itself. A position with a
    non-finite logit is incorrect, whatever argmax returns.
    """
    return (logits.argmax(-1) == answers) & logits.isfinite().all(-1)


def margins(logits: Tensor, answers: Tensor) -> Tensor:
    """Return by how much the correct token's logit exceeds the best other: shape (n, answer_length).

    A margin near zero can change sign with another machine's rounding; below zero, the token is incorrect.
    """
    right = logits.gather(-1, answers[..., None])
    others = logits.scatter(-1, answers[..., None], -torch.inf)
    return right[..., 0] - others.amax(-1)


@torch.no_grad()
def greedy_answers(model: nn.Module, a: Tensor, b: Tensor, form: Format) -> Tensor:
    """Decode the answers to ``a + b`` token by token.

    Args:
        model: a :class:`trainables.transformer.model.Transformer`.
        a: int64 tensor of shape (n,).
        b: the same.
        form: the format.

    Returns:
        int64 tensor of shape (n, answer_length).
    """
    layout = form.layout
    sequences = form.encode_prompt(a, b)
    begin = form.answers_begin(sequences)
    sequences = F.pad(sequences, (0, layout.length - layout.prompt_length))
    for position in range(layout.earliest_answer, layout.prompt_length + layout.answer_length):
        following = model(sequences[:, :position], last=1)[:, -1].argmax(-1)
        # Longer prompts still go on where the answers to shorter ones have begun.
        is_answer = torch.as_tensor(begin <= position, device=following.device)
        sequences[:, position] = torch.where(is_answer, following, sequences[:, position])
    return form.answers_in(sequences)


def add(model: nn.Module, a: int, b: int, form: Format) -> int | None:
    """Let a model add two numbers of at most the format's digits; None if its answer is not a number."""
    value = int(form.decode(greedy_answers(model, torch.tensor([a]), torch.tensor([b]), form)))
    return None if value == MALFORMED else value


def answer(model: nn.Module, a: int, b: int, config: AdditionConfig) -> int | None:
    """Let a model of a configuration add two numbers; None if its answer is not a number.

    Raises:
        InputError: a number has more digits than the model was trained for.
    """
    largest = 10**config.digits - 1
    if max(a, b) > largest:
        raise InputError(
            f"this model adds numbers of up to {config.digits} digits, 0 to {largest}, but got {max(a, b)}"
        )
    return add(model, a, b, make_format(config.layout))
