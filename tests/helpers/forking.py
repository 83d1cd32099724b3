"""Our command line as a process that begins with its libraries imported.

Importing torch, Ray and pandas takes a command three to six seconds of a processor, and tests run hundreds
of commands. Here one process imports them once and forks for every command: what is tested is a process of
its own all the same, with its own arguments, folder, environment, output, exit code and ending.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_LONGEST_REQUEST = 2**20
PRELOADED = (
    "paretune.cli.app",
    "paretune.tune.run",
    "paretune.tune.callback",
    "paretune.confirm.retraining",
    "analysis.rows",
    "analysis.report",
    "trainables.loop",
    "matplotlib.figure",
    "scipy.stats",
    "plotly.graph_objects",
)
"""Modules that commands import, and their libraries with them."""


@dataclass
class Parent:
    """The process that forks, started when it is first needed."""

    _process: subprocess.Popen[bytes] | None = None
    _socket: socket.socket | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path | None,
        environment: Mapping[str, str],
        timeout: float,
        script: Path | None = None,
    ) -> tuple[int, str, str]:
        """Run one command, or a script, and return its exit code, output and errors.

        Raises:
            subprocess.TimeoutExpired: it took longer, and has been killed.
        """
        with self._lock, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            connection = self._connected()
            request = {
                "arguments": [*arguments],
                "cwd": str(cwd or Path.cwd()),
                "environment": {**environment},
                "script": script and str(script),
            }
            socket.send_fds(connection, [json.dumps(request).encode()], [out.fileno(), err.fileno()])
            pid = int(connection.recv(100))
            connection.settimeout(timeout)
            try:
                code = int(connection.recv(100))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                connection.settimeout(60)
                connection.recv(100)
                raise subprocess.TimeoutExpired([*arguments], timeout) from None
            finally:
                connection.settimeout(None)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode().replace("\r\n", "\n"))
            return code, texts[0], texts[1]

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )
            theirs.close()
            atexit.register(self._close)
        return self._socket

    def _close(self) -> None:
        assert self._socket is not None
        assert self._process is not None
        self._socket.close()
        self._process.wait(60)


def _next_request(connection: socket.socket) -> str | None:
    """Return the script of a forked process, None for a command; the parent ends when nobody asks."""
    while True:
        text, descriptors, _, _ = socket.recv_fds(connection, _LONGEST_REQUEST, 2)
        if not text:
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            break
        for descriptor in descriptors:
            os.close(descriptor)
        connection.send(str(pid).encode())
        connection.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    connection.close()
    request = json.loads(text)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    script: str | None = request["script"]
    sys.argv = [script or "paretune", *request["arguments"]]
    return script


def _serve(descriptor: int) -> None:
    # Not this folder, in which a helper might have the name of a library.
    sys.path.pop(0)
    for name in PRELOADED:
        importlib.import_module(name)
    # What is there already is not looked at again by a command, which would copy it.
    gc.collect()
    gc.freeze()
    script = _next_request(socket.socket(fileno=descriptor))
    # As Python does it for `python -m paretune`, on which what is on the path of this process follows.
    first = Path.cwd() if script is None else Path(script).parent
    sys.path[:0] = [str(first), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    code: int | str | None = 0
    try:
        if script is None:
            runpy.run_module("paretune", run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        code = ended.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    # As at the end of a process, but for taking every module apart.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
