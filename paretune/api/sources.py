"""What can be searched, a space file or a plan made in Python, and values that replace some of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypedDict

from paretune.plan.binding import BoundPlan
from paretune.plan.checks import contradictions_in
from paretune.plan.loading import Source, load_bound, search_overrides
from paretune.storage.places import Place
from search_spaces.loader import FormError, SpaceFile, draft_of
from search_spaces.mistakes import KeyPath, Mistake, SpaceFileError
from search_spaces.plan import Plan, PlanDraft


class SearchOptions(TypedDict, total=False):
    """Values in place of a space file's, named as options of ``paretune search``; None replaces nothing.

    >>> import paretune
    >>> smaller: paretune.SearchOptions = {"trials": 4, "seeds": 2}
    >>> paretune.check("search_spaces/quickstart.yaml", **smaller).trials
    4
    """

    trials: int | None
    """Trials in all, each one configuration with one seed."""
    seeds: int | None
    """Seeds per configuration."""
    budget: int | None
    """Steps of the longest trial; other trials' and rungs' scale with it."""
    seed: int | None
    """Seed of the search itself."""
    concurrency: int | None
    """Most trials at a time."""
    cpu: float | None
    """Processor cores per trial."""
    gpu: float | Literal["auto"] | None
    """GPUs per trial; with 0.25 four trials share one, and with auto as many as train most together."""
    fake_gpus: int | None
    """GPUs that this machine does not have and Ray counts all the same; trials train on the processor."""
    storage: str | None
    """Where checkpoints and a copy of the rows go, for machines that share no folder: a URL, or a path."""
    learn_from: Sequence[str] | None
    """Earlier searches whose configurations the sampler knows from the start, by name or folder."""


class ResourceOptions(TypedDict, total=False):
    """What a resumed search may use now, in place of what its plan says; None replaces nothing.

    >>> import paretune
    >>> one_at_a_time: paretune.ResourceOptions = {"concurrency": 1}
    >>> sorted(paretune.ResourceOptions.__annotations__)
    ['concurrency', 'cpu', 'fake_gpus', 'gpu', 'storage']
    """

    concurrency: int | None
    """Most trials at a time."""
    cpu: float | None
    """Processor cores per trial."""
    gpu: float | Literal["auto"] | None
    """GPUs per trial."""
    fake_gpus: int | None
    """GPUs that Ray counts and this machine does not have."""
    storage: str | None
    """The storage that the search has. A search that is not here is fetched from there first."""


class Space(Source, Protocol):
    """Something that says what to search, with its text."""

    @property
    def text(self) -> str:
        """The space file, or what it would be."""
        ...


def bound_of(
    source: str | Path | Plan, given: SearchOptions, *, name: str | None = None, allow_task_code: bool = False
) -> tuple[Space, BoundPlan]:
    """Return what is to be searched, and its checked plan with the values that were given.

    Raises:
        SpaceFileError: with every mistake and its line.
        InputError: the storage is none.
        TypeError: an option is not one of :class:`SearchOptions`.
    """
    require_known(given, SearchOptions)
    options = {key: given.get(key) for key in SearchOptions.__annotations__}
    budget, learn_from = options.pop("budget"), options.pop("learn_from")
    fake_gpus, storage = options.pop("fake_gpus"), options.pop("storage")
    if storage is not None:
        Place.of(str(storage))
    overrides = search_overrides(**options) | {("name",): name}  # type: ignore[arg-type]
    if learn_from:
        overrides[("learn_from",)] = [str(earlier) for earlier in learn_from]  # type: ignore[attr-defined]
    space: Space = PlanInHand(source) if isinstance(source, Plan) else SpaceFile(Path(source))
    bound = load_bound(space, overrides, budget, allow_task_code=allow_task_code)  # type: ignore[arg-type]
    return space, replace(bound, fake_gpus=fake_gpus or 0)  # type: ignore[arg-type]


def require_known(given: Mapping[str, object], accepted: type) -> None:
    """Check that only options are given that there are, as Python does for arguments it knows.

    Raises:
        TypeError: there is another one.
    """
    names = list(accepted.__annotations__)
    for name in given:
        if name not in names:
            raise TypeError(f"there is no option {name!r}; accepted: {', '.join(names)}")


class PlanInHand:
    """A plan that was made in Python: no file, and so no lines."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @property
    def text(self) -> str:
        """The space file that would say the same."""
        return self._plan.to_yaml()

    def draft(self, overrides: Mapping[KeyPath, Any] | None = None) -> PlanDraft:
        """Return what the plan says, with some values replaced.

        Raises:
            SpaceFileError: with every mistake in their form.
        """
        try:
            return draft_of(self._plan.stated(), overrides or {})
        except FormError as error:
            raise self.error(error.mistakes) from None

    def error(self, mistakes: Sequence[Mistake]) -> SpaceFileError:
        """Return the error that shows mistakes by their keys."""
        return SpaceFileError(self._source, mistakes)

    @property
    def _source(self) -> str:
        return f"plan {self._plan.name}"


def changed(plan: Plan, values: Mapping[KeyPath, Any], *, source: str) -> Plan:
    """Return a plan with the values at some paths replaced; None replaces nothing.

    Args:
        plan: the plan.
        values: new values by path, such as ``("search", "trials")``.
        source: what an error names as the place of mistakes.

    Raises:
        SpaceFileError: it would not be a plan any more.
    """
    given = {path: value for path, value in values.items() if value is not None}
    try:
        draft = draft_of(plan.stated(), given)
    except FormError as error:
        raise SpaceFileError(source, error.mistakes) from None
    mistakes = contradictions_in(draft)
    if mistakes:
        raise SpaceFileError(source, mistakes)
    return Plan.of(draft)


def learning(space: Space, bound: BoundPlan, results: Path) -> BoundPlan:
    """Return a new search's plan with what it learns from the earlier ones that it names.

    Raises:
        SpaceFileError: there is no such search, or nothing to learn from it.
    """
    if not bound.plan.learn_from:
        return bound
    # Optuna takes a second to import, and is not needed otherwise.
    from paretune.record.study.earlier import LearningError, with_learned

    try:
        return with_learned(bound, results)
    except LearningError as error:
        raise space.error(error.mistakes) from error
