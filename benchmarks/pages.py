"""What commands print, on pages: every block of a page that shows a command with its output is that output.

    python benchmarks/pages.py            # which blocks differ from what the commands print now
    python benchmarks/pages.py --write    # put what they print now into the pages

A block begins with ```` ```console ````; in it, a line ``$ paretune ...`` is a command, and what follows its
output. Long lines are wrapped, so outputs are compared word by word. A line ``...`` stands for any number of
lines. Commands read searches that are committed, so what they print is the same on every machine.

The table of costs and the atlas, which ``published.py`` makes, are compared and written too.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import published

ROOT = Path(__file__).parent.parent
EXPERIMENTS = tuple(sorted((ROOT / "docs" / "experiments").glob("*.md")))
"""The page of each experiment; not all show an output."""
PAGES = (
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("experiments", "findings", "early-stopping")),
    *EXPERIMENTS,
)
BLOCK = re.compile(r"^```console\n(.*?)^```$", flags=re.M | re.S)
ELIDED = "..."
WIDTH = 108


@dataclass(frozen=True)
class Shown:
    """A command that a page shows, with the output that stands below it."""

    command: str
    output: str

    def agrees_with(self, printed: str) -> bool:
        """Tell whether the page's output is what was printed, word by word but for what it leaves out."""
        parts = re.split(rf"^{re.escape(ELIDED)}$", self.output, flags=re.M)
        pattern = r"(?: .*)? ".join(re.escape(" ".join(part.split())) for part in parts)
        return re.fullmatch(pattern.strip(), " ".join(printed.split()), flags=re.S) is not None


def shown_in(page: str) -> list[Shown]:
    """Return every command that a page shows, with its output."""
    return [command for block in BLOCK.findall(page) for command in _commands(block)]


def printed_by(command: str) -> str:
    """Run a command of a page in the repository, as a reader would, and return what it prints."""
    words = shlex.split(command)
    assert words[0] == "paretune", command
    done = subprocess.run(
        [sys.executable, "-m", "paretune", *words[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def rewritten(page: str) -> str:
    """Return a page with what its commands print now; what it leaves out stays left out where it still
    can."""

    def block(found: re.Match[str]) -> str:
        parts = []
        for shown in _commands(found.group(1)):
            printed = printed_by(shown.command)
            output = shown.output if shown.agrees_with(printed) else wrapped(printed)
            parts.append(f"$ {shown.command}\n{output.rstrip()}\n")
        return "```console\n" + "\n".join(parts) + "```"

    return BLOCK.sub(block, page)


def wrapped(printed: str) -> str:
    """Return an output with its long sentences wrapped; tables stay as they are."""
    lines: list[str] = []
    for line in printed.splitlines():
        is_table = re.search(r"\S {2,}\S", line) is not None
        fits = is_table or len(line) <= WIDTH
        lines += [line] if fits else textwrap.wrap(line, WIDTH, subsequent_indent="  ")
    return "\n".join(lines)


def _commands(block: str) -> Sequence[Shown]:
    found = re.split(r"^\$ (.+)$", block, flags=re.M)[1:]
    return [
        Shown(command, output.strip("\n")) for command, output in zip(found[::2], found[1::2], strict=True)
    ]


def main() -> int:
    """Compare the pages with their commands, or rewrite them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put what the commands print now into the pages")
    options = parser.parse_args()
    differing = 0
    if options.write:
        published.write()
    elif published.with_costs(published.PAGE.read_text()) != published.PAGE.read_text():
        differing += 1
        print(f"{published.PAGE.relative_to(ROOT)}: the table of costs")
    for path in PAGES:
        page = path.read_text()
        if options.write:
            path.write_text(rewritten(page))
            continue
        for shown in shown_in(page):
            if not shown.agrees_with(printed_by(shown.command)):
                differing += 1
                print(f"{path.relative_to(ROOT)}: {shown.command}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
