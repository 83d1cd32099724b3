"""What is compiled for the first trials while Ray starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.native_kernels import compiler, needs_compiler
from helpers.plans import bound

from paretune.sampling.ahead import compile_ahead
from paretune.sampling.queue import TrialQueue
from trainables.addition.config import AdditionConfig
from trainables.addition.native.cache import cached_libraries, library_for
from trainables.addition.native.kernel_shape import shape_header

TINY = {"digits": 2, "d_model": 4, "n_heads": 1}


@needs_compiler
def test_the_kernels_of_the_first_trials_are_compiled_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARETUNE_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    plan = bound(
        fixed={**TINY, "steps": 10},
        space={"d_ff": {"type": "int", "low": 4, "high": 40, "step": 4}},
        search={"trials": 8, "seeds": 2},
    )
    compile_ahead(plan).join()
    queue = TrialQueue(plan)
    first = [trial for trial in (queue.next() for _ in range(3)) if trial is not None]
    shapes = {shape_header(AdditionConfig.model_validate(trial.values)) for trial in first}
    compiled = set(cached_libraries())
    assert len(shapes) == len(compiled) == 2
    assert compiled == {library_for(shape, compiler()) for shape in shapes}


@needs_compiler
@pytest.mark.parametrize("fixed", [{"engine": "torch"}, {"dropout": 0.1}])
def test_nothing_is_compiled_for_trials_that_pytorch_computes(
    fixed: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARETUNE_CACHE", str(tmp_path))
    space = {"lr": {"type": "float", "low": 0.001, "high": 0.1}}
    plan = bound(fixed={**TINY, **fixed}, space=space)
    assert TrialQueue(plan).next() is not None
    compile_ahead(plan).join()
    assert not cached_libraries()


def test_whoever_compiles_ahead_does_not_wait_for_torch() -> None:
    program = (
        "import os\n"
        "os.environ['CXX'] = 'no-such-compiler'\n"
        "from helpers.plans import bound\n"
        "from paretune.sampling.ahead import compile_ahead\n"
        "compile_ahead(bound()).join()\n"
        "import sys; print('torch' in sys.modules, 'trainables.addition.native.choice' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False True\n", "")
