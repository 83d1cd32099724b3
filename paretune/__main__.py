"""``python -m paretune``, and the script ``paretune``: the command line, with handlers before its imports."""

from __future__ import annotations

import sys

from paretune.signals import broke_an_import, handle_signals

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; Ctrl-C is told in one word even while it is still being imported."""
    handle_signals()
    try:
        from paretune.cli.app import main as run
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt) and not broke_an_import():
            raise
        print("interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
