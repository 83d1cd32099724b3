"""What a search has handed out, and what came of it: all that a strategy decides by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from analysis.files.layout import SEARCHES, SELECTS, TrialEnding
from analysis.outcomes import SAYS_OUTCOME
from paretune.sampling.outcomes import SeedOutcome
from search_spaces.plan import Values


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One trial: a configuration, a seed, and where to go on from if it was begun before."""

    label: str
    configuration: int
    seed_index: int
    seed: int
    values: Values
    params: int
    role: str = SEARCHES
    """What it is for; one of :data:`analysis.files.layout.ROLES`."""
    resume_from: str | None = None

    @staticmethod
    def label_of(configuration: int, seed_index: int) -> str:
        """Return the trial's name, such as ``c012-s0``."""
        return f"c{configuration:03d}-s{seed_index}"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a trial stands with early stopping, as its row keeps it."""

    below_cut_at: tuple[float, ...] = ()
    """The rungs at which it came below the cut and was not above it since: steps, or shares of its steps."""
    kept_chance: float | None = None
    """The chance with which it runs on below the cut; None where it did not do so by lot."""
    is_paused: bool = False


@dataclass(kw_only=True)
class Tried:
    """A configuration of which trials were handed out."""

    number: int
    values: Values
    params: int
    roles: dict[int, str] = field(default_factory=dict)
    """The role of each seed that was handed out, by its index."""
    outcomes: dict[int, SeedOutcome] = field(default_factory=dict)
    """How the seeds ended, by index; those that run are missing."""

    @property
    def next_seed(self) -> int:
        """The index of the seed that would be next."""
        return max(self.roles, default=-1) + 1

    def endings(self, role: str | None = None) -> Iterator[TrialEnding]:
        """Yield the endings of its seeds of one role, or of all, in the order of the seeds."""
        for index in sorted(self.outcomes):
            if role is None or self.roles[index] == role:
                yield self.outcomes[index].ending

    def known(self, role: str | None = None) -> tuple[int, int]:
        """Return how many of its seeds of one role, or of all, solved, and how many have a known outcome."""
        endings = [ending for ending in self.endings(role) if ending in SAYS_OUTCOME]
        return endings.count(TrialEnding.SOLVED), len(endings)

    def running(self, role: str | None = None) -> int:
        """Return how many of its seeds run."""
        return sum(
            index not in self.outcomes and (role is None or told == role)
            for index, told in self.roles.items()
        )


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a strategy wants the next trial."""

    values: Values
    """The configuration, complete."""
    role: str = SEARCHES
    seed_index: int
    number: int | None = None
    """The configuration's number, if it was tried before."""


@dataclass
class History:
    """The configurations that were tried, by number; and how many trials were handed out."""

    configurations: dict[int, Tried] = field(default_factory=dict)
    handed_out: int = 0
    """How many trials were handed out."""
    stand: int = 0
    """How much has happened: it changes with every event."""

    def given(self, role: str) -> int:
        """Return how many trials of a role were handed out."""
        return sum(list(tried.roles.values()).count(role) for tried in self.configurations.values())

    def selecting(self) -> int:
        """Return how many trials of the role that selects run."""
        return sum(tried.running(SELECTS) for tried in self.configurations.values())

    def note(self, spec: TrialSpec) -> None:
        """Take note that a trial was handed out."""
        tried = self.configurations.setdefault(
            spec.configuration, Tried(number=spec.configuration, values=spec.values, params=spec.params)
        )
        tried.roles[spec.seed_index] = spec.role
        self.handed_out += 1
        self.stand += 1

    def note_end(self, spec: TrialSpec, outcome: SeedOutcome) -> None:
        """Take note of how a trial ended, or of what a paused one came to, which its end replaces."""
        self.stand += 1
        self.configurations[spec.configuration].outcomes[spec.seed_index] = outcome

    def number_of(self, values: Values) -> int | None:
        """Return the number of a configuration that was tried; None if it was not."""
        return next((n for n, tried in self.configurations.items() if tried.values == values), None)

    def next_of(self, values: Values, role: str) -> Placement:
        """Return the next seed of a configuration, tried before or not."""
        number = self.number_of(values)
        index = 0 if number is None else self.configurations[number].next_seed
        return Placement(values=values, role=role, seed_index=index, number=number)


@dataclass(frozen=True, kw_only=True)
class PastTrial:
    """A trial that an earlier session of the same search began."""

    spec: TrialSpec
    outcome: SeedOutcome | None
    """None if it is still to be ended, or to be run again."""
    paused_with: SeedOutcome | None = None
    """What it had come to when it was paused; None if it was not."""
    standing: Standing = Standing()
    """Where it stands with early stopping."""
