"""The evaluation of a language model on text that no trial was chosen by."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trainables.clusters import ClusteredMean, clustered_mean, effective_clusters
from trainables.contract import VALIDATION_LOSS, Evaluation, Mean, Table
from trainables.text.dataset import Dataset

FEWEST_DOCUMENTS = 5
"""With documents that amount to fewer of equal size, an error over them is not worth its name."""

BLOCKS = 32
"""Into so many blocks of contiguous text it is divided then: long ones, whose losses hardly depend on each
other, and enough of them for an error.
"""

_READ_TOGETHER = 2**22

Places = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Sequences of a data set's validation text, in the order of their begins, without overlap."""

    data: Dataset
    begins: list[int]
    length: int
    first: int
    """Where the text begins that no trial was chosen by."""

    @property
    def targets(self) -> Places:
        """Where the predicted tokens are, of shape (windows, length)."""
        return np.array(self.begins, dtype=np.int64)[:, None] + np.arange(1, self.length + 1)


def evaluate_windows(windows: Windows, losses: Iterable[tuple[Tensor, Tensor]], *, seed: int) -> Evaluation:
    """Put the losses on windows together.

    The standard error is one over documents, because the tokens of one are alike. Where there are too few
    documents, or one is most of the text, blocks of contiguous text stand in their place: that error says
    nothing about other documents.

    Args:
        windows: what was predicted.
        losses: nats of shape (B, length), and whether the likeliest token was right, of all windows in order.
        seed: what the windows were drawn with.
    """
    nats, right = [], 0
    for loss, is_right in losses:
        nats.append(loss.float().cpu().numpy())
        right += int(is_right.sum())
    each = np.concatenate(nats)  # (windows, length)
    places = windows.targets
    sizes = _bytes_of(windows.data, places)
    unit, called = _units(windows, places)
    by_token = _over_units(each, np.ones_like(each), unit)
    by_byte = _over_units(each / math.log(2), sizes, unit)
    return Evaluation(
        metric=VALIDATION_LOSS,
        problems=len(each),
        mean=by_token.mean,
        standard_error=by_token.standard_error,
        units=by_token.effective,
        called=f"held-out windows of {windows.length} tokens, of {by_token.clusters:,} {called}"
        f"{_worth(by_token)}",
        drawn_from=f"the validation text of {windows.data.name} after {windows.first:,} tokens, seed {seed}",
        also=(Mean(metric="bits_per_byte", mean=by_byte.mean, standard_error=by_byte.standard_error),),
        tables=(
            Table(
                title="Next tokens",
                columns=("what", "value"),
                rows=[
                    ("bits per byte", by_byte.mean),
                    ("share of tokens that were the likeliest", right / each.size),
                    ("tokens", each.size),
                ],
            ),
        ),
    )


def _over_units(amounts: NDArray[Any], sizes: NDArray[Any], unit: Places) -> ClusteredMean:
    return clustered_mean(_sums(amounts, unit), _sums(sizes, unit))


def _worth(found: ClusteredMean) -> str:
    """Say how many equal units they amount to, where that is clearly fewer."""
    is_fewer = found.effective < 0.9 * found.clusters
    return f" that amount to {found.effective:,.0f} of equal length" if is_fewer else ""


def _sums(amounts: NDArray[Any], unit: Places) -> NDArray[np.float64]:
    """Return the sum of each unit, in double precision whatever the amounts are in."""
    return np.bincount(unit.ravel(), amounts.ravel()).astype(np.float64)


def _units(windows: Windows, places: Places) -> tuple[Places, str]:
    """Return the number of the independent unit that each predicted token belongs to, and what units are."""
    starts = _document_starts(windows.data, windows.first, int(places[-1, -1]) + 1)
    # A mark belongs to the document that it begins; to the first belongs what comes before any mark.
    document = np.unique(np.searchsorted(starts, places, side="right"), return_inverse=True)[1]
    document = document.reshape(places.shape)
    if effective_clusters(_sums(np.ones(document.shape), document)) >= FEWEST_DOCUMENTS:
        return document, "documents"
    blocks = min(BLOCKS, len(places))
    # By their places, so that windows beside each other are in one block, whatever was drawn.
    whole = windows.data.length("val") - windows.first
    block = (np.array(windows.begins) - windows.first) * BLOCKS // whole
    block = np.unique(block if len(places) > blocks else np.arange(len(places)), return_inverse=True)[1]
    return np.repeat(block[:, None], places.shape[1], axis=1), "blocks of contiguous text"


def _document_starts(data: Dataset, begin: int, end: int) -> Places:
    """Return where documents of the validation text begin from ``begin`` to ``end``, shape (documents,)."""
    found = []
    for place in range(begin, end, _READ_TOGETHER):
        tokens = data.read("val", place, min(_READ_TOGETHER, end - place))
        found.append(np.flatnonzero(tokens == data.document_start) + place)
    return np.concatenate(found)


def _bytes_of(data: Dataset, places: Places) -> NDArray[Any]:
    """Return the bytes of UTF-8 that the predicted tokens stand for, of the shape of ``places``."""
    return np.stack([data.token_bytes[data.read("val", int(row[0]), len(row))] for row in places])
