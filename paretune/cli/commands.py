"""The commands in the order in which a newcomer needs them, each imported when it is asked for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer

MODULES = {
    "check": "paretune.cli.searches.check",
    "data": "paretune.cli.searches.data",
    "search": "paretune.cli.searches.search",
    "resume": "paretune.cli.searches.resume",
    "repair": "paretune.cli.searches.repair",
    "watch": "paretune.cli.searches.watch",
    "dashboard": "paretune.cli.searches.dashboard",
    "list": "paretune.cli.searches.listing",
    "answer": "paretune.cli.answers.answer",
    "cliff": "paretune.cli.answers.cliff",
    "regimes": "paretune.cli.answers.regimes",
    "times": "paretune.cli.answers.times",
    "effects": "paretune.cli.answers.effects",
    "stopping": "paretune.cli.answers.stopping",
    "rank": "paretune.cli.answers.rank",
    "frontier": "paretune.cli.answers.frontier",
    "confirm": "paretune.cli.models.confirm",
    "report": "paretune.cli.answers.report",
    "compare": "paretune.cli.answers.compare",
    "atlas": "paretune.cli.answers.atlas",
    "retrain": "paretune.cli.models.retrain",
    "evaluate": "paretune.cli.models.evaluate",
    "add": "paretune.cli.models.add",
    "generate": "paretune.cli.models.generate",
    "export": "paretune.cli.models.export",
    "task": "paretune.cli.searches.task",
    "doctor": "paretune.cli.searches.doctor",
    "schema": "paretune.cli.searches.schema",
}
"""The module of each command. It has an attribute named as itself or as the command: a function whose
docstring is the help, with its first line in the list of commands, or a ``typer.Typer`` with subcommands. A
module's ``CommandClass``, if there is one, reads the arguments in typer's place."""

OPTIONS: dict[str, Any] = {
    "rich_markup_mode": None,
    "add_completion": False,
    "pretty_exceptions_enable": False,
}
"""What every app of typer's is made with here."""


class Commands(Mapping[str, Any]):
    """Typer's commands by name; only those that are looked at are imported."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _command(name, import_module(MODULES[name]))
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


def _command(name: str, module: Any) -> Any:
    app = typer.Typer(**OPTIONS)
    found = getattr(module, name, None) or getattr(module, module.__name__.rpartition(".")[2])
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
        group: Any = typer.main.get_command(app)
        return group.commands[name]
    help_text = inspect.getdoc(found)
    assert help_text, f"{name} has no docstring"
    own_class = getattr(module, "CommandClass", None)
    app.command(name, cls=own_class, short_help=help_text.partition("\n")[0])(found)
    return typer.main.get_command(app)
