"""A report as Markdown: its sentences and tables, without pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.markdown import coded_text, plain_text, table_lines
from analysis.report.sections import Content, Section
from analysis.report.tables import Header, Shown
from analysis.text import visible


def markdown(content: Content) -> str:
    """Return a report as Markdown. All text in it is escaped."""
    return "\n".join(_lines(content)).rstrip("\n") + "\n"


def _lines(content: Content) -> Iterator[str]:
    yield f"# {plain_text(content.title)}"
    yield ""
    yield f"Search `{content.name}`: {plain_text('; '.join(content.facts))}."
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
        yield from (f"- **{plain_text(term)}**: {coded_text(said)}" for term, said in section.facts)
        yield ""
    for table in section.tables:
        yield from _table(table)
    for quote in section.quotes:
        yield f"{plain_text(quote.summary)}:"
        yield ""
        yield from (f"    {line}".rstrip() for line in visible(quote.text).splitlines())
        yield ""


def _paragraphs(title: str, sentences: Sequence[str]) -> Iterator[str]:
    yield f"## {plain_text(title)}"
    yield ""
    for sentence in sentences:
        yield coded_text(sentence)
        yield ""


def _table(table: Shown) -> Iterator[str]:
    yield f"**{plain_text(table.title)}**"
    yield ""
    yield from table_lines(
        [_head(header) for header in table.headers],
        [[cell.text for cell in row] for row in table.rows],
        [header.is_numeric for header in table.headers],
    )
    yield ""
    if table.more:
        yield plain_text(table.more)
        yield ""


def _head(header: Header) -> str:
    return f"{header.text} ({header.unit})" if header.unit else header.text
