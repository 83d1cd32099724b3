"""Texts of strangers are shown, and mean nothing: to a browser, to Markdown, to a terminal."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from helpers.rows import METRICS, TRIALS, write_search

from analysis.markdown import plain_text
from analysis.report.writing import write_report
from analysis.rows import SearchRows
from analysis.text import visible
from paretune.terminal import printing

MARKUP = "<img src=x onerror=alert(1)>[red]x[/red]\x1b[31m\u202e`|*_](javascript:x)\x00\x9b2J"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    folder = tmp_path / "strange"
    write_search(
        folder,
        TRIALS,
        description=f"{MARKUP}\nand a line",
        space={
            "d_model": {"type": "int", "low": 1, "high": 9},
            "activation": {"type": "choice", "values": [MARKUP, "gelu"]},
        },
    )
    metrics = [{**metric, "unit": MARKUP, "description": MARKUP} for metric in METRICS]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    for row in rows:
        row["values"]["activation"] = MARKUP if row["configuration"] % 2 else "gelu"
        row |= {"error": MARKUP, "engine": MARKUP, "warnings": [MARKUP]}
    (folder / "trials.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "space.yaml").write_text(f"# {visible(MARKUP)}\nname: x\n")
    return folder


def steers(text: str) -> list[str]:
    return re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_a_report_shows_markup_and_has_none_of_it(hostile: Path) -> None:
    page, markdown = (path.read_text() for path in write_report(SearchRows(hostile)))
    assert "onerror=alert" in page
    assert "<img" not in page
    assert not steers(page)
    assert "onerror=alert" in markdown
    # In code, of a line or of words, nothing means anything.
    lines = [line for line in markdown.splitlines() if not line.startswith("    ")]
    set_as_text = [re.sub(r"(?<!\\)`[^`]*`", "", line) for line in lines]
    assert not any(re.search(r"<img|(?<!\\)\[red", line) for line in set_as_text)
    assert not steers(markdown)


def test_a_terminal_shows_what_it_would_obey(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_terminal in (True, False):
        out = io.StringIO()
        console = printing.make_console()
        console.file = out
        console._force_terminal = is_terminal
        console._color_system = None
        console.print(MARKUP, style=None)
        printing.print_rows(console, ["a", MARKUP], [[MARKUP, 1], ["two\nlines", 2]], title=MARKUP)
        text = out.getvalue()
        assert "[red]x[/red]" in text
        assert "\\x1b[31m" in text
        assert "\\x9b2J" in text.replace("\n", "")
        # What Rich itself sends to set a header in bold begins and ends around texts, and is none of theirs.
        assert not steers(re.sub(r"\x1b\[[0-9;]*m", "", text))
        assert "\x1b[31m" not in text
        assert "\nlines" not in text


def test_visible_changes_nothing_that_can_be_seen() -> None:
    for text in ("plain", "ünï çødé 日本", "a\tb\nc", "\\x1b"):
        assert visible(text) == text
    assert visible("\x1b[31m\r\ud800") == "\\x1b[31m\\r\\ud800"
    assert plain_text("\x1b") == "\\\\x1b"
