"""From what a person types for a trained model, a checkpoint's file or a search's name, to the checkpoint."""

from __future__ import annotations

from pathlib import Path

from analysis.rows import SearchRows
from paretune.confirm.kept import best_checkpoint
from paretune.errors import InputError
from paretune.record.run_folder import RunFolder


def find_checkpoint(named: str | Path, results: Path) -> Path:
    """Return the checkpoint's file: the one named, or the best that retraining kept of the search named.

    Args:
        named: a file, the name of a search, or its folder.
        results: the folder of all searches.

    Raises:
        InputError: it is neither, or the search has no retrained model.
    """
    path = Path(named)
    if path.is_file() or path.suffix == ".pt":
        return path  # if there is no such file, whoever reads it says so
    folder = RunFolder.open(results, str(named))
    folder.require_rows()
    found = best_checkpoint(SearchRows(folder.path))
    if found is None:
        raise InputError(
            f"{folder.name} has no retrained model yet; make one with `paretune retrain {folder.shown}`"
        )
    return found
