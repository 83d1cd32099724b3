"""The name to type for a search, and names in its files that are paths."""

from __future__ import annotations

import os
from pathlib import Path


def shown_name(folder: Path) -> str:
    """Return what names a search on the command line: its name where that finds it, else its path.

    The path is relative to the current folder, if the search lies below it.
    """
    here, path = Path.cwd(), folder.absolute()
    if path.parent == here / "results":
        return path.name
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def inside(folder: Path, name: str) -> Path | None:
    """Return the path that a name in a file of ``folder`` stands for; None where it leads out of the folder.

    Rows and reports come from other people too: what they name is read, and must not be a file of this
    machine's user. Links in the folder are followed; whoever made them decided where they lead.
    """
    root = os.path.abspath(folder)  # noqa: PTH100 (not resolved: the folder may lie behind a link)
    try:
        path = os.path.abspath(os.path.join(root, name))  # noqa: PTH100, PTH118
    except ValueError:
        return None
    is_named = "\0" not in name and path.startswith(f"{root.rstrip(os.sep)}{os.sep}")
    return Path(path) if is_named else None
