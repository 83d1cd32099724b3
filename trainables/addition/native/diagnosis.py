"""Whether the native engine works on this machine, found out by using it."""

from __future__ import annotations

import time

import torch

from trainables.addition.config import AdditionConfig
from trainables.addition.native.cache import MAX_BYTES, cache_folder, cached_libraries
from trainables.addition.native.choice import why_not_here
from trainables.addition.native.compiler import CompilerError, find_compiler
from trainables.addition.native.engine import NativeEngine
from trainables.addition.workload import AdditionWorkload
from trainables.contract import Diagnosis

_CPU = torch.device("cpu")


def diagnose() -> list[Diagnosis]:
    """Return what there is to say of engine, compiler and cache, in an order that explains itself."""
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
        loss = NativeEngine(config, compiler).loss(model, batch).item()
    except CompilerError as error:
        return Diagnosis(name=name, state="not available; addition trains in PyTorch", advice=str(error))
    spent = time.perf_counter() - began
    right = AdditionWorkload(config.model_copy(update={"engine": "torch"}), _CPU).loss(model, batch).item()
    if abs(loss - right) > 1e-4:
        return Diagnosis(
            name=name,
            state=f"wrong: a loss of {loss:.6g} where PyTorch has {right:.6g}",
            advice="train with engine: torch, and report this with the compiler's version",
        )
    return Diagnosis(
        name=name, state=f"works: agrees with PyTorch on a small model, {spent:.1f} s to build it"
    )


def _cache() -> Diagnosis:
    libraries = cached_libraries()
    size = sum(path.stat().st_size for path in libraries) / 2**20
    return Diagnosis(
        name="compiled kernels",
        state=f"{len(libraries)} in {cache_folder()}, {size:.1f} of at most {MAX_BYTES / 2**20:.0f} MiB",
    )
