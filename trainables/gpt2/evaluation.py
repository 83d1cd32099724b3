"""The evaluation of a language model on text that was not used for selection."""

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
"""With a smaller effective number of documents, an error over documents is meaningless."""

BLOCKS = 32
"""Blocks of contiguous text used then: long enough for nearly independent losses, and enough of them for an
error.
"""

_READ_TOGETHER = 2**22

Places = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Sequences of a data set's validation text, in order, without overlap."""

    data: Dataset
    begins: list[int]
    length: int
    first: int
    """The first token that was not used for selection."""

    @property
    def targets(self) -> Places:
        """Positions of the predicted tokens, shape (windows, length)."""
        return np.array(self.begins, dtype=np.int64)[:, None] + np.arange(1, self.length + 1)


def evaluate_windows(windows: Windows, losses: Iterable[tuple[Tensor, Tensor]], *, seed: int) -> Evaluation:
    """Combine the losses on windows.

    The standard error is taken over documents, because tokens of one document are correlated. With too few
    documents, or one that dominates the text, blocks of contiguous text replace them: that error does not
    cover other documents.

    Args:
        windows: the predicted sequences.
        losses: nats of shape (B, length), and whether the most likely token was correct, in order.
        seed: the seed of the draw of windows.
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
                    ("share of tokens that were the most likely", right / each.size),
                    ("tokens", each.size),
                ],
            ),
        ),
    )


def _over_units(amounts: NDArray[Any], sizes: NDArray[Any], unit: Places) -> ClusteredMean:
    return clustered_mean(_sums(amounts, unit), _sums(sizes, unit))


def _worth(found: ClusteredMean) -> str:
    """Describe the effective number of units, where it is clearly smaller."""
    is_fewer = found.effective < 0.9 * found.clusters
    return f" that amount to {found.effective:,.0f} of equal length" if is_fewer else ""


def _sums(amounts: NDArray[Any], unit: Places) -> NDArray[np.float64]:
    """Return the sum of each unit, in double precision."""
    return np.bincount(unit.ravel(), amounts.ravel()).astype(np.float64)


def _units(windows: Windows, places: Places) -> tuple[Places, str]:
    """Return the index of the independent unit of each predicted token, and the name of the units."""
    starts = _document_starts(windows.data, windows.first, int(places[-1, -1]) + 1)
    # A mark belongs to the document that it begins; tokens before any mark belong to the first.
    document = np.unique(np.searchsorted(starts, places, side="right"), return_inverse=True)[1]
    document = document.reshape(places.shape)
    if effective_clusters(_sums(np.ones(document.shape), document)) >= FEWEST_DOCUMENTS:
        return document, "documents"
    blocks = min(BLOCKS, len(places))
    # By position, so that neighbouring windows are in one block.
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
    """Return the UTF-8 bytes of the predicted tokens, shaped like ``places``."""
    return np.stack([data.token_bytes[data.read("val", int(row[0]), len(row))] for row in places])
