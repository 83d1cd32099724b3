"""What a drill found, as plain values and as a page."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from chaos_kills import ENDS_WITHIN_S, KINDS
from chaos_rows import Kill

from analysis.markdown import coded_text, table_lines
from analysis.text import duration

COUNTS = ("wrong", "missing", "double")


def totals_of(record: dict[str, Any]) -> dict[str, int]:
    """Return what a drill counts, over all of its searches."""
    searches = record["searches"]
    kills = [kill for search in searches for kill in search["kills"]]
    rows = {name: sum(len(search["rows"][name]) for search in searches) for name in COUNTS}
    return {
        "searches": len(searches),
        "searches not over": sum(not search["is_over"] for search in searches),
        "kills": len(kills),
        "commands": sum(search["commands"] for search in searches),
        "resumes": sum(max(0, search["commands"] - 1) for search in searches),
        "trials": sum(search["rows"]["trials"] for search in searches),
        "reports": sum(search["rows"]["reports"] for search in searches),
        "reports compared": sum(search["rows"]["compared"] for search in searches),
        **{f"rows {name}": count for name, count in rows.items()},
        "hung after a kill": sum(kill["hung"] for kill in kills),
        "hung by themselves": sum(search["hung"] for search in searches),
        "failed by themselves": sum(len(search["failures"]) for search in searches),
        "tracebacks": sum(len(search["tracebacks"]) for search in searches),
        "processes left": sum(len(search["left_processes"]) for search in searches),
        "folders left": sum(len(search["left_folders"]) for search in searches),
    }


def by_kind(record: dict[str, Any]) -> dict[str, Any]:
    """Return what kills of each kind cost in a drill, and what drill that was."""
    kills = [Kill(**kill) for search in record["searches"] for kill in search["kills"]]
    kinds = {}
    for kind in KINDS:
        of = [kill for kill in kills if kill.kind == kind]
        if of:
            lost = sorted(steps for kill in of for steps in kill.steps_lost)
            kinds[kind] = {"kills": len(of), "hung": sum(kill.hung for kill in of), "steps_lost": lost}
    return {"commit": record["commit"], "began": record["began"], "kinds": kinds}


def page_of(record: dict[str, Any]) -> str:
    """Return a drill's report as Markdown."""
    totals = record["totals"]
    kills = [Kill(**kill) for search in record["searches"] for kill in search["kills"]]
    lines = [
        "# The drill",
        "",
        _paragraph(
            f"`{record['command']}`, on {record['began'][:10]}: {totals['searches']} searches of tiny",
            f"adders, killed {totals['kills']} times in {duration(record['seconds'])} and resumed until they",
            f"were over. Kills and their moments are drawn from seed {record['seed']}. Each trial's rows are",
            f"compared with what it does alone: {totals['reports compared']:,} reports, bit for bit, times",
            "and memory left out. [chaos.py](chaos.py) says how.",
        ),
        "",
        *_table(["rows", "count"], [[name, f"{totals[f'rows {name}']:,}"] for name in COUNTS]),
        "",
        *_table(
            ["beside", "count"],
            [[name, f"{count:,}"] for name, count in totals.items() if not name.startswith("rows ")],
        ),
        "",
        "## By kind",
        "",
        _paragraph(
            "*Early* kills came while the command was starting. Seconds count until the command had ended,",
            "or the search had gone on by itself; *hung* is what did neither within",
            f"{ENDS_WITHIN_S:.0f} s, or did not end within its notice. Steps lost count for each trial that",
            "ran and went on, from its last report to where it went on; between reports, 500 steps apart, up",
            "to as many more may be lost.",
        ),
        "",
        *_table(
            [
                *("kill", "kills", "early", "ended", "with codes", "went on", "hung"),
                *("seconds, median", "most", "trials hit", "none lost", "steps lost, median", "most"),
            ],
            [_row(kind, of) for kind in KINDS if (of := [kill for kill in kills if kill.kind == kind])],
        ),
        *(_beside(record["before"], by_kind(record)) if "before" in record else []),
        "",
        "## By search",
        "",
        *_table(
            ["search", "kills", "commands", "took", "endings", *COUNTS],
            [_row_of_search(search) for search in record["searches"]],
        ),
    ]
    if found := _findings(record):
        lines += ["", "## What was found", "", *(f"- {coded_text(line)}" for line in found)]
    machine = record["hardware"]
    packages = ", ".join(f"{name} {number}" for name, number in record["packages"].items())
    lines += [
        "",
        _paragraph(
            f"paretune {record['paretune']} ({record['commit']}), Python {record['python']}, {packages};",
            f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}.",
            f"What was full: {' and '.join(record['disks']) or 'nothing'}.",
        ),
        "",
    ]
    return "\n".join(lines)


def _row(kind: str, kills: Sequence[Kill]) -> list[str]:
    seconds = [kill.seconds for kill in kills if kill.seconds is not None and not kill.hung]
    lost = [steps for kill in kills for steps in kill.steps_lost]
    hung = sum(kill.hung for kill in kills)
    ended = sum(kill.code is not None and not kill.hung for kill in kills)
    codes = Counter(kill.code for kill in kills if kill.code is not None and not kill.hung)
    return [
        KINDS[kind].words,
        f"{len(kills)}",
        f"{sum(kill.early for kill in kills)}",
        f"{ended}",
        ", ".join(f"{code}: {count}" for code, count in sorted(codes.items())) or "-",
        f"{len(kills) - ended - hung}",
        f"{hung}",
        *([f"{median(seconds):.1f}", f"{max(seconds):.1f}"] if seconds else ["-", "-"]),
        f"{len(lost)}",
        f"{lost.count(0)}",
        *([f"{median(lost):,.0f}", f"{max(lost):,}"] if lost else ["-", "-"]),
    ]


def _beside(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return a table of what kills cost in an earlier drill, and cost in this one."""
    rows = []
    for kind, then in before["kinds"].items():
        if kind in now["kinds"]:
            costs = [_cost(then), _cost(now["kinds"][kind])]
            rows.append([KINDS[kind].words, *(cell for cells in zip(*costs, strict=True) for cell in cells)])
    names = ("kills", "hung", "trials hit", "steps lost, median", "most")
    return [
        "",
        "## Before and after",
        "",
        f"Before: the same drill, shorter, at commit {before['commit'][:7]}.",
        "",
        *_table(["kill", *(f"{name}, {when}" for name in names for when in ("before", "after"))], rows),
    ]


def _cost(of: dict[str, Any]) -> list[str]:
    lost = of["steps_lost"]
    steps = [f"{median(lost):,.0f}", f"{max(lost):,}"] if lost else ["-", "-"]
    return [f"{of['kills']}", f"{of['hung']}", f"{len(lost)}", *steps]


def _row_of_search(search: dict[str, Any]) -> list[str]:
    rows = search["rows"]
    endings = ", ".join(f"{count} {ending}" for ending, count in sorted(rows["endings"].items()))
    over = "" if search["is_over"] else " (not over)"
    return [
        f"{search['name']}{over}",
        f"{len(search['kills'])}",
        f"{search['commands']}",
        duration(search["seconds"]),
        endings,
        *(f"{len(rows[name])}" for name in COUNTS),
    ]


def _findings(record: dict[str, Any]) -> list[str]:
    """Return each thing that should not have been, with the search it was in."""
    found = []
    for search in record["searches"]:
        name = search["name"]
        found += [f"{name}: {what}: {text}" for what in COUNTS for text in search["rows"][what][:5]]
        found += [
            f"{name}: {KINDS[kill['kind']].words}: hung; {kill['said'] or 'it had said nothing'}"
            for kill in search["kills"]
            if kill["hung"]
        ]
        found += [f"{name}: failed by itself: {text}" for text in search["failures"]]
        found += [f"{name}: a traceback: {text}" for text in search["tracebacks"]]
        found += [f"{name}: a process is left: {text}" for text in search["left_processes"]]
        found += [f"{name}: a folder is left: {text}" for text in search["left_folders"]]
    return found


def _paragraph(*parts: str) -> str:
    return textwrap.fill(" ".join(parts), 120, break_long_words=False, break_on_hyphens=False)


def _table(headers: list[str], rows: list[list[str]]) -> list[str]:
    to_right = [index > 0 for index in range(len(headers))]
    return table_lines(headers, rows, to_right)
