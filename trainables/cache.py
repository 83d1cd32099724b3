"""Where paretune keeps what it can make again: compiled kernels, and data sets that it builds by itself."""

from __future__ import annotations

import os
from pathlib import Path

from paretune.errors import Error


class NoCacheError(Error, ValueError):
    """There is no place for a cache on this machine."""


def cache_folder(kind: str) -> Path:
    """Return ``$PARETUNE_CACHE``, or ``paretune/<kind>`` in the user's cache; it may not exist yet.

    Raises:
        NoCacheError: there is no home for it.
    """
    own = os.environ.get("PARETUNE_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    general = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(general) if general else Path.home() / ".cache"
    except RuntimeError as error:  # nobody's home: a container with a user that it does not know
        raise NoCacheError(f"there is no place for {kind}: {error}; set PARETUNE_CACHE") from error
    return folder.absolute() / "paretune" / kind
