"""Whether the native engine works on this machine, tested by using it."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from trainables.addition.config import AdditionConfig
from trainables.addition.native.cache import MAX_BYTES, cache_folder, cached_libraries
from trainables.addition.native.choice import why_not_here
from trainables.addition.native.compiler import CompilerError, find_compiler
from trainables.addition.native.engine import NativeEngine
from trainables.addition.workload import AdditionWorkload
from trainables.contract import Diagnosis
from trainables.transformer.model import Transformer

_CPU = torch.device("cpu")


def diagnose() -> list[Diagnosis]:
    """Return the state of compiler, engine and cache, in this order."""
    return [_compiler(), _engine(), _cache()]


def _compiler() -> Diagnosis:
    name, compiler = "C++ compiler", find_compiler()
    if compiler is not None:
        return Diagnosis(name=name, state=f"{compiler.path}, {compiler.version}")
    return Diagnosis(
        name=name,
        state="none",
        advice="install one, such as g++ or clang (Debian, Ubuntu: apt install g++; macOS: "
        "xcode-select --install), or name it in the variable CXX",
    )


def _engine() -> Diagnosis:
    name = "native engine"
    reason = why_not_here(_CPU)
    if reason is not None:
        return Diagnosis(name=name, state="not available; addition trains in PyTorch", advice=reason)
    compiler = find_compiler()
    assert compiler is not None
    config = AdditionConfig(digits=3, d_model=4, d_ff=8, batch=16)
    workload = AdditionWorkload(config, _CPU)
    model, batch = workload.build_model(), workload.batch(1)
    began = time.perf_counter()
    try:
        engine = NativeEngine(config, compiler)
    except CompilerError as error:
        return Diagnosis(name=name, state="not available; addition trains in PyTorch", advice=str(error))
    spent = time.perf_counter() - began
    in_torch = AdditionWorkload(config.model_copy(update={"engine": "torch"}), _CPU)
    found = _loss_and_gradients(engine.loss(model, batch), model)
    right = _loss_and_gradients(in_torch.loss(model, batch), model)
    # NaN is never close.
    if not torch.allclose(found, right, rtol=1e-3, atol=1e-5):
        off = (found - right).abs().max().item()
        return Diagnosis(
            name=name,
            state=f"incorrect: loss or gradients of a small model differ by up to {off:.3g}",
            advice="train with engine: torch, and report this with the compiler's version",
        )
    return Diagnosis(name=name, state=f"works: agrees with PyTorch on a small model, ready in {spent:.1f} s")


def _loss_and_gradients(loss: Tensor, model: Transformer) -> Tensor:
    """Return both as one flat tensor."""
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    return torch.cat([loss.detach().reshape(1), *(gradient.reshape(-1) for gradient in gradients)])


def _cache() -> Diagnosis:
    name = "compiled kernels"
    try:
        libraries = cached_libraries()
    except CompilerError as error:
        return Diagnosis(name=name, state="none can be stored", advice=str(error))
    size = sum(libraries.values()) / 2**20
    return Diagnosis(
        name=name,
        state=f"{len(libraries)} in {cache_folder()}, {size:.1f} of at most {MAX_BYTES / 2**20:.0f} MiB",
    )
