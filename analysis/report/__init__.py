"""The report on a search: one self-contained page, and the same in Markdown."""

from analysis.report.writing import write_report

__all__ = ["write_report"]
