"""Running a submission: in a separate process, with only Python and torch."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from trainables.addition.adderboard.notation import DIGITS
from trainables.addition.answers import add
from trainables.addition.evaluation import edge_cases
from trainables.addition.formats import MALFORMED, Format

Problem = tuple[int, int]

EDGE_CASES: tuple[Problem, ...] = tuple(edge_cases(DIGITS))


@dataclass(frozen=True)
class Trial:
    """Results of a submission's ``add``, beside those of the trained model; -1 is not a number."""

    problems: Sequence[Problem]
    returned: Sequence[int]
    expected: Sequence[int]
    parameters: int
    """Unique parameters of the model that the submission built."""

    @property
    def agreeing(self) -> int:
        """Problems to which both give the same answer."""
        return sum(ours == theirs for ours, theirs in zip(self.returned, self.expected, strict=True))

    @property
    def right(self) -> int:
        """Problems that the submission solved."""
        return sum(a + b == answer for (a, b), answer in zip(self.problems, self.returned, strict=True))


def random_problems(count: int) -> list[Problem]:
    """Return problems drawn uniformly: always the same ones, not those of the challenge."""
    draw = random.Random(0)
    return [(draw.randrange(10**DIGITS), draw.randrange(10**DIGITS)) for _ in range(count)]


def try_out(path: Path, problems: Sequence[Problem], model: nn.Module, form: Format) -> Trial:
    """Run a submission in a fresh interpreter and an empty folder, and a trained model on the same problems.

    Args:
        path: the submission.
        problems: the problems to solve.
        model: the model that it was made from, in evaluation mode.
        form: the format of the model's problems.

    Raises:
        RuntimeError: the submission failed.
    """
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _RUNNER, str(path.resolve())],
            input=json.dumps(problems),
            capture_output=True,
            text=True,
            cwd=empty,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"the submission fails: {done.stderr.strip()}")
    said = json.loads(done.stdout)
    expected = [add(model, a, b, form) for a, b in problems]
    return Trial(
        problems=problems,
        returned=said["answers"],
        expected=[MALFORMED if answer is None else answer for answer in expected],
        parameters=said["parameters"],
    )


# With models this small, two threads on a busy machine can take a hundred times as long as one.
_RUNNER = """
import json, runpy, sys, torch
torch.set_num_threads(1)
submission = runpy.run_path(sys.argv[1])
model, _ = submission["build_model"]()
answers = [submission["add"](model, a, b) for a, b in json.load(sys.stdin)]
parameters = sum({p.data_ptr(): p.numel() for p in model.parameters()}.values())
json.dump({"answers": answers, "parameters": parameters}, sys.stdout)
"""
