"""Kernels for tests: drawn configurations, and engines of both scalar types compiled side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.transformer_shapes import shapes
from trainables.addition.config import AdditionConfig
from trainables.addition.native.compiler import Compiler, find_compiler
from trainables.addition.native.engine import NativeEngine
from trainables.addition.workload import AdditionWorkload
from trainables.transformer.model import Transformer

CPU = torch.device("cpu")
FORMATS: list[dict[str, Any]] = [
    {"format": "delimited"},
    {"format": "delimited", "pad_token": False},
    {"format": "undelimited"},
    {"format": "aligned"},
    {"format": "characters"},
    {"format": "characters", "answer_order": "forward", "answer_length": "variable"},
    {"format": "base100"},
]


@st.composite
def configurations(draw: st.DrawFn) -> AdditionConfig:
    """Draw a configuration that the native engine can do: any shape without dropout, any format."""
    shape = draw(shapes())
    return AdditionConfig.model_validate(
        {**shape.model_dump(), **draw(st.sampled_from(FORMATS)), "digits": draw(st.sampled_from([1, 2, 3]))}
    )


needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="needs a C++ compiler: g++ or clang")


def compiler() -> Compiler:
    found = find_compiler()
    assert found is not None
    return found


def engines(config: AdditionConfig) -> tuple[NativeEngine, NativeEngine]:
    """Return the engines of a configuration in float64 and float32, compiled at the same time."""
    with ThreadPoolExecutor(2) as pool:
        double, single = pool.map(
            lambda dtype: NativeEngine(config, compiler(), dtype=dtype), (torch.float64, torch.float32)
        )
    return double, single


def some_model(config: AdditionConfig, seed: int = 0) -> Transformer:
    """Return a model whose every parameter, biases and norms too, is far from 0 and 1."""
    torch.manual_seed(seed)
    model = AdditionWorkload(config, CPU).build_model()
    for parameter in model.parameters():
        if parameter.dim() < 2:
            nn.init.normal_(parameter, std=0.7)
    return model


def some_sequences(config: AdditionConfig, count: int, seed: int = 0) -> Tensor:
    """Return sequences of arbitrary tokens: the kernel must not lean on what problems look like."""
    generator = torch.Generator().manual_seed(seed)
    layout = config.layout
    return torch.randint(layout.vocabulary, (count, layout.length), generator=generator)


def torch_logits(config: AdditionConfig, model: Transformer, sequences: Tensor) -> Tensor:
    logits: Tensor = model(sequences[:, :-1], last=config.layout.answer_length)
    return logits


def torch_loss(config: AdditionConfig, model: Transformer, sequences: Tensor) -> Tensor:
    """Return the mean cross-entropy of the answer tokens, in the model's own precision."""
    answers = sequences[:, config.layout.prompt_length :]
    return F.cross_entropy(torch_logits(config, model, sequences).flatten(0, 1), answers.flatten())


def gradients(loss: Tensor, model: Transformer) -> dict[str, Tensor]:
    """Return the gradients by all parameters, zeros for those that the loss does not depend on."""
    named = dict(model.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {
        name: torch.zeros_like(parameter) if gradient is None else gradient
        for (name, parameter), gradient in zip(named.items(), found, strict=True)
    }
