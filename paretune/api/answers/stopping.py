"""What a search answers about early stopping: what its own has cost, and what others would have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.rows import SearchRows
    from analysis.stopped import Stopped
    from paretune.stopping.replay.finding import Stopping


class EarlyStoppingFindings:
    """A part of :class:`paretune.api.findings.Findings`."""

    _rows: SearchRows

    def early_stopping(self) -> Stopped | None:
        """Return the winners that early stopping cost the search; None if its plan has none.

        They are estimated from the trials that ran on below the cut by lot. Rules that a search without early
        stopping could have had are replayed by :meth:`stopping`.

        >>> import paretune
        >>> paretune.open("results/quickstart").early_stopping() is None
        True
        """
        from analysis.stopped import stopped

        return stopped(self._rows)

    def stopping(
        self,
        *others: EarlyStoppingFindings,
        metrics: Sequence[str] = (),
        at: Sequence[float] = (),
        factors: Sequence[float] = (),
        steps: Sequence[int] = (),
        most_lost: float = 0.05,
        slots: int = 1,
    ) -> Stopping:
        """Return what rules of early stopping would have saved, and which winners they would have lost.

        The search, and the others, have to have run without early stopping. With others, each is left out in
        turn: a rule is judged on searches that did not choose it.

        Args:
            others: further searches; trials are compared within a search only.
            metrics: what is compared at the rungs; the usual ones if empty.
            at: where rungs are tried, alone and in pairs, as shares of each trial's steps; five if empty.
            factors: reduction factors; 1.25, 1.5, 2 and 3 if empty.
            steps: rungs at the same step for all trials, in place of shares.
            most_lost: the largest share of the winners of a band of sizes that a rule may lose.
            slots: how many trials run side by side.

        Raises:
            InputError: the curves are cut off, there are no winners, or what is to be tried cannot be.

        >>> import paretune
        >>> first, *others = paretune.learning_curves().values()
        >>> first.stopping(metrics=["train_loss"], at=[0.1], factors=[2]).looked_at
        4
        """
        from paretune.stopping.replay.finding import Tried, stopping

        usual = Tried()
        tried = Tried(
            metrics=metrics,
            shares=at or usual.shares,
            factors=factors or usual.factors,
            steps=steps,
            most_lost=most_lost,
            slots=slots,
        )
        return stopping([self._rows, *(other._rows for other in others)], tried)
