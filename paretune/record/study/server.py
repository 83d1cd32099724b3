"""optuna-dashboard on the study of one search: opened on that study, and for reading only.

A process of its own, ``python -m paretune.record.study.server FOLDER HOST PORT [--allow-task-code]``; port 0
stands for the first free one. Like TensorBoard's, it ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, NoReturn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna_dashboard

from paretune.errors import Error
from paretune.plan.binding import bind
from paretune.record.run_folder import RunFolder
from paretune.record.study.earlier import as_learned_before
from paretune.record.study.storage import STUDY_ID, RowsStorage
from paretune.sampling.samplers.study import quiet

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

FIRST_PORT = 8080
_PORTS = 100
"""So many ports are tried."""

_DETAIL = f"/api/studies/{STUDY_ID}"

_REFUSAL = "The study of a search can only be read: it is made from the rows that the search writes."


def for_reading(application: Application) -> Application:
    """Return a WSGI application that opens on the search's study, and writes nothing.

    Among the best trials it leaves out those that are infeasible, which optuna-dashboard does not.
    """

    def answer(environment: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environment.get("PATH_INFO", "")
        if path.rstrip("/") in ("", "/dashboard"):
            headers = [("Location", f"/dashboard/studies/{STUDY_ID}"), ("Cache-Control", "no-store")]
            start_response("302 Found", headers)
            return []
        if environment.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            start_response("403 Forbidden", [("Content-Type", "application/json")])
            return [json.dumps({"reason": _REFUSAL}).encode()]
        if path == _DETAIL:
            return _with_feasible_best(application, environment, start_response)
        return application(environment, start_response)

    return answer


def _with_feasible_best(
    application: Application, environment: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    begun: list[Any] = []
    body = b"".join(application(environment, lambda *told: begun.extend(told)))
    status, headers = begun[:2]
    if str(status).startswith("200"):
        content = json.loads(body)
        best = content["best_trials"]
        feasible = [trial for trial in best if all(value <= 0 for value in trial["constraints"])]
        # Where nothing is feasible yet, the nearest to it.
        content["best_trials"] = feasible or (best if len(content["directions"]) == 1 else [])
        body = json.dumps(content).encode()
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        headers.append(("Content-Length", str(len(body))))
    start_response(status, headers)
    return [body]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind, without asking the network for this machine's name: where it has none, that takes long."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of requests."""


def serve(application: Application, host: str, port: int) -> WSGIServer:
    """Return a server that is bound to a port, or to the first free one from 8080 for port 0.

    Raises:
        OSError: the port is taken, or the address is none of this machine's.
    """
    ports = [port] if port else range(FIRST_PORT, FIRST_PORT + _PORTS)
    last: OSError | None = None
    for each in ports:
        try:
            return make_server(host, each, application, server_class=_Server, handler_class=_Silent)
        except OSError as error:
            last = error
    assert last is not None
    raise last


def main() -> None:
    """Serve until standard input ends, or until a signal does."""
    folder, host, port, *options = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Thread(target=_end_with_input, daemon=True).start()
    quiet()
    search = RunFolder(Path(folder))
    try:
        bound = bind(search.plan, allow_task_code="--allow-task-code" in options)
        bound = as_learned_before(bound, search)
        application = for_reading(optuna_dashboard.wsgi(RowsStorage(search, bound)))
        server = serve(application, host, int(port))
    except Error as error:
        _give_up(str(error))
    except OSError as error:
        _give_up(f"cannot serve on {host}:{port}: {error.strerror or error}; name another with --port")
    print(f"http://{host}:{server.server_port}/", flush=True)
    server.serve_forever()


def _give_up(reason: str) -> NoReturn:
    """Tell the command why, in the line in which it waits for an address."""
    print(reason, flush=True)
    sys.exit(1)


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
