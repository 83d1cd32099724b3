"""Which engine trains a configuration on a machine, and why."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from trainables.addition.config import AdditionConfig, why_torch
from trainables.addition.native.cache import library_for, missing_library
from trainables.addition.native.compiler import Compiler, CompilerError, find_compiler
from trainables.addition.native.kernel_shape import shape_header

if TYPE_CHECKING:
    import torch

    from trainables.addition.native.engine import NativeEngine

MAX_AUTO_PARAMETERS = 200_000
"""Measured on one core: twice as fast as PyTorch at 103,616 parameters, as fast at 2.7 million; but PyTorch
can use several cores, and a large model's matrices fill vector registers anyway."""


def choose_engine(config: AdditionConfig, device: torch.device) -> tuple[NativeEngine | None, str]:
    """Return the native engine, or None for PyTorch, and one line with the engine and the reason.

    Raises:
        ValueError: the configuration requires the native engine, and this machine does not support it.
    """
    # Compiling ahead needs this module without torch.
    from trainables.addition.native.engine import ONE_BY_ONE, NativeEngine

    if config.engine == "torch":
        return None, "PyTorch, as asked"
    reason = why_torch(config) or why_not_here(device) or _why_not_auto(config)
    if reason is None:
        compiler = find_compiler()
        assert compiler is not None
        try:
            engine = NativeEngine(config, compiler)
            note = f"; {ONE_BY_ONE}" if engine.derivation is None else ""
            return engine, f"native, compiled by {compiler.version}{note}"
        except CompilerError as error:
            reason = str(error)
    if config.engine == "native":
        raise ValueError(f"engine native cannot be used: {reason}; engine auto would use PyTorch")
    return None, f"PyTorch, because {reason}"


def compile_ahead(config: AdditionConfig) -> None:
    """Compile a configuration's kernel, if the native engine would train it on this machine's processor.

    Its trial finds it in the cache, or waits there until it is compiled. Where it cannot be compiled, the
    trial says why.
    """
    compiler = _compiler_for(config)
    if compiler is not None:
        with suppress(CompilerError):
            library_for(shape_header(config), compiler)


def to_compile(config: AdditionConfig) -> str | None:
    """Return the name of the kernel that a configuration's first trial on this machine's processor compiles.

    None if it is in the cache, or if the native engine would not train it.
    """
    compiler = _compiler_for(config)
    if compiler is None:
        return None
    try:
        return missing_library(shape_header(config), compiler)
    except CompilerError:
        return None


def _compiler_for(config: AdditionConfig) -> Compiler | None:
    """Return the compiler of a configuration's kernel; None if PyTorch trains it on the processor."""
    if config.engine == "torch" or why_torch(config) or _why_not_auto(config):
        return None
    return find_compiler()


def _why_not_auto(config: AdditionConfig) -> str | None:
    if config.engine != "auto":
        return None
    params = sum(config.parameter_table().values())
    if params <= MAX_AUTO_PARAMETERS:
        return None
    return (
        f"it has {params:,} parameters, and auto takes the native engine, which uses one core, up to "
        f"{MAX_AUTO_PARAMETERS:,}"
    )


def why_not_here(device: torch.device) -> str | None:
    """Return why the native engine is unavailable on this machine and device; None if it is available."""
    if device.type != "cpu":
        return "training is on a GPU"
    if find_compiler() is not None:
        return None
    if wanted := os.environ.get("CXX"):
        return f"the variable CXX is {wanted!r}, which is not a C++ compiler"
    return "there is no C++ compiler, with which it would be much faster: install g++ or clang, or set CXX"
