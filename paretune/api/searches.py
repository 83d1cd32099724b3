"""Searches as values: what one found, and what can be done with it, opened without Ray and torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

from analysis.rows import SearchRows
from paretune.api.findings import Findings
from paretune.record.run_folder import RunFolder

if TYPE_CHECKING:
    import optuna

    from paretune.api.confirming import Confirmed
    from paretune.api.consoles import Progress
    from paretune.api.retraining import Retrained
    from paretune.api.sources import ResourceOptions
    from paretune.record.concurrency import Concurrency
    from paretune.timing.outlook import Outlook
    from trainables.contract import Evaluation


@dataclass(frozen=True, kw_only=True)
class Session:
    """How a session of a search went, from its start to its end.

    >>> import paretune
    >>> session = paretune.Session(interrupted=True, seconds=90.0)
    >>> session.interrupted, session.ran_out_of_time
    (True, False)
    """

    interrupted: bool
    """Whether Ctrl-C ended it before the search was over."""
    seconds: float
    """Elapsed time."""
    concurrency: Concurrency | None = None
    """How many trials ran at a time, with ``mean``, ``summary`` and ``advice``; None if it was interrupted
    before the first."""
    ran_out_of_time: bool = False
    """Whether ``within`` ended it with trials left to do."""
    outlook: Outlook | None = None
    """What was expected of the time it was given, with ``trials``, ``low``, ``high`` and ``seconds``; None
    without ``within``, and where nothing could be measured."""
    forecast: str | None = None
    """How good that was, in a sentence."""


class Search(Findings):
    """A search that is over, or still runs: its rows, what they answer, and what can be done with it.

    Made by :func:`paretune.search`, :func:`paretune.resume` and :func:`paretune.open`. Every answer is a
    small frozen value with intervals. It has ``sentences``, ``tables``, ``as_json()``, and ``plot(axes)``,
    which paints it on axes of Matplotlib.

    >>> import paretune
    >>> search = paretune.open("results/quickstart")
    >>> search.name, search.plan.task
    ('quickstart', 'addition')
    """

    def __init__(self, rows: SearchRows, session: Session | None = None) -> None:
        super().__init__(rows)
        self._session = session

    @property
    def session(self) -> Session | None:
        """The session that this value comes from; None if the search was opened, not run.

        >>> import paretune
        >>> paretune.open("results/quickstart").session is None
        True
        """
        return self._session

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the session that this value comes from.

        >>> import paretune
        >>> paretune.open("results/quickstart").interrupted
        False
        """
        return self._session is not None and self._session.interrupted

    @property
    def is_running(self) -> bool:
        """Whether a process works in its folder now, a search or a confirmation: there may be more rows soon.

        >>> import paretune
        >>> paretune.open("results/quickstart").is_running
        False
        """
        return RunFolder(self.folder).in_use

    @property
    def checkpoint(self) -> Path | None:
        """The best checkpoint that :meth:`retrain` kept; None if there is none.

        Of several retrained configurations it is the one that ranks first, and of its seeds the one that is
        best by validation.

        >>> import paretune
        >>> search = paretune.open("results/quickstart")
        >>> retrained = search.retrain(0, seeds=1, problems=100, progress=False)
        >>> search.checkpoint.name
        'checkpoint.pt'
        """
        from paretune.confirm.kept import best_checkpoint

        return best_checkpoint(self._rows)

    def study(self, *, allow_task_code: bool = False) -> optuna.Study:
        """Return the search as a study of Optuna's: a trial for each configuration, as the sampler was told.

        It is read from the rows whenever it is asked, also while the search runs, and cannot be changed. What
        takes a study, takes it: ``optuna.visualization``, ``optuna.importance``, ``trials_dataframe``.

        Args:
            allow_task_code: whether the task may be code that the plan names.

        Raises:
            InputError: the task is not here, or it may not run.

        >>> import paretune
        >>> study = paretune.open("results/quickstart").study()
        >>> study.study_name, study.trials[0].user_attrs["trials"][:7]
        ('quickstart', 'c000-s0')
        """
        import optuna

        from paretune.plan.binding import bind
        from paretune.record.study.storage import RowsStorage

        folder = RunFolder(self.folder)
        storage = RowsStorage(folder, bind(self.plan, allow_task_code=allow_task_code))
        return optuna.load_study(study_name=folder.name, storage=storage)

    def resume(
        self,
        trials: int | None = None,
        *,
        address: str = "local",
        allow_task_code: bool = False,
        progress: Progress = True,
        **options: Unpack[ResourceOptions],
    ) -> Search:
        """Resume the search where it ended, or extend it, and return it with its new rows.

        Arguments and errors are those of :func:`paretune.resume`.

        >>> import paretune
        >>> search = paretune.open("results/quickstart")
        >>> len(search.resume(trials=6, progress=False).trials)
        6
        """
        from paretune.api.searching import resume

        return resume(
            self.folder,
            trials,
            address=address,
            allow_task_code=allow_task_code,
            progress=progress,
            **options,
        )

    def confirm(
        self,
        points: str | Sequence[str | int] = "frontier",
        *,
        seeds: int = 8,
        problems: int = 10_000,
        device: str = "auto",
        allow_task_code: bool = False,
        progress: Progress = True,
    ) -> Confirmed:
        """Train chosen configurations on seeds that the search never used, one seed at a time.

        Seeds that were confirmed before are not trained again. After Ctrl-C the same call trains those that
        are missing.

        Args:
            points: ``frontier``, ``top:5``, numbers of configurations, or several of these.
            seeds: how many fresh seeds each configuration shall have.
            problems: how many held-out problems to evaluate each seed on.
            device: ``auto``, ``cpu`` or ``cuda``.
            allow_task_code: whether the task may be code that the plan names.
            progress: whether progress is printed, or a console of Rich to print it on.

        Raises:
            InputError: there is nothing to confirm, no such configuration or device, or a search still runs.

        >>> import paretune
        >>> search = paretune.open("results/quickstart")
        >>> confirmed = search.confirm([0], seeds=1, problems=100, progress=False)
        >>> confirmed.wanted, confirmed.done, confirmed.interrupted
        (1, 1, False)
        """
        from paretune.api.confirming import confirm

        return confirm(
            self._rows,
            [points] if isinstance(points, str) else points,
            seeds=seeds,
            problems=problems,
            device=device,
            allow_task_code=allow_task_code,
            progress=progress,
        )

    def retrain(
        self,
        configuration: int | None = None,
        *,
        seeds: int = 3,
        problems: int = 10_000,
        device: str = "auto",
        allow_task_code: bool = False,
        progress: Progress = True,
    ) -> Retrained:
        """Retrain a configuration at its full budget on fresh seeds, keep the best model, and evaluate it.

        Args:
            configuration: its number; if None, the cheapest that reaches the target.
            seeds: how many fresh seeds to train.
            problems: how many held-out problems to evaluate each checkpoint on.
            device: ``auto``, ``cpu`` or ``cuda``.
            allow_task_code: whether the task may be code that the plan names.
            progress: whether progress is printed, or a console of Rich to print it on.

        Raises:
            InputError: there is no such configuration or device, or none that reaches the target.
            KeyboardInterrupt: it was interrupted before a seed was done; no report is left behind.

        >>> import paretune
        >>> retrained = paretune.open("results/quickstart").retrain(0, seeds=1, problems=100, progress=False)
        >>> retrained.evaluation.problems, retrained.report.name
        (100, 'report.md')
        """
        from paretune.api.retraining import retrain

        return retrain(
            self._rows,
            configuration,
            seeds=seeds,
            problems=problems,
            device=device,
            allow_task_code=allow_task_code,
            progress=progress,
        )

    def evaluate(self, *, problems: int = 10_000, seed: int = 0, device: str = "auto") -> Evaluation:
        """Evaluate the best checkpoint that :meth:`retrain` kept on held-out problems.

        Arguments and errors are those of :func:`paretune.evaluate`.

        Raises:
            InputError: nothing was retrained yet.

        >>> import paretune
        >>> paretune.open("results/quickstart").evaluate(problems=100).metric
        'exact_match'
        """
        from paretune.api.evaluating import evaluate
        from paretune.errors import InputError

        checkpoint = self.checkpoint
        if checkpoint is None:
            raise InputError(
                f"{self.name} has no retrained model; make one with search.retrain() or "
                f"`paretune retrain {RunFolder(self.folder).shown}`"
            )
        return evaluate(checkpoint, problems=problems, seed=seed, device=device)

    def _of(self, rows: SearchRows) -> Self:
        return type(self)(rows, self._session)


def open(path: str | Path, results: str | Path = "results") -> Search:
    """Open the search in a folder, or of a name below ``results``. Neither Ray nor torch is imported.

    Args:
        path: the search's folder, or its name.
        results: the folder of all searches.

    Raises:
        InputError: there is none; the message lists those there are.

    >>> import paretune
    >>> paretune.open("quickstart").folder == paretune.open("results/quickstart").folder
    True
    """
    folder = RunFolder.open(Path(results), str(path))
    folder.require_rows()
    return Search(SearchRows(folder.path))


def learning_curves(folder: str | Path | None = None) -> dict[str, Search]:
    """Return the library of learning curves: searches whose every trial ran to its own end, by name.

    They have no folder of their own; what asks for one, such as ``resume``, is refused.

    Args:
        folder: the library's; by default the one that is committed, ``results/published/learning_curves``.

    Raises:
        InputError: it is not here, as where only the package is installed.

    >>> import paretune
    >>> library = paretune.learning_curves()
    >>> sum(len(search.trials) for search in library.values()) >= 600
    True
    """
    from paretune.stopping.library import committed_library, read_library

    where = committed_library(Path("results")) if folder is None else Path(folder)
    return {rows.plan.name: Search(rows) for rows in read_library(where)}
