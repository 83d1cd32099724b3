"""A report as Markdown: its sentences and tables, without pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from analysis.report.sections import Content, Section
from analysis.report.tables import Header, Shown

_SPECIAL = re.compile(r"([\\`*_\[\]<>|])")
_PLAIN_NAME = re.compile(r"(?<=\w)\\_(?=\w)")


def markdown(content: Content) -> str:
    """Return a report as Markdown. Every text in it is shown letter by letter."""
    return "\n".join(_lines(content)).rstrip("\n") + "\n"


def _lines(content: Content) -> Iterator[str]:
    yield f"# {_text(content.title)}"
    yield ""
    yield f"Search `{content.name}`: {_text('; '.join(content.facts))}."
    yield ""
    yield from _paragraphs("The question", content.question)
    yield from _paragraphs("The answer", content.answer)
    for section in content.sections:
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    if not (section.sentences or section.facts or section.tables or section.quotes):
        return  # pictures only
    yield from _paragraphs(section.title, section.sentences)
    if section.facts:
        yield from (f"- **{_text(term)}**: {_coded(said)}" for term, said in section.facts)
        yield ""
    for table in section.tables:
        yield from _table(table)
    for quote in section.quotes:
        yield f"{_text(quote.summary)}:"
        yield ""
        yield from (f"    {line}".rstrip() for line in quote.text.splitlines())
        yield ""


def _paragraphs(title: str, sentences: Sequence[str]) -> Iterator[str]:
    yield f"## {_text(title)}"
    yield ""
    for sentence in sentences:
        yield _coded(sentence)
        yield ""


def _table(table: Shown) -> Iterator[str]:
    yield f"**{_text(table.title)}**"
    yield ""
    yield f"| {' | '.join(_head(header) for header in table.headers)} |"
    yield f"|{'|'.join(' ---: ' if header.is_numeric else ' --- ' for header in table.headers)}|"
    for row in table.rows:
        yield f"| {' | '.join(_text(cell.text) for cell in row)} |"
    yield ""
    if table.more:
        yield _text(table.more)
        yield ""


def _head(header: Header) -> str:
    return _text(f"{header.text} ({header.unit})" if header.unit else header.text)


def _coded(text: str) -> str:
    """Return a text in which what stands between backticks is code, and nothing else means anything."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return _text(text)
    return "".join(f"`{part}`" if index % 2 else _escaped(part) for index, part in enumerate(parts))


def _text(text: str) -> str:
    """Return a text on one line, in which nothing means anything to Markdown or HTML."""
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    escaped = _SPECIAL.sub(r"\\\1", text.replace("&", "&amp;")).replace("\\<", "&lt;").replace("\\>", "&gt;")
    # Within words, an underscore means nothing, and names are easier to read without.
    return _PLAIN_NAME.sub("_", escaped)
