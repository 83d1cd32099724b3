"""The command line: its app, how a command ends, and what is printed when it fails."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from analysis.text import visible
from paretune import __version__, leaving
from paretune.cli.commands import OPTIONS, Commands
from paretune.cli.exits import CUT_OFF, INTERRUPTED, OK, OUR_FAILURE, WRONG_INPUT
from paretune.errors import Error, RayLostError
from paretune.signals import HANDLED, broke_an_import
from paretune.waiting import let_waiting_threads_sleep

_INTRODUCTION = """
Find how small, how fast and how cheap a transformer can get before it stops working.

A space file asks a question. A search answers it with trials; answer says what was found, with intervals,
confirm tries it on fresh seeds, and report makes a page of it. The commands below stand in the order in
which you need them.

\b
  paretune check search_spaces/quickstart.yaml
  paretune data python
  paretune search search_spaces/quickstart.yaml
  paretune resume quickstart --trials 60
  paretune repair quickstart
  paretune watch quickstart
  paretune dashboard quickstart
  paretune list
  paretune answer quickstart
  paretune cliff quickstart --by n_heads
  paretune regimes quickstart
  paretune times quickstart
  paretune effects quickstart
  paretune stopping quickstart
  paretune rank quickstart
  paretune frontier quickstart --export frontier.csv
  paretune confirm quickstart --seeds 8
  paretune report quickstart
  paretune compare quickstart quickstart-2
  paretune atlas quickstart quickstart-2 --figure atlas.png
  paretune retrain quickstart
  paretune evaluate CHECKPOINT
  paretune add quickstart 123 456
  paretune generate CHECKPOINT --prompt "def main("
  paretune export CHECKPOINT --adderboard adder.py
  paretune task new parity
  paretune doctor

\b
Exit codes:
  0    done
  1    a failure: of paretune, of the disk, of the network
  2    invalid input; the message says what is accepted
  130  interrupted by Ctrl-C or SIGTERM
  141  the reader of the output went away, as `head` does

With --json, an error is printed as JSON on standard output too.

\b
Let your shell complete commands, options and names of searches:
  paretune --install-completion
"""


def _exit_with(code: int, **_: object) -> None:
    """Make what a command returns the exit code."""
    raise typer.Exit(code)


class _Root(TyperGroup):
    """The group of all commands, which it imports by name."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": Commands()})


app = typer.Typer(
    name="paretune",
    cls=_Root,
    help=_INTRODUCTION,
    result_callback=_exit_with,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    **{**OPTIONS, "add_completion": True},
)


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
    """Run the command line and exit with one of the codes of :mod:`paretune.cli.exits`."""
    let_waiting_threads_sleep()
    code = _run()
    # Everything is said. Another Ctrl-C would only break off what Python does at its end, with a traceback.
    for number in HANDLED:
        signal.signal(number, signal.SIG_IGN)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = CUT_OFF
    if code == CUT_OFF:
        # Python flushes once more when it ends, and would tell of the broken pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if leaving.at_once:
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run() -> int:
    try:
        app()
        return OK
    except SystemExit as ended:
        return _code_of(ended)
    except KeyboardInterrupt as stopped:
        return _interrupted(stopped)
    except BrokenPipeError:
        return CUT_OFF
    except RayLostError as error:
        return _failed(error, "\n".join([f"error: {error}", *_notes(error)]), OUR_FAILURE)
    except Error as error:
        # A space file's mistakes are lines of their own, each with its place.
        text = str(error)
        return _failed(error, text if hasattr(error, "mistakes") else f"error: {text}", WRONG_INPUT)
    except ConnectionError as error:
        return _failed(error, f"error: {error}", WRONG_INPUT)
    except OSError as error:
        told = [f"error: {_of_the_system(error)}", *_notes(error)]
        return _failed(error, "\n".join(told), OUR_FAILURE)
    except Exception as error:
        if broke_an_import():
            return _interrupted(KeyboardInterrupt())
        traceback.print_exc()
        return _failed(
            error, "This is a failure of paretune; please report it with the lines above.", OUR_FAILURE
        )


def _code_of(ended: SystemExit) -> int:
    """Return the exit code of a command that ended, also where typer or rich ended it for an exception."""
    for reason in _reasons(ended):
        if isinstance(reason, KeyboardInterrupt):
            return _interrupted(reason)
        if isinstance(reason, BrokenPipeError):
            return CUT_OFF
        if isinstance(reason, typer.TyperException):
            _print_as_json(reason, reason.format_message())
    return ended.code if isinstance(ended.code, int) else OUR_FAILURE


def _reasons(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions that led to this one, the nearest first."""
    reason = error.__cause__ or error.__context__
    while reason is not None:
        yield reason
        reason = reason.__cause__ or reason.__context__


def _interrupted(stopped: KeyboardInterrupt) -> int:
    typer.echo(str(stopped) or "interrupted", err=True)
    return INTERRUPTED


def _failed(error: Exception, text: str, code: int) -> int:
    typer.echo(visible(text), err=True)
    _print_as_json(error, _of_the_system(error) if isinstance(error, OSError) else str(error))
    return code


def _notes(error: Exception) -> list[str]:
    return list(getattr(error, "__notes__", []))


def _of_the_system(error: OSError) -> str:
    place = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{place}"


def _print_as_json(error: Exception, message: str) -> None:
    """Print an error for programs, if the command line asks for JSON."""
    before_operands = sys.argv[1 : sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    if "--json" not in before_operands:
        return
    from paretune.cli.failures import as_json
    from paretune.terminal.printing import print_json

    print_json({"error": as_json(error, message)})


if __name__ == "__main__":
    main()
