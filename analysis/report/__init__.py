"""The report on a search: one page that needs no network, and the same in Markdown."""

from analysis.report.writing import write_report

__all__ = ["write_report"]
