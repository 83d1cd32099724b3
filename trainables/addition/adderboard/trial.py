"""Trying a submission: in a process of its own, where only Python and torch help it."""

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
    """What a submission's ``add`` returned, beside what the trained model says; -1 is no number."""

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
    """Return problems drawn uniformly: always the same ones, and not the challenge's own."""
    draw = random.Random(0)
    return [(draw.randrange(10**DIGITS), draw.randrange(10**DIGITS)) for _ in range(count)]


def try_out(path: Path, problems: Sequence[Problem], model: nn.Module, form: Format) -> Trial:
    """Run a submission in a fresh interpreter and an empty folder, and ask the trained model the same.

    Args:
        path: the submission.
        problems: what to ask.
        model: the model that it was made from, in evaluation mode.
        form: the format of the model's problems.

    Raises:
        RuntimeError: the submission did not run to its end.
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
        raise RuntimeError(f"the submission does not run: {done.stderr.strip()}")
    said = json.loads(done.stdout)
    expected = [add(model, a, b, form) for a, b in problems]
    return Trial(
        problems=problems,
        returned=said["answers"],
        expected=[MALFORMED if answer is None else answer for answer in expected],
        parameters=said["parameters"],
    )


# Two threads that wait for one another on a busy machine take a hundred times as long for models this small.
_RUNNER = """
import json, runpy, sys, torch
torch.set_num_threads(1)
submission = runpy.run_path(sys.argv[1])
model, _ = submission["build_model"]()
answers = [submission["add"](model, a, b) for a, b in json.load(sys.stdin)]
parameters = sum({p.data_ptr(): p.numel() for p in model.parameters()}.values())
json.dump({"answers": answers, "parameters": parameters}, sys.stdout)
"""
