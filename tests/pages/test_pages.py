"""What pages say of our searches is what commands print: every shown output, and every number in the text
below it."""

from __future__ import annotations

import re
from pathlib import Path

import pages
import pytest

SHOWN = [(path.name, shown) for path in pages.PAGES for shown in pages.shown_in(path.read_text())]
NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?")


@pytest.mark.parametrize(("page", "shown"), SHOWN, ids=[f"{name}: {shown.command}" for name, shown in SHOWN])
def test_an_output_on_a_page_is_what_the_command_prints(page: str, shown: pages.Shown) -> None:
    printed = pages.printed_by(shown.command)
    assert shown.agrees_with(printed), f"run `python benchmarks/pages.py --write`; printed is:\n{printed}"


def test_every_page_shows_outputs() -> None:
    without = {path.name for path in pages.PAGES} - {name for name, _ in SHOWN}
    # The page of an experiment that was not run yet has nothing to show, and says nothing that was found.
    told = {name for name, _, _ in SECTIONS}
    assert without <= {"experiments.md"} | {path.name for path in pages.EXPERIMENTS} - told
    assert len(SHOWN) >= 12


def sections() -> list[tuple[str, str, str]]:
    """Return (page, all that stands before what was found, what was found) of every experiment."""
    parts = [
        (path.name, path.read_text().partition("\n## What paretune found\n")) for path in pages.EXPERIMENTS
    ]
    return [(name, before, after) for name, (before, mark, after) in parts if mark]


SECTIONS = sections()


@pytest.mark.parametrize(
    ("before", "after"), [part[1:] for part in SECTIONS], ids=[part[0] for part in SECTIONS]
)
def test_numbers_in_the_text_stand_in_an_output_beside_it(before: str, after: str) -> None:
    """Numbers in code, links and tables are not prose; those of the question and of what was published are
    given."""
    outputs = " ".join(shown.output for shown in pages.shown_in(after))
    assert outputs, "what was found is shown by a command"
    prose = pages.BLOCK.sub("", after)
    prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)|^\|.*\|$", " ", prose, flags=re.M | re.S)
    known = set(NUMBER.findall(outputs)) | set(NUMBER.findall(before))
    missing = [number for number in NUMBER.findall(prose) if number not in known]
    assert not missing, f"no command beside it prints {missing}"


def test_the_comparison_of_outputs_can_fail() -> None:
    shown = pages.Shown("paretune x", "one 1,056\n...\nlast 3 of 4")
    assert shown.agrees_with("one   1,056\nleft out\nlast 3\nof 4\n")
    assert not shown.agrees_with("one 1,057\nleft out\nlast 3 of 4\n")
    assert not shown.agrees_with("one 1,056\nleft out\n")
    assert not pages.Shown("paretune x", "one").agrees_with("one two")


def test_pages_can_be_rewritten_to_what_is_printed(tmp_path: Path) -> None:
    page = "before\n\n```console\n$ paretune --version\nparetune 0.0.0\n```\n\nafter 0.0.0\n"
    assert re.search(
        r"\$ paretune --version\nparetune \d+\.\d+\.\d+\n```\n\nafter 0.0.0", pages.rewritten(page)
    )
