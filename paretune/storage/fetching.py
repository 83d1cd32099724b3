"""A search that began on another machine, brought here from its storage."""

from __future__ import annotations

import shutil
from pathlib import Path

from analysis.files.layout import PLAN_FILE
from paretune.errors import InputError
from paretune.storage.copying import OWNER_FILE, is_copied, owner_of, remember, require_free
from paretune.storage.places import Place


def fetch(url: str, name: str, results: Path) -> Path:
    """Copy a search's rows from its storage below a results folder, and return its folder there.

    Its checkpoints stay in the storage, where trials that go on find them.

    Args:
        url: the storage, as it was given to the search.
        name: the search.
        results: the folder of all searches here.

    Raises:
        InputError: there is no such search, another machine works on it, or it is here already.
        StorageError: the storage does not answer.
    """
    place = Place.of(url) / name
    folder = results / name
    if folder.exists():
        raise InputError(f"{folder} is there already; resume it with: paretune resume {name}")
    owner = owner_of(place)
    names = [found for found in place.files() if is_copied(found)]
    if owner is None or PLAN_FILE not in names:
        missing = OWNER_FILE if owner is None else PLAN_FILE
        raise InputError(f"there is no search {name!r} in {url}: {place.url} has no {missing}")
    require_free(owner, place)
    # A copy that is cut off is no search.
    half = results / f".{name}.half"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    for found in names:
        content = place.read(found)
        if content is not None:
            (half / found).write_bytes(content)
    remember(half, url, str(owner["id"]))
    half.rename(folder)
    return folder
