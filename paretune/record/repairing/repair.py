"""Repairing the folder of a search: by command, and at the start of every resumed session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.files.layout import DamagedError
from paretune.errors import Error
from paretune.record.recorder import settle_past
from paretune.record.repairing.rows import repair_rows
from paretune.record.repairing.whole import repair_plan, repair_provenance, repair_rest
from paretune.record.run_folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class Repair:
    """What was found damaged in the folder of a search, and what became of it.

    >>> import paretune
    >>> paretune.repair("quickstart").was_damaged
    False
    """

    folder: Path
    sentences: tuple[str, ...]
    """What was done, a sentence each; none if nothing was damaged."""

    @property
    def was_damaged(self) -> bool:
        """Whether anything was damaged or missing.

        >>> import paretune
        >>> paretune.repair("quickstart").was_damaged
        False
        """
        return bool(self.sentences)


def repair(search: str | Path, *, results: str | Path = "results", allow_task_code: bool = False) -> Repair:
    """Set damaged lines and files of a search aside, and make anew what can be; return what was done.

    Nothing is thrown away: what is damaged moves to a file of its own, ``<name>.damaged``. What it said is
    done again when the search is resumed, which begins with a repair by itself.

    Args:
        search: the search's name below ``results``, or its folder.
        results: the folder of all searches.
        allow_task_code: whether the task may be code that the plan names; only damaged metrics need it.

    Raises:
        InputError: there is no such search, or it is in use.
        DamagedError: something cannot be repaired; the message says what, and the way out.
        OSError: a file cannot be written.

    >>> import paretune
    >>> paretune.repair("quickstart").sentences
    ()
    """
    folder = RunFolder.open(Path(results), str(search))
    with folder.locked():
        done = repaired(folder, allow_task_code=allow_task_code)
        store = folder.store
        settle_past(store)
        store.sync()
        return done


def repaired(folder: RunFolder, *, allow_task_code: bool = False) -> Repair:
    """Repair a folder that this process has locked.

    Raises:
        DamagedError: something cannot be repaired; what was done is among its notes.
        OSError: a file cannot be written.
    """
    store = folder.store
    told: list[str] = []
    try:
        done, sessions = repair_provenance(store)
        told += done
        told += repair_rows(store, sessions)
        told += repair_plan(store, sessions)
        repair_rest(store, told, allow_task_code=allow_task_code)
    except Error as error:
        if not told:
            raise
        raise DamagedError("\n".join([str(error), "Before that:", *told])) from error
    return Repair(folder=folder.path, sentences=tuple(told))
