"""The winners lost to early stopping as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.files.layout import Column
from analysis.finding import Table

if TYPE_CHECKING:
    from analysis.stopped.finding import Stopped
    from analysis.stopped.reserve import BelowCut

_COLUMNS = (
    Column("size_from", "parameters", "smallest size of the band"),
    Column("size_to", "parameters", "largest size of the band"),
    Column("trials", "trials", "all of them, below the cut or not"),
    Column("halted", "trials", "trials below the cut that were ended, or wait"),
    Column("ran_on", "trials", "trials below the cut that ran on by lot, with a known outcome"),
    Column("ran_on_solved", "trials", "how many of these solved"),
    Column("lost", "trials", "how many of the halted would have solved"),
    Column("lost_low", "trials", "lower end of its exact 95 % interval"),
    Column("lost_high", "trials", "upper end of it"),
    Column("winners", "trials", "trials that solved, those that ran on by lot included"),
    Column("share_lost", "share", "winners lost, of all that there would have been"),
    Column("share_lost_low", "share", "lower end of its 95 % interval"),
    Column("share_lost_high", "share", "upper end of it"),
)


def tables(found: Stopped) -> Sequence[Table]:
    """Return what was lost in each band of sizes and in all; none where nothing is known of it."""
    whole = found.whole
    if whole is None or not found.has_target or not (whole.halted and whole.kept):
        return []
    rows = [_row(band) for band in (*found.bands, whole)]
    frame = pd.DataFrame(rows, columns=[column.name for column in _COLUMNS])
    return [Table(title="Winners lost by size; the last row is all sizes", frame=frame, columns=_COLUMNS)]


def _row(band: BelowCut) -> dict[str, Any]:
    lost, share = band.lost, band.share_lost
    return {
        "size_from": band.smallest,
        "size_to": band.largest,
        "trials": band.trials,
        "halted": band.halted,
        "ran_on": band.kept,
        "ran_on_solved": band.kept_solved,
        "lost": lost.value,
        "lost_low": lost.low,
        "lost_high": lost.high,
        "winners": band.solved,
        "share_lost": share.value,
        "share_lost_low": share.low,
        "share_lost_high": share.high,
    }
