"""``paretune list``: the searches there are, and how each stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results

if TYPE_CHECKING:
    from paretune.record.overview import Overview


def listing(results: Results = DEFAULT_RESULTS, as_json: AsJson = False) -> int:
    """List the searches and how each stands.

    Shows the state, the trials that have ended of those planned, how many solved, the parameters of the
    smallest model that solved (or, without a target, the best value of the first objective), the size on
    disk, and how long ago the search was last active. The most recent one comes first.

    \b
    States:
      running      a search or a confirmation works on it now
      ended        every planned trial has ended
      interrupted  trials are missing; resume it
      failed       every trial has ended, and more than half failed
      empty        no trial was started
      damaged      a file of it cannot be read

    \b
    Examples:
      paretune list
      paretune list --results results/published
      paretune list --json
    """
    from paretune.record.overview import overviews
    from paretune.terminal.printing import make_console, print_json, print_rows

    found = overviews(results)
    if as_json:
        print_json([_content(one) for one in found])
        return OK
    console = make_console()
    if not found:
        for line in _where_to_look(results):
            console.print(line, soft_wrap=True)
        return OK
    headers = ("search", "state", "trials", "solved", _header_of_best(found), "size", "age")
    print_rows(console, headers, [_cells(one) for one in found])
    hints = [hint for one in found if (hint := _hint(one))]
    if hints:
        console.print()
    for hint in hints:
        console.print(hint, style="yellow", soft_wrap=True)
    return OK


def _content(one: Overview) -> dict[str, Any]:
    return {
        "name": one.folder.name,
        **asdict(one),
        "folder": str(one.folder),
        "last_active": one.last_active.isoformat(timespec="seconds"),
    }


def _cells(one: Overview) -> list[str]:
    best = "-"
    if one.best is not None:
        is_size = one.best.metric == "params"
        best = f"{one.best.value:,}" if is_size else f"{one.best.metric} {one.best.value:.4g}"
    return [
        one.folder.name,
        f"{one.state}, fake GPUs" if one.fake_gpus else one.state,
        "-" if one.ended is None else f"{one.ended:,}/{one.planned:,}",
        "-" if one.solved is None else f"{one.solved:,}",
        best,
        _bytes(one.size),
        _age(one.last_active),
    ]


def _header_of_best(found: Sequence[Overview]) -> str:
    """Name the column of what was found: a size where there is a target, a metric's value elsewhere."""
    has_target = [one.solved is not None for one in found if one.planned is not None]
    return "smallest" if all(has_target) else "smallest or best" if any(has_target) else "best"


def _hint(one: Overview) -> str | None:
    """Say what to do about a search that is not as it should be."""
    from analysis.names import shown_name

    name = shown_name(one.folder)
    return {
        "interrupted": f"{one.folder.name} is not over: paretune resume {name}",
        "empty": f"{one.folder.name} has no trials yet: paretune resume {name}",
        "failed": f"{one.folder.name}: {one.failed} of {one.ended} trials failed: paretune rank {name}",
        "damaged": f"{one.folder.name}: {one.damage}",
    }.get(one.state)


def _where_to_look(results: Path) -> list[str]:
    """Say that there are no searches, where there are some, and how to start one."""
    from analysis.files.layout import PLAN_FILE

    lines = [f"There are no searches in {results} yet."]
    deeper = sorted({path.parents[1] for path in results.glob(f"*/*/{PLAN_FILE}")})
    lines += [f"There are some deeper down: paretune list --results {folder}" for folder in deeper]
    return [*lines, "Start one with: paretune search search_spaces/quickstart.yaml"]


def _bytes(size: int) -> str:
    number = float(size)
    for unit in ("B", "kB", "MB"):
        if number < 999.5:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 9.95 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} GB"


def _age(moment: datetime) -> str:
    """Write how long ago a moment was, in its largest unit."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    if seconds < 60:
        return "now"
    for unit, length, most in (("min", 60, 60), ("h", 3600, 24), ("day", 86_400, 60)):
        count = int(seconds // length)
        if count < most:
            return f"{count} {unit}{'s' * (unit == 'day' and count > 1)}"
    return f"{moment:%Y-%m-%d}"
