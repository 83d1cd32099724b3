"""The name to type for a search."""

from __future__ import annotations

from pathlib import Path


def shown_name(folder: Path) -> str:
    """Return what names a search on the command line: its name where that finds it, else its path.

    The path is relative to the current folder, if the search lies below it.
    """
    here, path = Path.cwd(), folder.absolute()
    if path.parent == here / "results":
        return path.name
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
