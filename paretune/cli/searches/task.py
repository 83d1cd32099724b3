"""``paretune task``: begin a task of one's own, and list those there are."""

from __future__ import annotations

import keyword
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.exits import OK
from paretune.cli.options import AsJson
from paretune.errors import InputError
from search_spaces.plan import NAME_PATTERN

task = typer.Typer(
    name="task",
    help="""Begin a task of your own, and list those there are.

    \b
    Examples:
      paretune task new parity
      paretune task list --json
    """,
    short_help="Begin a task of your own, and list those there are.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_TEMPLATES = Path(__file__).parents[2] / "scaffold"


@task.command("new", short_help="Write a small working task, a search of it and a test.")
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Lower-case letters, digits, and hyphens between them.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="FOLDER", help="Where to write it; by default ./NAME_task."),
    ] = None,
) -> int:
    """Write a small working task, a search of it and a test.

    The task is one file of some sixty lines: its parameters, a model, the data, a loss and one metric. It
    works as it is, so that every change can be tried at once. You made the file, so it is trusted where it
    lies: searching it needs no --allow-task-code on this machine.

    \b
    Example:
      paretune task new parity
      paretune search parity_task/parity.yaml
    """
    from trainables.trusted import trust

    module = name.replace("-", "_")
    _check_name(name, module)
    place = folder or Path(f"{module}_task")
    files = _files_of(name, module, place)
    taken = [path for path in files if path.exists()]
    if taken:
        raise InputError(f"{taken[0]} exists; nothing was written. Take another name, or another --folder")
    place.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    trust(place / f"{module}.py")
    typer.echo(f"written: {', '.join(map(str, files))}")
    typer.echo(
        f"""
{place / f"{module}.py"} is the task: change its config, model, draw, loss and measure.
{place / f"{name}.yaml"} is a search of it: change what is fixed, what is searched, and the target.

Test it:    python -m pytest {place}
Check it:   paretune check {place / f"{name}.yaml"}
Search it:  paretune search {place / f"{name}.yaml"}     (about a minute on two cores)
Then:       paretune answer {name}     paretune retrain {name}     paretune evaluate {name}"""
    )
    return OK


@task.command("list", short_help="List the tasks known here.")
def list_tasks(as_json: AsJson = False) -> int:
    """List the tasks that can be named here: built in, of installed packages, and your own.

    Parameters are those of a task's defaults. A task's name goes into a space file as `task: NAME`.
    """
    from paretune.terminal.printing import make_console, print_json, print_rows
    from trainables.contract import parameter_count
    from trainables.tasks import known_tasks

    found = []
    for known in known_tasks():
        row: dict[str, str | int | list[str] | None] = {"task": known.reference, "origin": known.origin}
        if known.task is not None:
            row["parameters"] = parameter_count(known.task, known.task.config_class())
            row["metric"] = known.task.metrics[0].name
            row["abilities"] = sorted(known.task.abilities)
        found.append({**row, "problem": known.problem})
    if as_json:
        print_json(found)
        return OK
    console = make_console()
    cells = [
        (
            str(row["task"]),
            f"{row['parameters']:,}" if "parameters" in row else "-",
            str(row.get("metric", "-")),
            str(row["origin"]),
        )
        for row in found
    ]
    print_rows(console, ("task", "parameters", "metric", "from"), cells)
    for row in found:
        if row["problem"] is not None:
            console.print(f"{row['task']}: {row['problem']}", style="yellow", soft_wrap=True)
    return OK


def _check_name(name: str, module: str) -> None:
    """Refuse a name that cannot be a search's, a module's and a class's."""
    from trainables.tasks import task_names

    if not re.fullmatch(NAME_PATTERN, name) or name[0].isdigit():
        raise InputError(
            "a task is named by lower-case letters, digits and single hyphens, a letter first, but got "
            f"{name!r}"
        )
    if name in task_names():
        raise InputError(f"there is a task {name} already; take another name")
    if keyword.iskeyword(module) or find_spec(module) is not None:
        raise InputError(
            f"{module} is a module or a word of Python's here, and would hide it; take another name"
        )


def _files_of(name: str, module: str, place: Path) -> dict[Path, str]:
    """Return the text of each file of a new task."""
    words = {
        "name": name,
        "module": module,
        "class": "".join(part.capitalize() for part in name.split("-")),
        "folder": str(place),
    }
    templates = {
        f"{module}.py": "task.py.txt",
        f"{name}.yaml": "space.yaml.txt",
        f"test_{module}.py": "test.py.txt",
        "README.md": "README.md.txt",
    }
    files = {}
    for file, template in templates.items():
        text = (_TEMPLATES / template).read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace("{{ " + word + " }}", value)
        files[place / file] = text
    return files
