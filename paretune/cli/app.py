"""The command line: its commands in the order in which a newcomer needs them, and its exit codes."""

from __future__ import annotations

import sys
import traceback

import typer
from typer.core import TyperGroup

from paretune import __version__
from paretune.cli.answers import answer, cliff, compare, effects, frontier, rank, regimes, report, times
from paretune.cli.exits import INTERRUPTED, OK, OUR_FAILURE, WRONG_INPUT
from paretune.cli.models import add, confirm, evaluate, export, generate, retrain
from paretune.cli.searches import check, data, doctor, schema, search, watch
from paretune.errors import Error
from search_spaces.mistakes import SpaceFileError

_INTRODUCTION = """
Find how small, how fast and how cheap a transformer can get before it stops working.

A space file asks a question. A search answers it with trials; answer says what was found, with intervals,
confirm tries it on fresh seeds, and report makes a page of it. The commands below stand in the order in
which you need them.

\b
  paretune check search_spaces/quickstart.yaml
  paretune data python
  paretune search search_spaces/quickstart.yaml
  paretune watch quickstart
  paretune answer quickstart
  paretune cliff quickstart --by n_heads
  paretune regimes quickstart
  paretune times quickstart
  paretune effects quickstart
  paretune rank quickstart
  paretune frontier quickstart --export frontier.csv
  paretune confirm quickstart --seeds 8
  paretune report quickstart
  paretune compare quickstart quickstart-2
  paretune retrain quickstart
  paretune evaluate CHECKPOINT
  paretune add CHECKPOINT 123 456
  paretune generate CHECKPOINT --prompt "def main("
  paretune export CHECKPOINT --adderboard adder.py
  paretune doctor
"""


def _exit_with(code: int, **_: object) -> None:
    """Make what a command returns the exit code."""
    raise typer.Exit(code)


_COMMANDS = (
    check,
    data,
    search,
    watch,
    answer,
    cliff,
    regimes,
    times,
    effects,
    rank,
    frontier,
    confirm,
    report,
    compare,
    retrain,
    evaluate,
    add,
    generate,
    export,
    doctor,
    schema,
)


class _InOrderOfNeed(TyperGroup):
    """Lists the commands in the order of the table above; typer would put those with subcommands last."""

    def list_commands(self, _context: object) -> list[str]:
        return [module.__name__.rpartition(".")[2] for module in _COMMANDS]


app = typer.Typer(
    name="paretune",
    cls=_InOrderOfNeed,
    help=_INTRODUCTION,
    result_callback=_exit_with,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for module in _COMMANDS:
    module.register(app)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Show the version and exit."),
) -> None:
    if version:
        typer.echo(f"paretune {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def main() -> None:
    """Run the command line and exit: 0 right, 2 wrong input, 1 a failure of ours, 130 interrupted."""
    sys.exit(_run())


def _run() -> int:
    try:
        app()
        return OK
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else OUR_FAILURE
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        return INTERRUPTED
    except SpaceFileError as error:
        typer.echo(str(error), err=True)
        return WRONG_INPUT
    except Error as error:
        typer.echo(f"error: {error}", err=True)
        return WRONG_INPUT
    except ConnectionError as error:
        typer.echo(f"error: {error}", err=True)
        return WRONG_INPUT
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        typer.echo(f"error: {error.strerror or error}{place}", err=True)
        return OUR_FAILURE
    except Exception:
        traceback.print_exc()
        typer.echo("This is a failure of paretune; please report it with the lines above.", err=True)
        return OUR_FAILURE


if __name__ == "__main__":
    main()
