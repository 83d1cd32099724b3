"""The library of learning curves: whole curves of several searches in two Parquet files.

It is read without the folders of these searches: their plans, metrics and defaults are in it, so that their
trials can be selected and answered for as those of any search.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.files.layout import SPACE_FILE, DamagedError
from analysis.files.lines import write_whole
from analysis.files.shapes import wrong_metric
from analysis.outcomes import with_outcomes
from analysis.rows import SearchRows
from paretune.errors import InputError
from paretune.stopping.replay.curves import CurvesError
from search_spaces.plan import Plan

LIBRARY = "learning-curves"
"""The name by which commands know the library that is committed."""

COMMITTED = Path("published") / "learning_curves"
"""Where it lies, below the folder of results."""

TRIALS_FILE, REPORTS_FILE = "trials.parquet", "reports.parquet"
SEARCHES_FILE = "searches.json"
"""Plans, metrics, defaults and provenance. A search has no file of this name: this is no search."""

VERSION = 1
"""Raised whenever a program that does not know the change would misread the files."""

MOST_CELLS, MOST_BYTES = 20_000_000, 200_000_000
"""What a file of a library may hold, unpacked: a hundred times as much as the one that is committed."""

_REPOSITORY = Path(__file__).resolve().parents[2]

_NOT_KEPT = ("at", "checkpoint", "session", "engine", "warnings", "error")
"""Columns of the rows that say nothing of a curve."""


def is_library(folder: Path) -> bool:
    """Tell whether a folder holds a library."""
    return (folder / TRIALS_FILE).is_file() and (folder / REPORTS_FILE).is_file()


def committed_library(results: Path, repository: Path = _REPOSITORY) -> Path:
    """Return the folder of the library that comes with the repository.

    Args:
        results: the folder of results.
        repository: where the library is looked for else; the one that this program runs from.

    Raises:
        InputError: it is in neither.
    """
    for folder in (results / COMMITTED, repository / "results" / COMMITTED):
        if is_library(folder):
            return folder
    raise InputError(
        f"the library of learning curves comes with the repository of paretune, as results/{COMMITTED}, and "
        "not with the installed package; run the command in a clone of it, or name the library's folder"
    )


def read_library(folder: Path) -> list[SearchRows]:
    """Return the searches of a library, each as its rows.

    Raises:
        DamagedError: a file is missing, or cannot be read.
    """
    try:
        trials, reports = _frames(folder)
        content = json.loads((folder / SEARCHES_FILE).read_text(encoding="utf-8"))
        described = content["searches"]
        if (version := int(content["version"])) > VERSION:
            raise DamagedError(
                f"{folder}: was written by a newer paretune (format {version}; this one reads up to "
                f"{VERSION}); update paretune to read it"
            )
        by_search = dict(iter(reports.groupby("search", observed=True)))
        return [
            _read(described[str(name)], own, by_search[name])
            for name, own in trials.groupby("search", observed=True, sort=False)
        ]
    except DamagedError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        why = str(error).partition("\n")[0]
        raise DamagedError(
            f"{folder}: the library of learning curves cannot be read: {why}; restore it from the repository"
        ) from None


def _frames(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return trials and reports; how much they unpack to is looked at first.

    Raises:
        OSError, ValueError: a file is missing or damaged, or would take too much memory.
    """
    import pyarrow.parquet as pq

    for name in (TRIALS_FILE, REPORTS_FILE):
        stated = pq.read_metadata(folder / name)
        if stated.num_rows * max(stated.num_columns, 1) > MOST_CELLS:
            raise ValueError(f"{name} states {stated.num_rows:,} rows")
        sizes = (stated.row_group(number).total_byte_size for number in range(stated.num_row_groups))
        if sum(sizes) > MOST_BYTES:
            raise ValueError(f"{name} states more than {MOST_BYTES:,} bytes")
    trials, reports = (pd.read_parquet(folder / name) for name in (TRIALS_FILE, REPORTS_FILE))
    return trials, reports


def _read(search: dict[str, Any], own: pd.DataFrame, reports: pd.DataFrame) -> SearchRows:
    rows = own.drop(columns="search").dropna(axis=1, how="all").reset_index(drop=True)
    rows["values"] = [json.loads(text) for text in rows["values"]]
    wrong = next(filter(None, map(wrong_metric, search["metrics"])), None)
    if wrong or not isinstance(search["defaults"], dict):
        raise ValueError(f"it has {wrong or 'no defaults'}")
    return SearchRows.of_frames(
        Plan.model_validate_json(json.dumps(search["plan"])),
        search["metrics"],
        rows,
        reports.drop(columns="search").dropna(axis=1, how="all").reset_index(drop=True),
        search["defaults"],
    )


def write_library(folder: Path, searches: Sequence[SearchRows]) -> None:
    """Add the whole curves of searches to a library, or begin one; a search of the same name is replaced.

    Args:
        folder: the library's.
        searches: searches with a folder, which ran without early stopping.

    Raises:
        CurvesError: a search ran with early stopping.
    """
    kept: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {}
    described: dict[str, Any] = {}
    if is_library(folder):
        earlier = json.loads((folder / SEARCHES_FILE).read_text(encoding="utf-8"))["searches"]
        trials, reports = (pd.read_parquet(folder / name) for name in (TRIALS_FILE, REPORTS_FILE))
        for name, one in earlier.items():
            described[name] = one
            kept[name] = trials[trials["search"] == name], reports[reports["search"] == name]
    for rows in searches:
        name = rows.plan.name
        kept[name], described[name] = _added(rows)
    folder.mkdir(parents=True, exist_ok=True)
    for place, file in enumerate((TRIALS_FILE, REPORTS_FILE)):
        frame = pd.concat([frames[place] for frames in kept.values()], ignore_index=True)
        _write(frame, folder / file)
    content = {"version": VERSION, "searches": described}
    write_whole(folder / SEARCHES_FILE, json.dumps(content, indent=1) + "\n")


def _added(rows: SearchRows) -> tuple[tuple[pd.DataFrame, pd.DataFrame], dict[str, Any]]:
    """Return the whole curves of a search, as trials and reports, and what describes it."""
    name = rows.plan.name
    if rows.plan.early_stopping is not None:
        raise CurvesError(f"{name} ran with early stopping: its curves are cut off, and no whole ones")
    trials = with_outcomes(rows)
    is_whole = trials["outcome"] != "unknown"
    whole = trials[is_whole].drop(columns=["outcome", "weight"])
    whole = whole.drop(columns=[column for column in _NOT_KEPT if column in whole.columns])
    whole["values"] = [json.dumps(values) for values in whole["values"]]
    reports = rows.reports[rows.reports["trial"].isin(whole["trial"])]
    reports = reports.drop(columns=[column for column in _NOT_KEPT if column in reports.columns])
    space = rows.folder / SPACE_FILE
    described = {
        "trials": len(whole),
        "configurations": int(whole["configuration"].nunique()),
        "solved": int((whole["ending"] == "solved").sum()),
        "reports": len(reports),
        "left_out_unknown": int((~is_whole).sum()),
        "seeds": sorted({int(seed) for seed in whole["seed"]}),
        "sessions": rows.store.sessions(),
        "space": space.read_text(encoding="utf-8") if space.is_file() else None,
        "plan": rows.plan.model_dump(mode="json"),
        "metrics": list(rows.metrics.values()),
        "defaults": rows.defaults,
    }
    return (_narrow(whole, name), _narrow(reports, name)), described


def _narrow(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a frame with the search's name, and numbers in four bytes where that keeps what they say.

    Whole numbers stay exact; measured ones keep seven digits.
    """
    found: dict[str, Any] = {"search": [name] * len(frame)}
    for column in frame.columns:
        values = frame[column]
        if values.dtype.kind in "iu":
            fits = len(values) == 0 or int(values.abs().max()) < 2**31
            found[column] = values.to_numpy(np.int32 if fits else np.int64)
        elif values.dtype.kind == "f":
            wide = values.to_numpy(float)
            is_whole = not (np.nan_to_num(wide) % 1).any()
            narrow = wide.astype(np.float32)
            is_exact = bool(np.array_equal(narrow.astype(float), wide, equal_nan=True))
            found[column] = wide if is_whole and not is_exact else narrow
        else:
            found[column] = values.to_numpy(object)
    return pd.DataFrame(found)


def _write(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False, compression="zstd", **_options(frame))


def _options(frame: pd.DataFrame) -> Mapping[str, Any]:
    """Return how Parquet packs it: bytes of measured numbers compress better apart, texts as numbers."""
    floats = [str(name) for name in frame.columns if frame[name].dtype.kind == "f"]
    return {
        "compression_level": 19,
        "use_dictionary": [str(name) for name in frame.columns if str(name) not in floats],
        "use_byte_stream_split": floats,
    }
