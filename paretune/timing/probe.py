"""A process that trains configurations for a moment, as trials would, and says how long that took.

Started by :mod:`paretune.timing.measuring`, it reads a line of JSON for each configuration, and writes one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainables.checkpoints import Snapshot
    from trainables.contract import Report

_REPORT_AT = tuple(4**power for power in range(12))
"""Steps after which it is looked at whether enough was measured: soon where steps are long, seldom where they
are short, as each comes with an evaluation."""


class _Enough(Exception):  # noqa: N818
    """Enough was measured: it ends training."""


def main() -> None:
    """Measure one configuration after the other, until there are no more lines."""
    given = json.loads(sys.stdin.readline())
    import torch

    import trainables.loop  # noqa: F401
    from trainables.tasks import get_task

    torch.set_num_threads(max(1, int(given["cpu"])))
    # Whoever asks for the measurement has allowed it, or there would be no plan.
    task = get_task(given["task"], allow_code=True)
    device = torch.device("cuda" if given["gpu"] else "cpu")
    share = min(1.0, given["gpu"] or given["cpu"] / (os.cpu_count() or 1))
    say({"ready": True})
    for line in sys.stdin:
        config = task.config_class.model_validate(json.loads(line))
        try:
            say(_measured(task, config, device, share, given["seconds"]))
        except Exception as error:
            say({"error": first_line(error)})


def _measured(task: Any, config: Any, device: Any, share: float, seconds: float) -> dict[str, float]:
    """Return seconds of a step, of an evaluation, of what comes before the first step, and of compiling."""
    from trainables.loop import Host, train

    began = time.perf_counter()
    if device.type == "cpu":
        task.compile_ahead(config)
    compiled = time.perf_counter()
    seen: list[tuple[float, int, float]] = []

    def look(report: Report, snapshot: Callable[[], Snapshot]) -> None:
        seen.append((time.perf_counter(), report.step, report.metrics["wall_seconds"]))
        if len(seen) > 1 and (seen[-1][2] - seen[0][2] >= seconds or seen[-1][0] - compiled >= 4 * seconds):
            raise _Enough

    with suppress(_Enough):
        train(task, config, device=device, report=look, report_at=_REPORT_AT, host=Host(memory_share=share))
    (first_at, first_step, first_wall), (_, last_step, last_wall) = seen[0], seen[-1]
    pairs = list(pairwise(seen))
    evaluations = sorted((b[0] - a[0]) - (b[2] - a[2]) for a, b in pairs)
    evaluation = max(evaluations[len(evaluations) // 2], 0.0) if evaluations else 0.0
    # The first step warms caches up; it counts only where there is no other.
    taken, spent = (last_step - first_step, last_wall - first_wall) if pairs else (first_step, first_wall)
    return {
        "step": spent / taken,
        "evaluation": evaluation,
        "start": max(first_at - compiled - first_wall - evaluation, 0.0),
        "compiling": compiled - began,
        "steps": taken,
    }


def first_line(error: Exception) -> str:
    """Return the kind of an error and the first line of what it says."""
    line = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {line}"


def say(values: dict[str, Any]) -> None:
    """Answer with a line of JSON."""
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
