"""Markdown as reports and exports write it."""

from __future__ import annotations

import pytest

from analysis.markdown import coded_text, plain_text, table_lines


@pytest.mark.parametrize(
    ("text", "plain", "coded"),
    [
        ("d_model is *5*", r"d_model is \*5\*", r"d_model is \*5\*"),
        ("_a_ [b](c) <i> & |", r"\_a\_ \[b\](c) &lt;i&gt; &amp; \|", r"\_a\_ \[b\](c) &lt;i&gt; &amp; \|"),
        ("type `rank a_*`", r"type \`rank a\_\*\`", "type `rank a_*`"),
        ("one ` alone", r"one \` alone", r"one \` alone"),
        ("two\n lines", "two lines", "two lines"),
    ],
)
def test_nothing_in_a_text_means_anything_to_markdown(text: str, plain: str, coded: str) -> None:
    assert (plain_text(text), coded_text(text)) == (plain, coded)


def test_a_bar_never_ends_a_cell_not_even_in_code() -> None:
    assert table_lines(["name", "x|y"], [["`a|b`", "1"]], [False, True], written=coded_text) == [
        r"| name | x\|y |",
        "| --- | ---: |",
        r"| `a\|b` | 1 |",
    ]
