"""The report of a search as sections: the question, the answer, the findings, the method, the limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analysis.answer import answer
from analysis.configurations import columns_of
from analysis.finding import Finding, Table
from analysis.findings import findings_of
from analysis.frontier import Frontier, frontier
from analysis.pictures.curves import curve_pictures
from analysis.pictures.parallel import parallel_picture
from analysis.pictures.positions import positions
from analysis.ranking import ranking
from analysis.report.limits import limits_section
from analysis.report.method import facts_of, method_section
from analysis.report.published import published_section
from analysis.report.sections import Content, Section
from analysis.report.tables import shown
from analysis.rows import SearchRows
from analysis.wording import metric_text, target_text


def content_of(rows: SearchRows, findings: Sequence[Finding] | None = None) -> Content:
    """Return the report of a search.

    Args:
        rows: the search.
        findings: those of :func:`analysis.findings.findings_of`, if already computed.
    """
    found = findings_of(rows) if findings is None else findings
    sections = [
        *map(_finding_section, found),
        *_further_frontiers(rows, found),
        _curves_section(rows),
        _positions_section(rows),
        _configurations_section(rows),
        published_section(rows),
        method_section(rows),
        limits_section(rows, found),
    ]
    return Content(
        name=rows.plan.name,
        title=rows.plan.description.rstrip(".") or rows.plan.name,
        facts=facts_of(rows),
        question=_question(rows),
        answer=answer(rows, found).sentences,
        sections=[section for section in sections if not section.is_empty],
    )


def _question(rows: SearchRows) -> list[str]:
    plan = rows.plan
    sizes = {"max": "as large as possible", "min": "as small as possible"}
    aims = [f"{metric_text(objective.metric)} {sizes[objective.direction]}" for objective in plan.objectives]
    aims = [aim.replace("parameters as small", "as few parameters") for aim in aims]
    listed = aims[0] if len(aims) == 1 else f"{', '.join(aims[:-1])} and {aims[-1]}"
    said = [f"Task {plan.task}: {listed}."]
    if plan.question is not None:
        said.append(f"Asked is {plan.question.sentence}.")
    if plan.target is not None:
        said.append(f"A trial is solved with {target_text(rows)}.")
    else:
        said.append("The plan states no target, so there is no success rate.")
    return said


def _finding_section(finding: Finding) -> Section:
    return Section(
        key=finding.kind,
        title=finding.title,
        is_finding=True,
        sentences=finding.sentences,
        pictures=finding.pictures,
        tables=[shown(table) for table in finding.tables if len(table.frame)],
    )


def _further_frontiers(rows: SearchRows, found: Sequence[Finding]) -> list[Section]:
    """Return a frontier for each cost that the plan wants small and that no finding has been set against."""
    if rows.trials.empty:
        return []
    told = {finding.cost.name for finding in found if isinstance(finding, Frontier)}
    others = (frontier(rows, cost) for cost in rows.cost_objectives if cost not in told)
    sections = [(other, _finding_section(other)) for other in others]
    return [replace(section, key=f"{section.key}-{other.cost.name}") for other, section in sections]


def _curves_section(rows: SearchRows) -> Section:
    return Section(key="curves", title="Learning curves", pictures=curve_pictures(rows))


def _positions_section(rows: SearchRows) -> Section:
    split = positions(rows)
    return Section(
        key="positions",
        title="Accuracy of confirmed models by group",
        pictures=split.pictures,
        tables=[shown(table) for table in split.tables],
    )


def _configurations_section(rows: SearchRows) -> Section:
    if rows.trials.empty:
        return Section(key="configurations", title="Configurations")
    lines = parallel_picture(rows)
    table = Table(title="All configurations, best first", frame=ranking(rows), columns=columns_of(rows))
    return Section(
        key="configurations",
        title="Configurations",
        pictures=[] if lines is None else [lines],
        tables=[shown(table)],
    )
