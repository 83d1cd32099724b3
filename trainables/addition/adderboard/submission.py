"""One self-contained Python file for the public challenge AdderBoard, from a trained model.

The file holds the model with every choice already made, its weights as numbers, and the functions that
the challenge calls: ``build_model()`` and ``add(model, a, b)``.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from torch import Tensor, nn

from trainables.addition.adderboard.description import architecture, tricks
from trainables.addition.adderboard.model import model_code
from trainables.addition.adderboard.notation import notation
from trainables.addition.adderboard.weights import weights_code
from trainables.addition.config import AdditionConfig
from trainables.contract import CheckpointError

_WIDTH = 100
"""Columns that running text fills."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A file for the challenge, and its description of the model."""

    name: str
    author: str
    parameters: int
    architecture: str
    tricks: list[str]
    text: str


def make_submission(
    config: AdditionConfig, model: nn.Module, *, name: str | None = None, author: str = "unknown"
) -> Submission:
    """Return the file of a trained model.

    Args:
        config: its configuration, for operands of ten digits.
        model: the model with its trained weights, as the configuration's workload builds it.
        name: the model's name in the file; by default from its number of parameters.
        author: the author named in the file.

    Raises:
        CheckpointError: a weight is not finite.
    """
    layout = config.layout
    spelling = notation(layout)
    code = model_code(config, vocabulary=layout.vocabulary, positions=layout.positions)
    trained = model.state_dict()
    weights = {own: trained[theirs].cpu() for own, theirs in code.weights.items()}
    _check(model, weights)
    parameters = sum(tensor.numel() for tensor in weights.values())
    name = f"paretune-{parameters}" if name is None else name
    sentence, specialities = architecture(config), tricks(config, spelling.trick)
    return Submission(
        name=name,
        author=author,
        parameters=parameters,
        architecture=sentence,
        tricks=specialities,
        text="\n\n\n".join(
            [
                _HEAD.format(
                    parameters=parameters,
                    architecture=textwrap.fill(sentence, _WIDTH),
                    prompt=spelling.prompt,
                    answer=spelling.answer,
                    imports="import math\n\nimport torch" if code.needs_math else "import torch",
                ),
                *code.functions,
                weights_code(weights),
                _metadata(name, author, parameters, sentence, specialities),
                _BUILD_MODEL,
                *spelling.code,
                _DECODING.format(answer_length=layout.answer_length),
            ]
        ),
    )


def _check(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Refuse non-finite weights, and assert that each weight is written exactly once."""
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise CheckpointError(f"the model has weights that are not finite numbers, in {name}")
    unique = {parameter.data_ptr(): parameter.numel() for parameter in model.parameters()}
    assert sum(tensor.numel() for tensor in weights.values()) == sum(unique.values())


def _metadata(name: str, author: str, parameters: int, sentence: str, specialities: list[str]) -> str:
    *lines, last = textwrap.wrap(sentence, _WIDTH - 2)
    return "\n".join(
        [
            "METADATA = {",
            f'    "name": {_quoted(name)},',
            f'    "author": {_quoted(author)},',
            f'    "params": {parameters},',
            '    "architecture": (',
            *(f"        {_quoted(line)}" for line in [*(f"{line} " for line in lines), last]),
            "    ),",
            '    "tricks": [',
            *(f"        {_quoted(trick)}," for trick in specialities),
            "    ],",
            "}",
        ]
    )


def _quoted(text: str) -> str:
    """Return a text without control characters as Python source, in the quotes that need less escaping."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return quote + text.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote


_HEAD = '''\
"""A transformer of {parameters} parameters that adds two numbers of ten digits.

{architecture}

It reads a problem as tokens and continues them one by one, each time with the most likely token:
    {prompt}
continues with
    {answer}
if it adds 42 and 7 correctly. In comments, B is the number of sequences and T that of their tokens.

This file needs Python and torch 2.4 or newer. paretune wrote it, with the weights that were trained.
"""

{imports}
import torch.nn.functional as F
from torch import nn'''

_BUILD_MODEL = '''\
def build_model():
    """Return the model with its trained weights, and its metadata."""
    model = Transformer()
    model.load_state_dict({name: torch.tensor(values) for name, values in WEIGHTS.items()})
    return model.eval(), METADATA'''

_DECODING = '''\
@torch.no_grad()
def continued(model, tokens, count):
    """Return the greedy continuation of some tokens: count times the most likely next one."""
    said = []
    for _ in range(count):
        logits = model(torch.tensor([tokens + said]))
        said.append(int(logits[0, -1].argmax()))
    return said


def add(model, a: int, b: int) -> int:
    """Return the model's answer to a + b, or -1 if it is not a number."""
    return read(continued(model, prompt(a, b), {answer_length}))
'''
