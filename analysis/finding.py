"""What every finding has: sentences, tables, pictures, plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from analysis.files.layout import Column
from analysis.pictures.marks import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True)
class Table:
    """A titled table with the meaning of its columns; cells are plain values, missing ones NaN or None."""

    title: str
    frame: pd.DataFrame
    columns: Sequence[Column]


class Finding(Protocol):
    """An answer to one question of a search: the cliff, the regimes, the times, the effects, a comparison.

    Findings are values: made once by a function of this room, and never changed.
    """

    @property
    def kind(self) -> str:
        """A word that names the command and the files of this finding: ``cliff``."""
        ...

    @property
    def title(self) -> str:
        """What it is about, for a heading: ``Parameter cliff``."""
        ...

    @property
    def sentences(self) -> Sequence[str]:
        """Whole sentences with intervals and n; the first is the answer.

        It states what cannot be determined, and what would make it possible. Never empty.
        """
        ...

    @property
    def tables(self) -> Sequence[Table]:
        """The numbers; the first is what an export holds."""
        ...

    @property
    def pictures(self) -> Sequence[Picture]:
        """Pictures of them; empty where there is nothing to draw."""
        ...

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, without NaN."""
        ...


class Drawn:
    """Adds ``plot`` to a finding that has pictures."""

    def plot(self, axes: Axes, index: int = 0) -> Axes:
        """Paint one of the finding's pictures on axes of Matplotlib, and return them.

        Raises:
            IndexError: the finding has no such picture.
        """
        from analysis.pictures.painting import paint

        pictures: Sequence[Picture] = self.pictures  # type: ignore[attr-defined]
        return paint(axes, pictures[index])
