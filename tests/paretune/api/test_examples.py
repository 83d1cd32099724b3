"""Every example of the public face runs: in docstrings, on the page of the API, and as a script."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

from helpers.examples import documented
from helpers.small import newcomers_folder

import paretune

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "api.md"


def run(folder: Path, *arguments: str | Path) -> str:
    """Run Python in a folder, and return what it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_every_public_function_class_and_method_of_a_search_has_an_example():
    names = []
    for name, found in documented():
        names.append(name)
        assert ">>> " in (inspect.getdoc(found) or ""), f"{name} has no example"
    assert {"search", "open", "check", "Search.cliff", "Search.retrain", "Retrained"} <= set(names)


def test_examples_in_docstrings_run(tmp_path: Path):
    out = run(newcomers_folder(tmp_path), "-m", "helpers.examples")
    (count,) = re.findall(r"^(\d+) examples, 0 failed$", out, flags=re.M)
    assert int(count) > 80


def test_the_page_names_everything_public_and_its_examples_run(tmp_path: Path):
    page = PAGE.read_text()
    for name in paretune.__all__:
        assert re.search(rf"\b{name}\b", page), f"{name} is not on {PAGE.name}"
    for name, _ in documented():
        if name.startswith("Search."):
            assert re.search(rf"\bsearch\.{name.removeprefix('Search.')}\b", page), (
                f"{name} is not on the page"
            )
    blocks = re.findall(r"^```python\n(.*?)^```", page, flags=re.M | re.S)
    assert len(blocks) >= 7
    script = newcomers_folder(tmp_path) / "page.py"
    script.write_text("\n".join(blocks))
    run(tmp_path, script)
    assert (tmp_path / "by_hand.yaml").is_file()
    assert (tmp_path / "frontier.svg").stat().st_size > 1000
