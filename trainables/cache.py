"""The cache: compiled kernels and built-in data sets, which paretune can make again."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

from paretune.errors import Error


class NoCacheError(Error, ValueError):
    """There is no place for a cache on this machine."""


def cache_folder(kind: str) -> Path:
    """Return ``$PARETUNE_CACHE``, or ``paretune/<kind>`` in the user's cache, which may not exist yet.

    Raises:
        NoCacheError: the user has no home folder.
    """
    own = os.environ.get("PARETUNE_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    try:
        folder = user_cache_path("paretune", appauthor=False)
    except RuntimeError as error:  # no home folder: a container with an unknown user
        raise NoCacheError(f"there is no place for {kind}: {error}; or set PARETUNE_CACHE") from error
    return folder.absolute() / kind
