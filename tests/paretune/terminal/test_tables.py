"""Tables of configurations on terminals of any width, and the live table of a search."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from analysis.frontier import frontier
from analysis.ranking import ranking
from analysis.rows import SearchRows
from paretune.terminal.printing import print_rows
from paretune.terminal.tables import print_configurations, strip_text

PUBLISHED = Path(__file__).parents[3] / "results" / "published"
LANGUAGE, ADDERS = PUBLISHED / "gpt2-laptop", PUBLISHED / "under-777"


def printed(folder: Path, width: int, *, is_terminal: bool = True, top: int = 8) -> list[str]:
    rows = SearchRows(folder)
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=is_terminal, color_system=None, highlight=False
    )
    print_configurations(
        console,
        rows,
        ranking(rows).head(top),
        first=["rank", "configuration"],
        costs=rows.cost_objectives,
    )
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("folder", [LANGUAGE, ADDERS], ids=lambda path: path.name)
def test_on_a_narrow_terminal_nothing_is_cut_and_values_are_below(folder: Path, width: int) -> None:
    lines = printed(folder, width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "…" not in text
    above, _, below = text.partition("\nconfigurations:\n")
    rows = [line.split() for line in above.splitlines()]
    assert [row[0] for row in rows if row[0].isdigit()] == [str(rank) for rank in range(1, 9)]
    table = ranking(SearchRows(folder)).head(8)
    for params in table["params"]:
        assert f"{int(params):,}" in above
    # Each value is there once for each configuration, or once for all.
    for name in SearchRows(folder).plan.searched_names:
        stated = table[name].notna().sum()
        assert below.count(f" {name}=") in ({1, stated} if stated else {0}), name


def test_what_all_configurations_have_is_said_once() -> None:
    below = "\n".join(printed(LANGUAGE, 100)).partition("\nconfigurations:\n")[2]
    shared = below.partition("\nall")[2]
    assert "optimizer=muon" in shared
    assert "optimizer=" not in below.partition("\nall")[0]
    one = "\n".join(printed(LANGUAGE, 100, top=1)).partition("\nconfigurations:\n")[2]
    assert "optimizer=muon" in one
    assert "\nall" not in one


@pytest.mark.parametrize("folder", [LANGUAGE, ADDERS], ids=lambda path: path.name)
def test_in_a_file_a_configuration_is_a_line_without_blanks_at_its_end(folder: Path) -> None:
    lines = printed(folder, 1000, is_terminal=False)
    assert len(lines) == 9
    assert all(line == line.rstrip() for line in lines)
    assert all("lr=" in line for line in lines[1:])


def test_columns_that_say_nothing_are_left_out() -> None:
    header = printed(LANGUAGE, 1000, is_terminal=False, top=3)[0]
    assert "baseline" not in header, "no baseline is among the first three"
    assert "steps per success" in header
    rows = SearchRows(LANGUAGE)
    stream = io.StringIO()
    points = frontier(rows).points.head(1)
    print_configurations(Console(file=stream, width=1000), rows, points, first=["configuration"], costs=[])
    assert "steps per success" not in stream.getvalue(), "it has no success"


def test_final_values_stand_in_a_line_and_never_round_up_to_the_target() -> None:
    assert strip_text([0.0512, 0.9899, 0.9961, 1.0]) == "0.05 0.98 0.99 1.00"
    assert strip_text([0.29]) == "0.29", "which as a product with 100 is 28.999..."
    assert strip_text([0.1 * n for n in range(9)]) == "0.00 to 0.80"
    assert strip_text([]) == "-"


def test_in_a_pipe_no_cell_is_cut_or_folded_and_numbers_are_to_the_right() -> None:
    stream = io.StringIO()
    long = "word " * 400 + "end"
    rows = [(7, "3 min 20 s", long), (1234.5, "45 s", "two\nlines"), ("-", "-", "")]
    print_rows(Console(file=stream, width=100), ("value", "time", "text"), rows)
    assert stream.getvalue().splitlines() == [
        "     value        time  text",
        f"         7  3 min 20 s  {long}",
        "1234.50000        45 s  two lines",
        "         -           -",
    ]


def test_on_a_terminal_numbers_with_units_are_to_the_right_and_texts_to_the_left() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=60, force_terminal=True, color_system=None)
    print_rows(console, ("solved", "name"), [("2 of 3", "a"), ("12 of 13", "long")], "Counts")
    assert [line.rstrip() for line in stream.getvalue().splitlines()] == [
        "Counts",
        "  solved  name",
        "  2 of 3  a",
        "12 of 13  long",
    ]
