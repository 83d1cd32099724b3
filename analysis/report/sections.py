"""The sections of a report, as plain values, independent of the output format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.pictures.marks import Picture
from analysis.report.tables import Shown


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A text that is shown letter by letter, and only where asked for; ``summary`` says what it is."""

    summary: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the report; ``key`` names its place in the page, and is unique."""

    key: str
    title: str
    is_finding: bool = False
    """Whether the first sentence is the answer to its title."""
    sentences: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    """Terms with what is to be said of them."""
    pictures: Sequence[Picture] = ()
    tables: Sequence[Shown] = ()
    quotes: Sequence[Quote] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to show."""
        return not (self.sentences or self.facts or self.pictures or self.tables or self.quotes)


@dataclass(frozen=True, kw_only=True)
class Content:
    """A whole report."""

    name: str
    title: str
    """What the search is to find out, or its name."""
    facts: Sequence[str]
    """How large the search was and when it ran, in a few words each."""
    question: Sequence[str]
    answer: Sequence[str]
    sections: Sequence[Section]
