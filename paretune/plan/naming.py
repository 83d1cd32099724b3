"""Other names of a task's parameters, in a plan, in place of which the task's own are put."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search_spaces.mistakes import KeyPath, Mistake
from search_spaces.plan import PlanDraft
from trainables.config import TrainingConfig


@dataclass(frozen=True)
class Named:
    """A plan in which parameters have their task's own names."""

    draft: PlanDraft
    twice: list[Mistake]
    """Parameters that are stated by both of their names."""
    stated: dict[KeyPath, KeyPath]
    """Where the plan states what was renamed, by where it is now."""

    def as_stated(self, mistake: Mistake) -> Mistake:
        """Return a mistake with the names that the plan was stated with."""
        path = mistake.path
        for length in range(len(path), 0, -1):
            path = (*self.stated.get(path[:length], path[:length]), *path[length:])
        return Mistake(path, mistake.message)


def by_own_names(draft: PlanDraft, config_class: type[TrainingConfig]) -> Named:
    """Return a plan in which parameters have the names that the task's configuration has for them.

    Wherever the name of a parameter may stand: ``fixed``, ``space`` with its conditions, ``derived``,
    ``baselines``, ``try_first``, ``only``, and ``constraints``.
    """
    fields = config_class.model_fields
    own = {
        alias: name for alias, name in config_class.aliases.items() if alias not in fields and name in fields
    }
    renaming = _Renaming(own)
    content = draft.stated()
    for key in ("fixed", "space", "derived", "constraints"):
        if key in content:
            content[key] = renaming.of(content[key], (key,))
    for name, dimension in content.get("space", {}).items():
        if dimension.get("when"):
            dimension["when"] = renaming.of(dimension["when"], ("space", name, "when"))
    for rule in content.get("derived", {}).values():
        for kind in ("times", "sum"):
            if rule.get(kind):
                rule[kind] = [own.get(name, name) for name in rule[kind]]
        if rule.get("lookup"):
            rule["lookup"] = own.get(rule["lookup"], rule["lookup"])
    for key in ("baselines", "try_first", "only"):
        listed = content.get(key)
        places = listed.keys() if isinstance(listed, dict) else range(len(listed or []))
        for place in places:
            listed[place] = renaming.of(listed[place], (key, place))  # type: ignore[index]
    if not renaming.stated:
        return Named(draft, [], {})
    return Named(PlanDraft.model_validate(content), renaming.twice, renaming.stated)


class _Renaming:
    def __init__(self, own: dict[str, str]) -> None:
        self._own = own
        self.twice: list[Mistake] = []
        self.stated: dict[KeyPath, KeyPath] = {}

    def of(self, values: dict[str, Any], place: KeyPath) -> dict[str, Any]:
        """Return values by their own names, in the same order; of a parameter stated twice, the first."""
        named: dict[str, Any] = {}
        names: dict[str, str] = {}
        for name, value in values.items():
            own = self._own.get(name, name)
            if own in named:
                self.twice.append(
                    Mistake((*place, name), f"is another name of {names[own]}; state one of them")
                )
                self.stated.setdefault((*place, own), (*place, names[own]))
                continue
            named[own], names[own] = value, name
            if own != name:
                self.stated[*place, own] = (*place, name)
        return named
