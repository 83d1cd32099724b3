"""What a search has found: its rows, and what they answer. Neither Ray nor torch is needed for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from analysis.rows import SearchRows
from analysis.selection import parse_condition, select
from paretune.api.answers.stopping import EarlyStoppingFindings

if TYPE_CHECKING:
    import pandas as pd

    from analysis.answer import Answer
    from analysis.atlas import Atlas
    from analysis.cliff import Cliff
    from analysis.comparison import Comparison
    from analysis.confirmation import Confirmation
    from analysis.effects import Effects
    from analysis.finding import Finding
    from analysis.frontier import Frontier
    from analysis.questions.asked import Asked
    from analysis.regimes import Regimes
    from analysis.times import Times
    from search_spaces.plan import Plan


class Findings(EarlyStoppingFindings):
    """The rows of a search, or of a part of it, and what they answer.

    Every answer is a small frozen value with intervals. It has ``sentences``, ``tables``, ``as_json()``, and
    ``plot(axes)``, which paints it on axes of Matplotlib.

    Args:
        rows: the search, or a part of it.
    """

    def __init__(self, rows: SearchRows) -> None:
        self._rows = rows

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {len(self.trials)} trials>"

    @property
    def name(self) -> str:
        """The search's name.

        >>> import paretune
        >>> paretune.open("results/quickstart").name
        'quickstart'
        """
        return self._rows.folder.name

    @property
    def folder(self) -> Path:
        """Where its rows lie.

        >>> import paretune
        >>> sorted(path.name for path in paretune.open("quickstart").folder.glob("*.jsonl"))[-2:]
        ['reports.jsonl', 'trials.jsonl']
        """
        return self._rows.folder

    @property
    def plan(self) -> Plan:
        """What was asked.

        >>> import paretune
        >>> paretune.open("results/quickstart").plan.target
        {'exact_match': 0.99}
        """
        return self._rows.plan

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial. Columns: results/README.md.

        >>> import paretune
        >>> paretune.open("results/quickstart").trials["ending"].isna().any()
        np.False_
        """
        return self._rows.trials

    @property
    def reports(self) -> pd.DataFrame:
        """One row per report. Columns: results/README.md.

        >>> import paretune
        >>> {"trial", "step", "val_loss"} <= set(paretune.open("results/quickstart").reports)
        True
        """
        return self._rows.reports

    @property
    def endings(self) -> dict[str, int]:
        """How many trials ended in each way; those without an ending are in none.

        >>> import paretune
        >>> endings = paretune.open("results/quickstart").endings
        >>> list(endings)
        ['solved', 'finished', 'stopped early', 'diverged', 'failed', 'interrupted']
        """
        from analysis.files.layout import ENDINGS

        counts = self.trials["ending"].value_counts()
        return {str(ending): int(counts.get(ending, 0)) for ending in ENDINGS}

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """One row per configuration, with every parameter as a column, defaults filled in.

        >>> import paretune
        >>> {"d_model", "lr", "digits"} <= set(paretune.open("results/quickstart").parameters)
        True
        """
        from analysis.selection import parameters

        return parameters(self._rows)

    def where(self, *conditions: str) -> Self:
        """Return the part of the search whose configurations satisfy conditions: ``"format=aligned"``.

        Raises:
            SelectionError: a condition cannot be understood, or leaves nothing.

        >>> import paretune
        >>> search = paretune.open("results/quickstart")
        >>> len(search.where("d_model<=8").trials) < len(search.trials)
        True
        """
        return self._of(select(self._rows, [parse_condition(text) for text in conditions]))

    def ranking(self) -> pd.DataFrame:
        """Return the configurations, best first.

        >>> import paretune
        >>> list(paretune.open("results/quickstart").ranking()["rank"][:2])
        [1, 2]
        """
        from analysis.ranking import ranking

        return ranking(self._rows)

    def smallest(self) -> int | None:
        """Return the number of the smallest configuration that reaches the target; None if none does.

        >>> import paretune
        >>> paretune.open("results/quickstart").smallest()
        """
        from analysis.ranking import smallest

        found = smallest(self._rows)
        return None if found is None else int(found["configuration"])

    def frontier(self, against: str = "params", quality: str | None = None) -> Frontier:
        """Return the configurations that no other beats in both a cost and quality.

        Args:
            against: a cost.
            quality: ``success_rate``, a metric of the task, or a second cost; what was searched for if None.

        >>> import paretune
        >>> paretune.open("results/quickstart").frontier(against="cpu_seconds").cost.name
        'cpu_seconds'
        """
        from analysis.frontier import frontier

        return frontier(self._rows, against, quality)

    def frontiers(self, against: str | None = None, quality: str | None = None) -> Sequence[Frontier]:
        """Return the frontier of each cost among the plan's objectives, as ``paretune frontier`` shows them.

        Args:
            against: the one cost that is asked about instead.
            quality: as for :meth:`frontier`.

        Raises:
            InputError: there is no such cost or quality.
            SelectionError: the target is asked about, and the search has none.

        >>> import paretune
        >>> [frontier.cost.name for frontier in paretune.open("results/quickstart").frontiers()]
        ['params']
        """
        from paretune.api.frontiers import frontiers_of

        return frontiers_of(self._rows, against, quality)

    def confirmation(self) -> Confirmation:
        """Return what confirmed configurations did on fresh seeds, beside what they did in the search.

        >>> import paretune
        >>> len(paretune.open("results/quickstart").confirmation().sentences) > 0
        True
        """
        from analysis.confirmation import confirmation

        return confirmation(self._rows)

    def question(self) -> Asked | None:
        """Return the answer to what the plan asks; None if it asks nothing.

        >>> import paretune
        >>> paretune.open("results/quickstart").question() is None
        True
        """
        from analysis.questions.asked import asked

        return asked(self._rows)

    def cliff(self, by: str | None = None) -> Cliff:
        """Return the sizes at which the task begins to be learned, together or for each value of ``by``.

        >>> import paretune
        >>> len(paretune.open("results/quickstart").cliff().sentences) > 0
        True
        """
        from analysis.cliff import cliff

        return cliff(self._rows, by)

    def regimes(self, rate: str = "lr", size: str = "params") -> Regimes:
        """Return which rates are too slow, work, and diverge, at each size.

        >>> import paretune
        >>> len(paretune.open("results/quickstart").regimes().sentences) > 0
        True
        """
        from analysis.regimes import regimes

        return regimes(self._rows, rate, size)

    def times(self, by: str | None = None, cost: str | None = None) -> Times:
        """Return how long it takes to the target, and what a success costs, for each value of ``by``.

        >>> import paretune
        >>> len(paretune.open("results/quickstart").times().sentences) > 0
        True
        """
        from analysis.times import times

        return times(self._rows, by, cost)

    def effects(self) -> Effects:
        """Return what each parameter changes, with all comparisons accounted for.

        >>> import paretune
        >>> len(paretune.open("results/quickstart").effects().sentences) > 0
        True
        """
        from analysis.effects import effects

        return effects(self._rows)

    def compare(self, *others: Findings) -> Comparison:
        """Return how other searches of the same question differ from this one.

        >>> import paretune
        >>> search = paretune.open("results/quickstart")
        >>> len(search.compare(search).sentences) > 0
        True
        """
        from analysis.comparison import compare

        return compare([self._rows, *(other._rows for other in others)])

    def atlas(self, *others: Findings, by: Sequence[str] = (), labels: Sequence[str] = ()) -> Atlas:
        """Return success against size of this and other searches, together in one picture.

        Args:
            others: searches, or parts of them, of the same task and target.
            by: parameters, each combination of whose values is a series; if empty, each search is one.
            labels: what to call each search, this one first; those with the same label are one series.

        Raises:
            ComparisonError: the searches ask different questions, or one has no target.

        >>> import paretune
        >>> [one.name for one in paretune.open("results/quickstart").atlas().series]
        ['quickstart']
        """
        from analysis.atlas import atlas

        return atlas([self._rows, *(other._rows for other in others)], by, labels)

    def answer(self) -> Answer:
        """Return all findings in a few sentences.

        >>> import paretune
        >>> len(paretune.open("results/quickstart").answer().sentences) > 0
        True
        """
        from analysis.answer import answer

        return answer(self._rows, self._all)

    def report(self, path: str | Path | None = None) -> Sequence[Path]:
        """Write the report as one page and as Markdown, and return the files written.

        Args:
            path: where the page goes, ``report.html`` in the search's folder if None; the Markdown lies
            beside it.

        >>> import paretune
        >>> [path.name for path in paretune.open("results/quickstart").report("page.html")]
        ['page.html', 'page.md']
        """
        from analysis.report import write_report

        return write_report(self._rows, None if path is None else Path(path), self._all)

    @cached_property
    def _all(self) -> Sequence[Finding]:
        """Every finding, computed once for the answer and the report."""
        from analysis.findings import findings_of

        return findings_of(self._rows)

    def _of(self, rows: SearchRows) -> Self:
        """Return the same for other rows."""
        return type(self)(rows)


def rows_of(findings: Findings) -> SearchRows:
    """Return the rows as the other packages here take them; for the commands, which print them."""
    return findings._rows
