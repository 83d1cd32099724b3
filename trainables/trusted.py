"""Files of tasks that this user made with paretune, and that may run without being allowed each time.

A list of absolute paths, one a line, in the user's own configuration. Nothing but a path is trusted: a file
stays so when it is edited, and is no longer so when it is moved.
"""

from __future__ import annotations

import os
from pathlib import Path

from paretune.errors import Error
from trainables.replacing import replacing

_FILE = "trusted_tasks.txt"


class NoConfigurationError(Error, ValueError):
    """There is no place for the user's configuration on this machine."""


def trusted_list() -> Path:
    """Return where the list is: in ``$XDG_CONFIG_HOME/paretune``, or ``~/.config/paretune``.

    Raises:
        NoConfigurationError: the user has no home.
    """
    general = os.environ.get("XDG_CONFIG_HOME")
    try:
        folder = Path(general) if general else Path.home() / ".config"
    except RuntimeError as error:  # a container with a user that it does not know
        raise NoConfigurationError(
            f"there is no place for a configuration: {error}; set XDG_CONFIG_HOME"
        ) from error
    return folder.absolute() / "paretune" / _FILE


def trusted_files() -> list[Path]:
    """Return the trusted files, whether they still exist or not; none where there is no list."""
    try:
        lines = trusted_list().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError, NoConfigurationError):
        return []
    return [Path(line) for line in lines if line]


def is_trusted(path: Path) -> bool:
    """Tell whether a file is one of them, by its path with all links resolved."""
    return path.resolve() in trusted_files()


def trust(path: Path) -> None:
    """Add a file to the list.

    Raises:
        NoConfigurationError: the user has no home.
        OSError: the list cannot be written.
    """
    if is_trusted(path):
        return
    place = trusted_list()
    place.parent.mkdir(parents=True, exist_ok=True)
    lines = [*map(str, trusted_files()), str(path.resolve())]
    with replacing(place) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
