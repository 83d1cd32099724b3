"""``python -m paretune``: the command line, where its script is not on the path."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; Ctrl-C is told in one word even while it is still being imported."""
    try:
        from paretune.cli.app import main as run
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
