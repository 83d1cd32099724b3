"""What a search knows from earlier ones when it starts: plain values, kept in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from search_spaces.plan import Values

_THINNED = "thinned out, since they differ"


@dataclass(frozen=True, kw_only=True)
class LearnedConfiguration:
    """A configuration of an earlier search, as one of this search's space."""

    of: str
    """Where it comes from: the search, and the configuration's number there, such as ``quickstart c012``."""
    values: Values
    params: int
    trials: tuple[Mapping[str, Any], ...]
    """How its trials ended: ``ending``, ``step``, ``metrics`` and ``out_of_memory`` of each. What this search
    would not know of them is told as unknown."""


@dataclass(frozen=True, kw_only=True)
class LearnedSource:
    """An earlier search, and what of it is used."""

    name: str
    """As it was named."""
    folder: str
    digest: str
    """SHA-256 of its ``trials.jsonl``."""
    configurations: int
    """How many it has."""
    fitting: int
    """How many of them can be learned from."""
    learned: int
    """How many of those are, by their weight."""
    differs: tuple[str, ...]
    """Settings of the recipe that differ, such as ``steps is 2000 there, 6000 here``."""
    left_out: Mapping[str, int]
    """How many were left out, for each reason."""

    def as_provenance(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """What is learned from it, and what not."""
        text = f"{self.name}: {self.learned} of {self.configurations} configurations"
        if self.differs:
            text += f"; {', '.join(self.differs)}, so they count less"
        thinned = self.fitting - self.learned
        reasons = dict(self.left_out) | ({_THINNED: thinned} if thinned else {})
        if reasons:
            text += "; left out: " + ", ".join(f"{count} ({reason})" for reason, count in reasons.items())
        return text


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What a search knows when it starts."""

    sources: tuple[LearnedSource, ...]
    configurations: tuple[LearnedConfiguration, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, which :meth:`of_json` reads."""
        return asdict(self)

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> Learned:
        """Return what :meth:`as_json` wrote.

        Raises:
            KeyError, TypeError: it is something else.
        """
        return cls(
            sources=tuple(
                LearnedSource(**{**source, "differs": tuple(source["differs"])})
                for source in content["sources"]
            ),
            configurations=tuple(
                LearnedConfiguration(**{**one, "trials": tuple(one["trials"])})
                for one in content["configurations"]
            ),
        )
