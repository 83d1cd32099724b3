"""``paretune doctor``: what it finds here, and what it advises where something is missing."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from helpers.commands import Search, run_cli
from helpers.native_kernels import compiler, needs_compiler

from paretune.cli import health
from paretune.cli.health import diagnose_machine
from paretune.tune.scratch import base_folder
from trainables.addition.native import cache
from trainables.addition.native.compiler import Compiler, find_compiler
from trainables.addition.native.diagnosis import diagnose
from trainables.text.gpt2 import vocabulary_cache


def found_here(*arguments: str) -> dict[str, dict[str, str | None]]:
    done = run_cli("doctor", "--json", *arguments)
    assert done.code == 0, done.err
    return {finding["name"]: finding for finding in json.loads(done.out)}


@needs_compiler
def test_it_tells_versions_machine_gpu_ray_compiler_engine_and_cache() -> None:
    found = found_here()
    assert "torch " + torch.__version__.split("+")[0] in str(found["packages"]["state"])
    assert " cores, " in str(found["machine"]["state"])
    assert "starts in" in str(found["Ray"]["state"])
    assert "CPU" in str(found["Ray"]["state"])
    assert compiler().version in str(found["addition: C++ compiler"]["state"])
    assert "agrees with PyTorch" in str(found["addition: native engine"]["state"])
    assert str(cache.cache_folder()) in str(found["addition: compiled kernels"]["state"])
    caches = str(found["caches"]["state"])
    assert f"compiled kernels in {cache.cache_folder()}, " in caches
    assert f"GPT-2's vocabulary in {vocabulary_cache()} (TIKTOKEN_CACHE_DIR)" in caches
    assert f" MiB in {base_folder()}: " in str(found["temporary files"]["state"])
    if not torch.cuda.is_available():
        assert str(found["GPU"]["state"]).startswith("none")
    # Whether text is here depends on what was built before, not on the machine.
    machine = {name: finding for name, finding in found.items() if not name.startswith("gpt2")}
    assert {name: finding["advice"] for name, finding in machine.items() if finding["advice"]} == {}


def test_without_a_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = run_cli("doctor")
    assert done.code == 0
    lines = done.out.splitlines()
    at = lines.index("addition: C++ compiler: none")
    assert "apt install g++" in lines[at + 1]
    assert "addition: native engine: not available; addition trains in PyTorch" in lines
    assert "All is well." not in done.out


@needs_compiler
def test_an_engine_that_computes_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainables.addition.native.engine import NativeEngine

    right = NativeEngine.loss
    for factor in (1.01, math.nan):
        monkeypatch.setattr(NativeEngine, "loss", lambda *given, by=factor: by * right(*given))
        (engine,) = [finding for finding in diagnose() if finding.name == "native engine"]
        assert engine.state.startswith("incorrect: loss or gradients of a small model differ by up to")
        assert "engine: torch" in str(engine.advice)


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'error: out of memory' >&2\nexit 1\n")
    broken.chmod(0o755)
    found = Compiler(str(broken), "broken 1")
    for module in ("diagnosis", "choice"):
        monkeypatch.setattr(f"trainables.addition.native.{module}.find_compiler", lambda: found)
    (engine,) = [finding for finding in diagnose() if finding.name == "native engine"]
    assert "could not compile the kernel: error: out of memory" in str(engine.advice)


def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "package_versions", lambda: {"ray": "2.60.0", "optuna": None})
    findings = {finding.name: finding for finding in _before_ray()}
    assert findings["packages"].state == "ray 2.60.0, optuna is missing"
    assert "pip install" in str(findings["packages"].advice)


def test_a_gpu_that_torch_cannot_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    machine = {**health.hardware(), "gpus": ["NVIDIA X, 8192 MiB, 570"]}
    monkeypatch.setattr(health, "hardware", lambda: machine)
    findings = {finding.name: finding for finding in _before_ray()}
    assert "which torch" in findings["GPU"].state
    assert "pytorch.org" in str(findings["GPU"].advice)


def _before_ray() -> list[health.Diagnosis]:
    """Return the findings up to the one that starts Ray."""
    findings = []
    for finding in diagnose_machine():
        findings.append(finding)
        if finding.name == "GPU":
            break
    return findings


def test_a_search_says_once_which_engine_it_has(every_ending: Search) -> None:
    said = [line for line in every_ending.finished.out.splitlines() if line.startswith("engine: ")]
    here = find_compiler()
    assert len(said) == 1
    assert said[0].startswith("engine: PyTorch, because" if here is None else "engine: native, compiled by")
