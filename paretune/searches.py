"""Searches as values: what one has found, for a notebook or a script, without Ray and without torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.rows import SearchRows
from analysis.selection import parse_condition, select
from paretune.record.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from analysis.answer import Answer
    from analysis.cliff import Cliff
    from analysis.comparison import Comparison
    from analysis.confirmation import Confirmation
    from analysis.effects import Effects
    from analysis.frontier import Frontier
    from analysis.regimes import Regimes
    from analysis.times import Times
    from search_spaces.plan import Plan


class Search:
    """A search that is over, or still runs: its rows, and what they answer.

    Every answer is a small frozen value with intervals. It has ``sentences``, ``tables``, ``as_json()``, and
    ``plot(axes)``, which paints it on axes of Matplotlib.

    Args:
        rows: the search, or a part of it.
    """

    def __init__(self, rows: SearchRows) -> None:
        self._rows = rows

    def __repr__(self) -> str:
        return f"<Search {self.name}: {len(self.trials)} trials>"

    @property
    def name(self) -> str:
        """The search's name."""
        return self._rows.folder.name

    @property
    def folder(self) -> Path:
        """Where its rows lie."""
        return self._rows.folder

    @property
    def plan(self) -> Plan:
        """What was asked."""
        return self._rows.plan

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial. Columns: results/README.md."""
        return self._rows.trials

    @property
    def reports(self) -> pd.DataFrame:
        """One row per report. Columns: results/README.md."""
        return self._rows.reports

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """One row per configuration, with every parameter as a column, defaults filled in."""
        from analysis.selection import parameters

        return parameters(self._rows)

    def where(self, *conditions: str) -> Search:
        """Return the part of the search whose configurations satisfy conditions: ``"format=aligned"``.

        Raises:
            SelectionError: a condition cannot be understood, or leaves nothing.
        """
        return Search(select(self._rows, [parse_condition(text) for text in conditions]))

    def ranking(self) -> pd.DataFrame:
        """Return the configurations, best first."""
        from analysis.ranking import ranking

        return ranking(self._rows)

    def frontier(self, against: str = "params", quality: str | None = None) -> Frontier:
        """Return the configurations that no other beats in both a cost and quality.

        Args:
            against: a cost.
            quality: ``success_rate``, a metric of the task, or a second cost; what was searched for if None.
        """
        from analysis.frontier import frontier

        return frontier(self._rows, against, quality)

    def confirmation(self) -> Confirmation:
        """Return what confirmed configurations did on fresh seeds, beside what they did in the search."""
        from analysis.confirmation import confirmation

        return confirmation(self._rows)

    def cliff(self, by: str | None = None) -> Cliff:
        """Return the sizes at which the task begins to be learned, together or for each value of ``by``."""
        from analysis.cliff import cliff

        return cliff(self._rows, by)

    def regimes(self, rate: str = "lr", size: str = "params") -> Regimes:
        """Return which rates are too slow, work, and diverge, at each size."""
        from analysis.regimes import regimes

        return regimes(self._rows, rate, size)

    def times(self, by: str | None = None, cost: str | None = None) -> Times:
        """Return how long it takes to the target, and what a success costs, for each value of ``by``."""
        from analysis.times import times

        return times(self._rows, by, cost)

    def effects(self) -> Effects:
        """Return what each parameter changes, with all comparisons accounted for."""
        from analysis.effects import effects

        return effects(self._rows)

    def compare(self, *others: Search) -> Comparison:
        """Return how other searches of the same question differ from this one."""
        from analysis.comparison import compare

        return compare([self._rows, *(other._rows for other in others)])

    def answer(self) -> Answer:
        """Return all findings in a few sentences."""
        from analysis.answer import answer

        return answer(self._rows)

    def report(self, path: str | Path | None = None) -> Sequence[Path]:
        """Write the report as one page and as Markdown, and return the files written.

        Args:
            path: where the page goes, ``report.html`` in the search's folder if None; the Markdown lies
            beside it.
        """
        from analysis.report import write_report

        return write_report(self._rows, None if path is None else Path(path))


def open(path: str | Path) -> Search:
    """Open the search in a folder, or of a name below ``results/``.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    folder = RunFolder.open(Path("results"), str(path))
    folder.require_rows()
    return Search(SearchRows(folder.path))
