"""What pages say of all published searches together: the cost of each, and the atlas of sizes.

    python benchmarks/published.py            # the table of costs, as the rows have it now
    python benchmarks/published.py --write    # put it into docs/experiments.md, and draw the atlas anew

``pages.py --write`` does the same beside the outputs of commands. A search that is published gets a row by
itself; what its published counterpart cost, and its place in the atlas, are stated here.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import paretune
from analysis.atlas import Atlas
from analysis.markdown import table_lines
from analysis.pictures.painting import figure_of, save_figure
from analysis.rows import SearchRows
from analysis.spent import spent
from paretune.errors import Error

ROOT = Path(__file__).parent.parent
SEARCHES = ROOT / "results" / "published"
PAGE = ROOT / "docs" / "experiments.md"
ATLAS = ROOT / "docs" / "images" / "atlas.png"


class PageError(Error, ValueError):
    """A page without the place for the table of costs."""


BEGIN, END = "<!-- costs: written by benchmarks/published.py -->", "<!-- end of costs -->"

_SWEEP = "8 to 9 hours of a TPU v4-8 and 20 dollars, for 53 runs"
_TEN_MINUTES = "about 10 minutes of a TPU v4-8 a run, one run each"
PUBLISHED_COSTS = {
    "gpt_acc_jax_sweep": _SWEEP,
    "under-777": f"{_SWEEP}, which found 777",
    "explore-777": f"{_SWEEP}, which found 777",
    "seeds-777": _TEN_MINUTES,
    "parameter-cliff": _TEN_MINUTES,
    "what-breaks": _TEN_MINUTES,
    "learning-rate-regimes": _TEN_MINUTES,
    "second-pass": "about a day of a CPU, or 1 to 2 hours of a GPU, for one run",
    "base100": "an A100; no time stated",
    "speedrun": "3 min 10 s of an RTX 4060 for one run, 1.9 times as long on a CPU",
    "gpt2-124m": "115 minutes of an RTX 4090 for one run",
}
"""By how the names of our searches begin, what was published of the cost of the same question."""

SERIES = (
    (
        "delimited, published recipe",
        "gpt_acc_jax_sweep",
        ("format=delimited", "position=learned", "n_layers=1"),
    ),
    ("delimited, published recipe", "seeds-777", ()),
    ("delimited, best recipe found", "parameter-cliff*", ()),
    ("aligned, as a search found them", "under-777", ()),
    ("aligned, best recipe found", "aligned-cliff*", ()),
    ("aligned, rotary and tied", "smallest-adder*", ()),
    ("aligned, rotary with a period of 12", "smaller-adders", ("rope_period=12",)),
)
"""The atlas of 10-digit addition: what a series is called, a pattern of searches, and which part of them;
those that are called alike are one series."""


def costs() -> list[str]:
    """Return the table of costs, a line for each published search, dearest first."""
    rows = sorted(_costs(), key=lambda row: -float(row[2]))
    total = f"{sum(float(row[2]) for row in rows):.2f}"
    rows.append(["all", f"{sum(int(row[1].replace(',', '')) for row in rows):,}", total, "", "", ""])
    headers = ("search", "trials", "processor hours", "of them on fresh seeds", "elapsed hours", "published")
    return table_lines(headers, rows, (False, True, True, True, True, False), written=str)


def _costs() -> Iterator[list[str]]:
    for folder in sorted(path.parent for path in SEARCHES.glob("*/plan.json")):
        rows = SearchRows(folder)
        cost = spent(rows)
        yield [
            f"[{folder.name}](../results/published/{folder.name})",
            f"{len(rows.trials):,}",
            _hours(cost.processor),
            "-" if cost.fresh is None else _hours(cost.fresh),
            _hours(cost.elapsed),
            next((told for name, told in PUBLISHED_COSTS.items() if folder.name.startswith(name)), "-"),
        ]


def _hours(seconds: float | None) -> str:
    return f"{(seconds or 0.0) / 3600:.2f}"


def with_costs(page: str) -> str:
    """Return a page with the table of costs between the two comments.

    Raises:
        PageError: the page has no such place.
    """
    new, places = re.subn(
        rf"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})",
        "\n".join(["", *costs(), "", ""]),
        page,
        flags=re.S,
    )
    if places != 1:
        raise PageError(f"the page has {places} places between {BEGIN} and {END}, but should have one")
    return new


def parts_of_the_atlas() -> list[tuple[str, paretune.Search]]:
    """Return the searches of the atlas that are published, each with the name of its series."""
    return [
        (label, paretune.open(folder).where("digits=10", *conditions))
        for label, pattern, conditions in SERIES
        for folder in sorted(SEARCHES.glob(pattern))
    ]


def atlas() -> Atlas:
    """Return the atlas of 10-digit addition."""
    parts = parts_of_the_atlas()
    first, *others = (search for _, search in parts)
    return first.atlas(*others, labels=[label for label, _ in parts])


def write(page: Path = PAGE, figure: Path = ATLAS) -> None:
    """Put the table of costs into the page, and draw the atlas."""
    page.write_text(with_costs(page.read_text()))
    figure.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure_of(atlas().pictures), figure)


def main() -> None:
    """Print the table of costs, or write it and draw the atlas."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--write", action="store_true", help="write the table into the page, and draw the atlas"
    )
    parser.add_argument(
        "--page", type=Path, default=PAGE, help="the page with the table (default: %(default)s)"
    )
    parser.add_argument("--figure", type=Path, default=ATLAS, help="the atlas (default: %(default)s)")
    options = parser.parse_args()
    if options.write:
        write(options.page, options.figure)
    print("\n".join(costs()))


if __name__ == "__main__":
    main()
