"""The kernel under AddressSanitizer and UndefinedBehaviorSanitizer, in a program of its own."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.native_kernels import compiler, needs_compiler, some_model, some_sequences
from torch import Tensor

from trainables.addition.config import AdditionConfig
from trainables.addition.native.compiler import KERNEL
from trainables.addition.native.engine import NativeEngine
from trainables.addition.native.kernel_shape import shape_header
from trainables.addition.native.weights import flattened, weights_of

pytestmark = needs_compiler

PROGRAM = Path(__file__).parent / "sanitized_kernel.cpp"

# Every part of the kernel is in at least one of these, and no size is a multiple of a vector's.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "777": {"digits": 10, "d_model": 7, "d_ff": 14},
    "three layers, heads, biases": {
        "digits": 3, "d_model": 9, "n_heads": 3, "n_layers": 3, "d_ff": 11, "ffn_bias": True,
        "tied_embeddings": False, "norm": "rmsnorm",
    },
    "two layers without norms or positions": {
        "digits": 2, "d_model": 5, "n_layers": 2, "d_ff": 3, "norm": "none", "position": "none",
        "activation": "squared_relu",
    },
    "rotary, gated": {
        "digits": 3, "format": "aligned", "d_model": 3, "head_width": 5, "n_heads": 2, "position": "rotary",
        "norm": "rmsnorm", "qk_norm": "separate", "activation": "swiglu", "d_ff": 2, "ffn_bias": True,
    },
    "large vocabulary": {
        "digits": 3, "format": "base100", "d_model": 6, "d_ff": 5, "activation": "relu",
        "position": "sinusoidal",
    },
}  # fmt: skip
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


def build(config: AdditionConfig, folder: Path, scalar: str, *, broken: bool = False) -> Path:
    shutil.copytree(KERNEL, folder / "kernel")
    if broken:
        source = folder / "kernel" / "vector.hpp"
        whole = source.read_text()
        source.write_text(whole.replace("sums[first] =", "sums[first + 1] ="))
        assert source.read_text() != whole
    (folder / "kernel" / "shape.hpp").write_text(shape_header(config))
    program = folder / "program"
    command = [
        *(compiler().path, "-std=c++20", "-O1", "-g", "-march=native", "-Wall", "-Wextra", "-Werror"),
        *(*SANITIZERS, f"-DPARETUNE_SCALAR={scalar}", f"-I{folder / 'kernel'}", str(PROGRAM)),
        *("-o", str(program)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def digest(tensor: Tensor) -> float:
    flat = tensor.detach().double().flatten()
    return float((flat * (1 + torch.arange(len(flat)) % 7)).sum())


def run(program: Path, flat: Tensor, sequences: Tensor) -> subprocess.CompletedProcess[str]:
    data = program.parent / "data"
    data.write_bytes(
        np.int64(len(sequences)).tobytes() + flat.numpy().tobytes() + sequences.contiguous().numpy().tobytes()
    )
    return subprocess.run([program, data], capture_output=True, text=True, check=False)


def flat_weights(weights: list[Tensor]) -> Tensor:
    flat = torch.empty(sum(weight.numel() for weight in weights), dtype=torch.float64)
    flattened(weights, out=flat)
    return flat


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_kernel_reads_and_writes_only_what_is_there(name: str, tmp_path: Path) -> None:
    """And computes what it does without the sanitizers, which is compared with autograd elsewhere."""
    config = AdditionConfig.model_validate(CONFIGURATIONS[name])
    program = build(config, tmp_path, "double")
    engine = NativeEngine(config, compiler(), dtype=torch.float64)
    model = some_model(config).double()
    weights = [weight.detach() for weight in weights_of(model, config.layout.input_length)]
    for count in (1, 13):
        sequences = some_sequences(config, count)
        done = run(program, flat_weights(weights), sequences)
        assert done.returncode == 0, done.stderr
        loss, gradient = engine.loss_and_gradient(weights, sequences, needs_gradient=True)
        assert gradient is not None
        expected = [loss, digest(gradient), digest(engine.logits(model, sequences))]
        *found, right, losses = (float(text) for text in done.stdout.split())
        assert found == pytest.approx(expected, rel=1e-9)
        assert right == engine.validate(model, sequences).right
        assert math.isfinite(losses)


def test_the_sanitizers_see_a_wrong_access(tmp_path: Path) -> None:
    """A kernel whose last weight is one beyond the end: the others would pass without them, too."""
    config = AdditionConfig.model_validate(CONFIGURATIONS["777"])
    program = build(config, tmp_path, "double", broken=True)
    model, sequences = some_model(config).double(), some_sequences(config, 1)
    done = run(program, flat_weights(weights_of(model, config.layout.input_length)), sequences)
    assert done.returncode != 0
    assert "AddressSanitizer: heap-buffer-overflow" in done.stderr
