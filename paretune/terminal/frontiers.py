"""The frontiers of a search on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from analysis.frontier import Frontier
from analysis.rows import SearchRows
from paretune.terminal.tables import print_configurations


def print_frontiers(
    console: Console, rows: SearchRows, fronts: Sequence[Frontier], *, in_sentences: bool = True
) -> None:
    """Print each frontier: if wanted what it says, then its table, and what it does not consider."""
    for index, front in enumerate(fronts):
        if len(fronts) > 1:
            console.print(f"{chr(10) if index else ''}{front.title}:", style="bold")
        for sentence in front.sentences if in_sentences else ():
            console.print(sentence, soft_wrap=True)
        if not front.points.empty:
            console.print()
            costs = [measure.name for measure in (front.cost, front.quality) if measure.is_cost]
            print_configurations(console, rows, front.points, first=["configuration"], costs=costs)
        if said := str(front.left_out):
            console.print(said, soft_wrap=True)
