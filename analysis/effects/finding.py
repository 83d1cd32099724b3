"""The effect of each parameter, corrected for all comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.effects import telling
from analysis.effects.changes import Change
from analysis.effects.comparing import Method, compared
from analysis.effects.importances import Importances, importances
from analysis.effects.picture import forest, importance_dots
from analysis.effects.responses import Response
from analysis.files.layout import Column
from analysis.finding import Drawn, Table
from analysis.pictures.marks import Picture
from analysis.rows import SearchRows
from analysis.text import plural


@dataclass(frozen=True, kw_only=True)
class Effects(Drawn):
    """The effect of every change of a parameter, those that hold first, and the parameters' importances."""

    changes: Sequence[Change]
    importances: Importances
    method: Method
    response: Response
    sentences: Sequence[str]

    @property
    def kind(self) -> str:
        """``effects``."""
        return "effects"

    @property
    def title(self) -> str:
        """``Effects``."""
        return "Effects"

    @property
    def comparisons(self) -> int:
        """How many changes have a test, and so are counted in the correction."""
        return sum(change.p_value == change.p_value for change in self.changes)

    @property
    def tables(self) -> Sequence[Table]:
        """The changes, and the importances."""
        return (_changes_table(self.changes, self.response), _importances_table(self.importances))

    @property
    def pictures(self) -> Sequence[Picture]:
        """A forest plot, and the importances, as far as there are any."""
        drawn = (
            forest(self.changes, self.response.unit, self.response.name, self._basis()),
            importance_dots(self.importances),
        )
        return [picture for picture in drawn if picture is not None]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, without NaN."""
        return {
            "kind": self.kind,
            "sentences": list(self.sentences),
            "effect_on": self.response.name,
            "unit": self.response.unit,
            "method": self.method,
            "comparisons": self.comparisons,
            "unknown": self.response.unknown,
            "changes": [change.as_json() for change in self.changes],
            "importances": self.importances.as_json(),
        }

    def _basis(self) -> str:
        configurations = plural(len(self.response.table), "configuration")
        return f"{self.method.capitalize()}; {configurations}, {plural(self.response.trials, 'trial')}."


def effects(rows: SearchRows) -> Effects:
    """Return the effect of each parameter on the success rate, or on the loss if the target is on a loss.

    Which way it is told is :func:`analysis.effects.comparing.compared`'s.
    """
    found = compared(rows)
    changes, response = found.changes, found.response
    weights = importances(rows, found.parameters)
    sentences = [telling.answer(changes, response), *telling.others(changes), *found.notes]
    sentences += telling.left_out(response)
    if len(found.parameters.columns):
        sentences.append(telling.importance(weights))
    more = telling.sharper(changes, response)
    return Effects(
        changes=changes,
        importances=weights,
        method=found.method,
        response=response,
        sentences=(*sentences, *((more,) if more is not None else ())),
    )


def _changes_table(changes: Sequence[Change], response: Response) -> Table:
    has_rates = any(change.rates for change in changes)
    frame = pd.DataFrame(
        [
            {
                "parameter": change.parameter,
                "from": change.before or "-",
                "to": change.after,
                "pairs": change.pairs if change.pairs else float("nan"),
                "trials": change.trials,
                **({"solved_from": change.rates[0], "solved_to": change.rates[1]} if change.rates else {}),
                "effect": change.effect.value,
                "low": change.effect.low,
                "high": change.effect.high,
                "p": change.p_value,
                "p_holm": change.p_holm,
                "test": change.test,
            }
            for change in changes
        ]
    )
    of, unit = response.name.replace("_", " "), response.unit
    rates = [
        Column("solved_from", "", "solved trials before the change, of the known"),
        Column("solved_to", "", "solved trials after the change, of the known"),
    ]
    columns = [
        Column("parameter", "", "what is changed"),
        Column("from", "", "its value before"),
        Column("to", "", "its value after; doubled, for any of its values"),
        Column("pairs", "", "pairs of configurations that differ in nothing else; none for a regression"),
        Column("trials", "trials", "trials with a known outcome that the effect rests on"),
        *(rates if has_rates else []),
        Column("effect", unit, f"difference in {of}, after less before"),
        Column("low", unit, "lower end of its 95 % interval"),
        Column("high", unit, "upper end of its 95 % interval"),
        Column("p", "", "two-sided p value of that test"),
        Column("p_holm", "", "the same after Holm's correction for all comparisons"),
        Column("test", "", "the test; in parentheses, degrees of freedom"),
    ]
    return Table(title="Effects", frame=frame, columns=columns)


def _importances_table(found: Importances) -> Table:
    frame = pd.DataFrame(
        [{"parameter": one.parameter, "importance": one.share} for one in found.of],
        columns=["parameter", "importance"],
    )
    title = "Importances, of where the search went" if found.describes_sampler else "Importances"
    columns = [
        Column("parameter", "", "the parameter"),
        Column("importance", "share", "share of the importance of all parameters (PED-ANOVA)"),
    ]
    return Table(title=title, frame=frame, columns=columns)
