"""Running a search, and resuming one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from analysis.rows import SearchRows
from paretune.api.consoles import Progress, console_of
from paretune.api.deadline import Timed, Within, begun_before, timed, trials_to_do
from paretune.api.searches import Search, Session
from paretune.api.sources import ResourceOptions, SearchOptions, bound_of, changed, learning, require_known
from paretune.errors import ClusterError, InputError, RayLostError
from paretune.plan.binding import BoundPlan, bind
from paretune.plan.checks import mistakes_in_keys
from paretune.plan.checks.misleading import warnings_of
from paretune.plan.preparing import prepare
from paretune.record.run_folder import RunFolder
from paretune.signals import handled_signals
from paretune.storage.copying import claim
from paretune.storage.fetching import fetch
from paretune.terminal.packing import with_gpus

if TYPE_CHECKING:
    from rich.console import Console

    from paretune.record.events import Listener
    from paretune.sampling.history import PastTrial
    from paretune.timing.outlook import Opened
    from search_spaces.plan import Plan


def search(
    source: str | Path | Plan,
    *,
    name: str | None = None,
    results: str | Path = "results",
    address: str = "local",
    allow_task_code: bool = False,
    progress: Progress = True,
    within: str | float | Within | None = None,
    notice: float | None = None,
    **options: Unpack[SearchOptions],
) -> Search:
    """Search a space: train its configurations, record all below ``results/NAME``, and return the search.

    A name that is taken gets a number, so nothing is ever overwritten. Ctrl-C, SIGTERM, or the stop button
    of a notebook, ends the search cleanly: trials that run write a checkpoint, all rows are kept, and the
    search that is returned says ``interrupted``.

    Args:
        source: a YAML space file, or a plan.
        name: a name in place of the plan's.
        results: the folder of all searches.
        address: ``local``, or a Ray cluster: ``auto``, or host:port of its head.
        allow_task_code: whether the task may be code that the space file names.
        progress: whether progress is printed, or a console of Rich to print it on.
        within: a time to be over in, such as ``"2h"`` or seconds: no trial begins that is not expected to
            end by then, and where the file leaves the number of trials open, there are as many as fit.
        notice: seconds from the first Ctrl-C or SIGTERM to the end, 30 if None: in them, each trial that runs
            writes a checkpoint, from which a resumed search continues it. A second one ends it at once.
        options: values in place of the file's; see :class:`SearchOptions`.

    Raises:
        SpaceFileError: with every mistake and its line.
        InputError: this machine or cluster cannot run a single trial; nothing is left behind.
        DataError: data that the trials need are not here, or damaged.
        ClusterError: there is no cluster at ``address``.
        RayLostError: Ray was lost while it ran; all rows are kept.
        OSError: rows cannot be written any more; what was written stays.
        KeyboardInterrupt: it was interrupted before a trial was started; nothing is left behind.

    >>> import paretune
    >>> search = paretune.search("search_spaces/quickstart.yaml", trials=4, progress=False)
    >>> search.name, len(search.trials), search.interrupted
    ('quickstart', 4, False)
    """
    given = Within.of(within)
    space, bound = bound_of(source, options, name=name, allow_task_code=allow_task_code)
    bound = learning(space, bound, Path(results))
    console = console_of(progress)
    # Before there is a folder: what this machine does not have is no reason to leave one behind.
    bound = with_gpus(bound, console, address=address)
    timing = None
    if given is not None:

        def again(chosen: Opened) -> BoundPlan:
            more: SearchOptions = {**options, "trials": chosen.trials}
            if chosen.seeds is not None:
                more["seeds"] = chosen.seeds
            counted = bound_of(source, more, name=name, allow_task_code=allow_task_code)[1]
            return replace(counted, shares=bound.shares)

        prepare(bound)
        timing = timed(bound, given, console, address=address, again=again)
        # How much it learns from others goes by how many it tries itself.
        bound = learning(space, timing.bound, Path(results))
    folder = RunFolder.create(Path(results), bound, space.text)
    if (storage := options.get("storage")) is not None:
        claim(folder.path, storage)
    if folder.name == bound.plan.name:
        console.print(f"Search {folder.name}, in {folder.path}.", soft_wrap=True)
    else:
        console.print(
            f"{bound.plan.name} exists already, so this search is {folder.name}, in {folder.path}. "
            f"(To resume the old one: paretune resume {bound.plan.name})",
            soft_wrap=True,
        )
    for earlier in () if bound.learned is None else bound.learned.sources:
        console.print(f"Learns from {earlier.sentence}.", soft_wrap=True)
    for words in warnings_of(bound):
        console.print(words, style="yellow", soft_wrap=True)
    run = _Run(
        folder=folder,
        bound=bound,
        address=address,
        console=console,
        is_new=True,
        timing=timing,
        notice=notice,
    )
    return run.to_its_end()


def resume(
    search: str | Path,
    trials: int | None = None,
    *,
    results: str | Path = "results",
    address: str = "local",
    allow_task_code: bool = False,
    progress: Progress = True,
    within: str | float | Within | None = None,
    notice: float | None = None,
    **options: Unpack[ResourceOptions],
) -> Search:
    """Resume a search where it ended, also after a crash, and return it.

    What has ended is not run again, unless it failed. A search that is over is extended by more trials.

    Args:
        search: the search's name below ``results``, or its folder.
        trials: trials in all, at least as many as the search has; as many as it has if None.
        results: the folder of all searches.
        address: ``local``, or a Ray cluster: ``auto``, or host:port of its head.
        allow_task_code: whether the task may be code that the plan names.
        progress: whether progress is printed, or a console of Rich to print it on.
        within: a time to be over in, counted from now; see :func:`search`.
        notice: see :func:`search`.
        options: what trials may use now; see :class:`ResourceOptions`.

    Raises:
        InputError: there is no such search, it runs already, its folder is read-only, or it has more trials.
        DamagedError: a file of it is damaged, and cannot be made anew; see :func:`repair`.
        DataError, ClusterError, RayLostError, OSError, KeyboardInterrupt: as for :func:`search`; the
            folder stays.

    >>> import paretune
    >>> len(paretune.resume("quickstart", trials=6, progress=False).trials)
    6
    """
    given = Within.of(within)
    require_known(options, ResourceOptions)
    console = console_of(progress)
    storage = options.get("storage")
    if storage is not None and not (Path(results) / str(search)).exists() and not Path(search).exists():
        fetched = fetch(storage, str(search), Path(results))
        console.print(f"Fetched {search} from {storage} into {fetched}.", soft_wrap=True)
    folder = RunFolder.open(Path(results), str(search))
    if storage is not None:
        claim(folder.path, storage)
    folder.require_resumable()
    _repair(folder, console, allow_task_code=allow_task_code)
    plan = folder.plan
    if trials is not None and trials < plan.trials:
        raise InputError(f"{folder.name} has {plan.trials} trials already; --trials can only add to them")
    extended = changed(plan, {("search", "trials"): trials}, source=folder.name)
    now = changed(
        extended,
        {
            ("search", "concurrency"): options.get("concurrency"),
            ("resources", "cpu"): options.get("cpu"),
            ("resources", "gpu"): options.get("gpu"),
        },
        source=folder.name,
    )
    bound = _as_learned_before(bind(now, allow_task_code=allow_task_code), folder)
    bound = replace(bound, fake_gpus=options.get("fake_gpus") or 0)
    # Other resources than before may not do for what is searched.
    if mistakes := mistakes_in_keys(bound.plan, bound.task):
        raise InputError("\n".join(map(str, mistakes)))
    bound = with_gpus(bound, console, address=address, folder=folder)
    console.print(f"Resuming {folder.name}, in {folder.path}.", soft_wrap=True)
    timing = None
    if given is not None and (to_do := trials_to_do(folder, bound)):
        prepare(bound)
        timing = timed(bound, given, console, address=address, to_do=to_do, begun=begun_before(folder, bound))
    run = _Run(
        folder=folder,
        bound=bound,
        address=address,
        console=console,
        is_new=False,
        timing=timing,
        notice=notice,
    )
    return run.to_its_end(extended)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A session that is about to begin."""

    folder: RunFolder
    bound: BoundPlan
    address: str
    console: Console
    is_new: bool
    timing: Timed | None = None
    notice: float | None = None

    def to_its_end(self, extended: Plan | None = None) -> Search:
        """Run the search until it is over, or interrupted.

        Args:
            extended: the folder's plan with more trials, to be kept once it is clear that it can run.
        """
        with handled_signals():
            return self._to_its_end(extended)

    def _to_its_end(self, extended: Plan | None) -> Search:
        began = time.monotonic()
        interrupted, seconds, concurrency, ran_out = True, None, None, False
        try:
            # Ray and torch take seconds to import; a mistake in the data should not wait for them.
            prepare(self.bound)
            self.console.print("Starting Ray ...", style="dim")
            if self._compiles_here:
                from paretune.sampling.ahead import compile_ahead

                compile_ahead(self.bound)
            from paretune.tune.notice import NOTICE_SECONDS
            from paretune.tune.run import run_search

            outcome = run_search(
                self.folder,
                self.bound,
                self._watching,
                address=self.address,
                extended=extended,
                deadline=None if self.timing is None else self.timing.deadline,
                notice=NOTICE_SECONDS if self.notice is None else self.notice,
                say=lambda line: self.console.print(line, style="yellow", soft_wrap=True),
            )
            ran_out = outcome.ran_out_of_time
            if self.timing is not None:
                if ran_out and not self.folder.has_rows:
                    raise InputError(self.timing.too_short)
                self.timing.settle(self.folder, self.bound.plan)
            interrupted, seconds = outcome.interrupted, outcome.elapsed
            concurrency = outcome.concurrency
        except KeyboardInterrupt as stopped:
            # While Ray starts, or a second one while it stops. A search that has trials is a result.
            if not self.folder.has_rows:
                self._remove_if_new()
                left = "nothing is left behind" if self.is_new else "nothing has changed"
                raise KeyboardInterrupt(f"interrupted before a trial was started; {left}") from stopped
        except OSError as error:
            self._remove_if_new()
            if isinstance(error, RayLostError) and self.folder.path.exists():
                where = "" if self.address == "local" else f" --address {self.address}"
                error.add_note(f"All rows are kept. Resume with: paretune resume {self.folder.shown}{where}")
            elif not isinstance(error, ClusterError) and self.folder.path.exists():
                error.add_note(
                    f"What is known so far is in {self.folder.path}. "
                    f"Resume it with: paretune resume {self.folder.shown}"
                )
            raise
        except BaseException:
            self._remove_if_new()
            raise
        seconds = time.monotonic() - began if seconds is None else seconds
        session = Session(
            interrupted=interrupted,
            seconds=seconds,
            concurrency=concurrency,
            ran_out_of_time=ran_out,
            outlook=None if self.timing is None else self.timing.outlook,
            forecast=None if self.timing is None else self.timing.compared(),
        )
        return Search(SearchRows(self.folder.path), session)

    @property
    def _compiles_here(self) -> bool:
        """Whether its first trials run on this machine's processor, and have not run before."""
        return self.is_new and self.address == "local" and self.bound.trains_on_cpu

    def _remove_if_new(self) -> None:
        if self.is_new:
            self.folder.remove_unused()

    @contextmanager
    def _watching(self, past: Sequence[PastTrial]) -> Iterator[Sequence[Listener]]:
        """Show what happens: a live table on a terminal, lines elsewhere."""
        from paretune.terminal.board import Board
        from paretune.terminal.display import LineDisplay, LiveDisplay

        board = Board(self.bound, list(past))
        board.deadline = None if self.timing is None else self.timing.deadline
        display: AbstractContextManager[LiveDisplay | LineDisplay]
        display = (LiveDisplay if self.console.is_terminal else LineDisplay)(board, self.bound, self.console)
        with display as shown:
            yield [board, shown]


def _repair(folder: RunFolder, console: Console, *, allow_task_code: bool) -> None:
    """Set aside what is damaged in a folder, and say so; nobody else may be in it."""
    # Optuna takes a second to import.
    from paretune.record.repairing.repair import repaired

    with folder.locked():
        for sentence in repaired(folder, allow_task_code=allow_task_code).sentences:
            console.print(sentence, style="yellow", soft_wrap=True, markup=False)


def _as_learned_before(bound: BoundPlan, folder: RunFolder) -> BoundPlan:
    """Return a plan with what its search learned when it began."""
    if not bound.plan.learn_from:
        return bound
    # Optuna takes a second to import.
    from paretune.record.study.earlier import as_learned_before

    return as_learned_before(bound, folder)
