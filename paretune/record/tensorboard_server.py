"""TensorBoard as it always is, but for one thing: without a wish, it opens on what the search is about.

A process of its own, ``python -m paretune.record.tensorboard_server FIRST_VIEW [TensorBoard's options]``.
Like :mod:`paretune.record.findings_log`, it ends when its standard input does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from tensorboard import default, main_lib, program

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def opening_on(application: Application, first_view: str) -> Application:
    """Return a WSGI application that sends whoever asks for its plain address to ``first_view`` of it."""

    def answer(environment: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environment.get("PATH_INFO") == "/" and not environment.get("QUERY_STRING"):
            # Relative, so that it holds behind a proxy; not to be remembered, as another search may be next.
            headers = [("Location", f"./{first_view}"), ("Cache-Control", "no-store")]
            start_response("302 Found", headers)
            return []
        return application(environment, start_response)

    return answer


def main() -> None:
    """Serve until standard input ends, or until a signal does."""
    first_view, *options = sys.argv[1:]
    threading.Thread(target=_end_with_input, daemon=True).start()
    main_lib.global_init()
    tensorboard = program.TensorBoard(
        plugins=default.get_plugins(),
        server_class=lambda application, flags: program.create_port_scanning_werkzeug_server(
            opening_on(application, first_view), flags
        ),
    )
    tensorboard.configure(["tensorboard", *options])
    sys.exit(tensorboard.main())


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
