"""The plan of a search whose ``plan.json`` is lost: from its sessions, if what they say is certain."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.files.layout import PROVENANCE_FILE, SPACE_FILE, DamagedError
from analysis.store import Row, RowStore
from paretune.errors import Error
from paretune.plan.binding import BoundPlan
from paretune.plan.loading import load_bound, search_overrides
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import KeyPath
from search_spaces.plan import Plan

_NUMBERS = {
    "--trials": int,
    "--seeds": int,
    "--seed": int,
    "--concurrency": int,
    "--cpu": float,
    "--gpu": float,
}
"""Options whose values take the place of the space file's."""
_WITHOUT_EFFECT = {"--results": 1, "--address": 1, "--json": 0, "--allow-task-code": 0}
"""Options that are no part of a plan, with how many values they have."""


def plan_to_keep(plan: Plan, sessions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a session keeps of its plan: all of it, unless the ones before kept the same."""
    content = plan.model_dump(mode="json")
    return {} if _kept(sessions) == content else {"plan": content}


def _kept(sessions: Sequence[Mapping[str, Any]]) -> Any:
    return next((session["plan"] for session in reversed(sessions) if session.get("plan")), None)


def plan_of_sessions(
    store: RowStore, sessions: Sequence[Mapping[str, Any]], error: DamagedError
) -> tuple[Plan, str]:
    """Return the plan of a search, and from what it was made.

    Sessions keep the plan that they ran. Those of older versions keep their command; with the space file it
    says the same, if the rows agree.

    Args:
        store: the files of the search.
        sessions: what is known of its sessions.
        error: what is raised where nothing is certain, with the reason as a note.

    Raises:
        DamagedError: it is not certain.
    """
    kept = _kept(sessions)
    rows = list(store.trials().values())
    if kept is not None:
        try:
            return store.plan_of(kept), PROVENANCE_FILE
        except DamagedError:
            raise _because(error, f"{PROVENANCE_FILE} holds no plan that this version can read") from None
    try:
        bound = _of_commands(store, [str(session.get("command") or "") for session in sessions])
    except (Error, OSError, ValueError) as failed:
        raise _because(error, str(failed)) from failed
    if (different := _difference(bound, rows)) is not None:
        raise _because(error, f"{SPACE_FILE} and the commands of its sessions say otherwise: {different}")
    return bound.plan, f"{SPACE_FILE} and the commands of its sessions, with which all rows agree"


def _because(error: DamagedError, reason: str) -> DamagedError:
    # The way out that the error names is the repair that does not succeed here.
    what = str(error).partition("; `paretune repair")[0]
    return DamagedError(
        f"{what}, and it is not certain what it said: {reason}; restore it from a copy of the search's "
        "folder, or search anew"
    )


def _of_commands(store: RowStore, commands: Sequence[str]) -> BoundPlan:
    """Return the plan that a search's commands made of its space file.

    Raises:
        ValueError: they do not say.
        Error: they say what cannot be.
    """
    if not commands:
        raise ValueError("nothing tells which options the search was started with")
    words = shlex.split(commands[0])
    if words[:2] != ["paretune", "search"]:
        raise ValueError("it was not started with the command paretune search")
    overrides, budget = _options(words[2:], are_first=True)
    for command in commands[1:]:
        words = shlex.split(command)
        if words[:2] not in (["paretune", "resume"], ["paretune", "search"]):
            raise ValueError(f"nothing tells what a session did that was started with {command!r}")
        later, _ = _options(words[2:], are_first=False)
        overrides |= {path: value for path, value in later.items() if path == ("search", "trials")}
    path = store.folder / SPACE_FILE
    bound = load_bound(SpaceFile(path), overrides, budget)
    if bound.plan.early_stopping is not None and "reserve" not in path.read_text(encoding="utf-8"):
        # Its default was once another, and no row tells which.
        raise ValueError(f"{SPACE_FILE} does not state the reserve of early stopping")
    return bound


def _options(words: Sequence[str], *, are_first: bool) -> tuple[dict[KeyPath, Any], int | None]:
    """Return where in a plan the options of a command belong, with their values, and its budget."""
    left = list(words)
    given: dict[str, Any] = dict.fromkeys(("trials", "seeds", "seed", "concurrency", "cpu", "gpu"))
    name, budget = None, None
    while left:
        word, _, value = left.pop(0).partition("=")
        if not word.startswith("--"):
            continue
        if word in _WITHOUT_EFFECT or (word == "--resume" and not are_first):
            del left[: _WITHOUT_EFFECT.get(word, 1) * (not value)]
            continue
        text = value or (left.pop(0) if left else "")
        if word in _NUMBERS:
            given[word[2:]] = _NUMBERS[word](text)
        elif word == "--budget":
            budget = int(text)
        elif word == "--name":
            name = text
        else:
            raise ValueError(f"what {word} made of it is not known")
    return {**search_overrides(**given), ("name",): name}, budget


def _difference(bound: BoundPlan, rows: Sequence[Row]) -> str | None:
    """Return in what the rows of a search are not those of a plan; None if they are."""
    plan = bound.plan
    if len(rows) > plan.trials:
        return f"it has {plan.trials:,} trials, and there are rows of {len(rows):,}"
    known = plan.fixed.keys() | plan.space.keys() | plan.derived.keys()
    for given in plan.only:
        known |= given.keys()
    for row in rows:
        values = row.get("values")
        if not isinstance(values, dict) or not values.keys() <= known:
            return f"{row['trial']} has other parameters"
        if any(values.get(key, value) != value for key, value in plan.fixed.items() if not plan.only):
            return f"{row['trial']} has other fixed values"
        if row.get("seed") != plan.trial_seed(row["seed_index"]):
            return f"{row['trial']} has another seed"
        if bound.refusal(values) is not None or bound.params(values) != row.get("params"):
            return f"{row['trial']} has another number of parameters"
    return None
