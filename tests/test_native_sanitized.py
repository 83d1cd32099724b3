"""The kernel under AddressSanitizer and UndefinedBehaviorSanitizer, in a program of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from native_kernels import compiler, needs_compiler, some_model, some_sequences, torch_logits, torch_loss
from torch import Tensor

from trainables.addition.config import AdditionConfig
from trainables.addition.native.compiler import KERNEL
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


def build(config: AdditionConfig, folder: Path, scalar: str) -> Path:
    shutil.copytree(KERNEL, folder / "kernel")
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


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_kernel_reads_and_writes_only_what_is_there(name: str, tmp_path: Path) -> None:
    config = AdditionConfig.model_validate(CONFIGURATIONS[name])
    program = build(config, tmp_path, "double")
    model = some_model(config).double()
    for count in (1, 13):
        sequences = some_sequences(config, count)
        weights = [
            weight.detach().clone().requires_grad_()
            for weight in weights_of(model, config.layout.input_length)
        ]
        flat = torch.empty(sum(weight.numel() for weight in weights), dtype=torch.float64)
        flattened(weights, out=flat)
        data = tmp_path / "data"
        data.write_bytes(
            np.int64(count).tobytes() + flat.numpy().tobytes() + sequences.contiguous().numpy().tobytes()
        )
        done = subprocess.run([program, data], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        loss, _, of_logits = map(float, done.stdout.split())
        assert loss == pytest.approx(torch_loss(config, model, sequences).item(), rel=1e-9)
        assert of_logits == pytest.approx(digest(torch_logits(config, model, sequences)), rel=1e-9)


def test_the_sanitizers_would_see_a_wrong_access(tmp_path: Path) -> None:
    """A file with too few tokens is refused; one with a token outside the vocabulary is caught."""
    config = AdditionConfig.model_validate(CONFIGURATIONS["777"])
    program = build(config, tmp_path, "double")
    model, sequences = some_model(config).double(), some_sequences(config, 1)
    weights = weights_of(model, config.layout.input_length)
    flat = torch.empty(sum(weight.numel() for weight in weights), dtype=torch.float64)
    flattened(weights, out=flat)
    sequences[0, 0] = 1_000_000
    data = tmp_path / "data"
    data.write_bytes(np.int64(1).tobytes() + flat.numpy().tobytes() + sequences.numpy().tobytes())
    done = subprocess.run([program, data], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Sanitizer" in done.stderr or "runtime error" in done.stderr
