"""Tasks of a user's own for tests: the example, in a folder, in a package, and broken in several ways."""

from __future__ import annotations

import shutil
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "parity_task"


def copy_of_example(folder: Path) -> Path:
    """Copy the example task, and return its space file."""
    shutil.copytree(EXAMPLE, folder / "parity_task", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "parity_task" / "parity.yaml"


def install_example(site: Path, name: str = "parity") -> None:
    """Make a folder that, on the path, is one where a package with the example task is installed."""
    site.mkdir(parents=True, exist_ok=True)
    shutil.copy(EXAMPLE / "parity.py", site / "parity_package.py")
    about = site / "parity_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: parity-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[paretune.tasks]\n{name} = parity_package:Parity\n")
