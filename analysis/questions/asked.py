"""The answer to what a search was asked, as a finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from analysis.finding import Drawn, Table
from analysis.pictures.marks import Picture
from analysis.rows import SearchRows
from search_spaces.parts.question import Question


class QuestionAnswer(Protocol):
    """What the rows say of a question, by its kind."""

    @property
    def is_sharp(self) -> bool:
        """Whether it is as sharp as was asked."""
        ...

    @property
    def sentences(self) -> Sequence[str]:
        """Whole sentences; the first is the answer."""
        ...

    @property
    def tables(self) -> Sequence[Table]:
        """The numbers."""
        ...

    @property
    def pictures(self) -> Sequence[Picture]:
        """Pictures of them."""
        ...

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, without NaN."""
        ...


@dataclass(frozen=True, kw_only=True)
class Asked(Drawn):
    """The answer to the question of a plan."""

    question: Question
    answer: QuestionAnswer
    kind: str = "question"
    title: str = "What was asked"

    @property
    def is_sharp(self) -> bool:
        """Whether the answer is as sharp as was asked."""
        return self.answer.is_sharp

    @property
    def sentences(self) -> Sequence[str]:
        """The answer, and what it rests on."""
        return self.answer.sentences

    @property
    def tables(self) -> Sequence[Table]:
        """The numbers of the answer."""
        return self.answer.tables

    @property
    def pictures(self) -> Sequence[Picture]:
        """Pictures of the answer."""
        return self.answer.pictures

    def as_json(self) -> dict[str, Any]:
        """Return the question, and everything of its answer."""
        return {
            "question": self.question.model_dump(exclude_none=True),
            "is_sharp": self.is_sharp,
            **self.answer.as_json(),
        }


def asked(rows: SearchRows) -> Asked | None:
    """Return the answer to the plan's question; None without one."""
    question = rows.plan.question
    if question is None:
        return None
    answer = _answer(rows, question)
    return None if answer is None else Asked(question=question, answer=answer)


def _answer(rows: SearchRows, question: Question) -> QuestionAnswer | None:
    if question.cliff is not None:
        from analysis.questions.cliff import cliff_answer

        return cliff_answer(rows, question.cliff)
    if question.effects is not None:
        from analysis.questions.effects import effects_answer

        return effects_answer(rows, question.effects)
    if question.time_to_target is not None:
        from analysis.questions.time_to_target import time_answer

        return time_answer(rows, question.time_to_target)
    if question.regimes is not None:
        from analysis.questions.regimes import regimes_answer

        return regimes_answer(rows, question.regimes)
    return None
