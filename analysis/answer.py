"""The answer of a search: its findings in a few sentences, each with its interval and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.finding import Finding, Table
from analysis.findings import findings_of
from analysis.outcomes import OUTCOMES, with_outcomes
from analysis.pictures.marks import Picture
from analysis.rows import SearchRows
from analysis.spent import Spent, spent
from analysis.text import plural
from analysis.wording import target_text

_ANSWERED_BY = {"cliff": "cliff", "regimes": "regimes", "time_to_target": "times", "effects": "effects"}
"""The finding whose first sentence would say again what a question's answer says, by kind of question."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of a search: each finding in a sentence, and the trials that all of them rest on."""

    name: str
    tried: str
    """The trials and their outcomes, in a sentence."""
    sentences: Sequence[str]
    findings: Sequence[Finding]
    spent: Spent
    """What the search has spent."""
    kind: str = "answer"
    title: str = "Answer"

    @property
    def tables(self) -> Sequence[Table]:
        """None; each finding has its own."""
        return ()

    @property
    def pictures(self) -> Sequence[Picture]:
        """None; each finding has its own."""
        return ()

    def as_json(self) -> dict[str, Any]:
        """Return the sentences, and every finding by its kind."""
        return {
            "search": self.name,
            "tried": self.tried,
            "sentences": list(self.sentences),
            "cost": self.spent.as_json(),
            "findings": {finding.kind: finding.as_json() for finding in self.findings},
        }


def answer(rows: SearchRows, findings: Sequence[Finding] | None = None) -> Answer:
    """Return the answer of a search.

    Args:
        rows: the search.
        findings: those of :func:`analysis.findings.findings_of`, if already computed.
    """
    found = findings_of(rows) if findings is None else findings
    tried = _what_was_tried(rows)
    # Where nothing is confirmed, the sentence on the smallest already says so.
    answered = None if rows.plan.question is None else _ANSWERED_BY.get(rows.plan.question.kind)
    said = [
        finding.sentences[0]
        for finding in found
        if not _is_empty_confirmation(finding) and finding.kind != answered
    ]
    return Answer(
        name=rows.folder.name, tried=tried, sentences=said or [tried], findings=found, spent=spent(rows)
    )


def _is_empty_confirmation(finding: Finding) -> bool:
    return finding.kind == "confirmed" and all(table.frame.empty for table in finding.tables)


def _what_was_tried(rows: SearchRows) -> str:
    trials = with_outcomes(rows)
    if trials.empty:
        return "No answer yet: no trial was started."
    counts = trials["outcome"].value_counts()
    told = ", ".join(f"{int(counts[name]):,} {name}" for name in OUTCOMES if name in counts)
    if rows.plan.target is None:
        endings = trials["ending"].fillna("without an ending").value_counts()
        told = ", ".join(f"{count:,} {ending}" for ending, count in endings.items())
    configurations = int(trials["configuration"].nunique())
    least, most = int(trials["params"].min()), int(trials["params"].max())
    sizes = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    tried = f"{plural(len(trials), 'trial')} of {plural(configurations, 'configuration')}"
    aim = "" if rows.plan.target is None else f" Solved means {target_text(rows)}."
    return f"{tried} with {sizes} parameters: {told}.{aim}"
