"""The two files of a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis.files.layout import ExportError
from analysis.finding import Finding
from analysis.report.content import content_of
from analysis.report.html import page
from analysis.report.markdown import markdown
from analysis.rows import SearchRows

REPORT_PAGE = "report.html"
_PAGE_ENDINGS = (".html", ".htm")


def write_report(
    rows: SearchRows, path: Path | None = None, findings: Sequence[Finding] | None = None
) -> Sequence[Path]:
    """Write the page and, beside it, the same in Markdown; the same rows give the same bytes.

    Args:
        rows: the search.
        path: where the page goes; ``report.html`` in the search's folder if None.
        findings: those of :func:`analysis.findings.findings_of`, if already computed.

    Returns:
        the page, then the Markdown.

    Raises:
        ExportError: the path does not end in .html, or a file cannot be written.
    """
    target = rows.folder / REPORT_PAGE if path is None else path
    if target.suffix.lower() not in _PAGE_ENDINGS:
        raise ExportError(f"{target} must end in .html; the Markdown is written beside it")
    content = content_of(rows, findings)
    texts = {target: page(content), target.with_suffix(".md"): markdown(content)}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            partial = file.with_name(f".{file.name}.partial")
            partial.write_text(text, encoding="utf-8")
            partial.replace(file)
    except OSError as error:
        raise ExportError(f"{target} cannot be written: {error.strerror or error}") from error
    return list(texts)
