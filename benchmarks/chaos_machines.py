"""What a drill breaks besides processes: a cluster of two nodes, and a disk that fills."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
from chaos_processes import end, tree_of

_STORE_BYTES = 80 * 2**20
_UP_WITHIN_S = 60.0
_TRIES = 3


class Cluster:
    """Two Ray nodes on this machine, a core each, started by ``ray start`` as on two machines.

    Args:
        folder: where logs go.
        environment: of the nodes.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._port = _free_port()
        self._head: subprocess.Popen[bytes] | None = None
        self._nodes: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """What a search joins it by."""
        return f"127.0.0.1:{self._port}"

    @property
    def is_whole(self) -> bool:
        """Whether the head and a node beside it run."""
        return self._head is not None and self._head.poll() is None and self._has_node

    @property
    def _has_node(self) -> bool:
        return any(node.poll() is None for node in self._nodes)

    def start(self) -> None:
        """Start what is missing of it; where the head is, all of it.

        Raises:
            RuntimeError: a node does not come up, again and again.
        """
        for left in reversed(range(_TRIES)):
            try:
                self._start()
            except RuntimeError:
                if not left:
                    raise
                self.stop()
            else:
                return

    def _start(self) -> None:
        if self._head is None or self._head.poll() is not None:
            self.stop()
            self._port = _free_port()
            self._head = self._started("--head", f"--port={self._port}", "--include-dashboard=false")
        if not self._has_node:
            self._nodes = [self._started(f"--address={self.address}")]

    def kill_node(self) -> None:
        """Kill every process of the node that is not the head."""
        for node in self._nodes:
            end(tree_of(node.pid))
        self._reap()

    def kill_head(self) -> None:
        """Kill every process of the head: its machine is off."""
        if self._head is not None:
            end(tree_of(self._head.pid))
        self._reap()

    def stop(self) -> None:
        """End all of it."""
        self.kill_node()
        self.kill_head()
        self._head, self._nodes = None, []

    def _reap(self) -> None:
        for process in (self._head, *self._nodes):
            if process is not None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.5 if process is self._head else 5)

    def _started(self, *options: str) -> subprocess.Popen[bytes]:
        log = self._folder / f"node-{time.time_ns()}.log"
        words = ["start", *options, "--block", "--num-cpus=1", "--disable-usage-stats"]
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "ray.scripts.scripts",
                    *words,
                    f"--object-store-memory={_STORE_BYTES}",
                ],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + _UP_WITHIN_S
        while b"Ray runtime started" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > until:
                end(tree_of(process.pid))
                raise RuntimeError(f"a Ray node did not start: see {log}")
            time.sleep(0.2)
        return process


def with_token(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment whose Ray processes trust each other, and nobody else."""
    return {**environment, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": os.urandom(16).hex()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Disk:
    """The folder that searches of a drill write to, as a disk of its own that can be full.

    Where no file system can be mounted, a limit on the size of files takes its place.

    Args:
        folder: the folder, which exists.
        mib: its size.
    """

    def __init__(self, folder: Path, mib: int = 96) -> None:
        self._folder = folder
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "paretune-drill", str(folder)],
            capture_output=True,
            check=False,
        )
        self.is_mounted = done.returncode == 0

    @property
    def _filler(self) -> Path:
        return self._folder / "filler"

    def fill(self, driver: psutil.Process, largest: int) -> None:
        """Let the disk be full from now on.

        Args:
            driver: the process that writes rows.
            largest: bytes of the largest file that it appends to.
        """
        if not self.is_mounted:
            driver.rlimit(psutil.RLIMIT_FSIZE, (largest, psutil.RLIM_INFINITY))
            return
        for size in (2**20, 2**12):
            with suppress(OSError), self._filler.open("ab", buffering=0) as filler:
                while filler.write(bytes(size)) == size:
                    pass

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink(missing_ok=True)

    def remove(self) -> None:
        """Give the whole disk back, with what is on it."""
        if self.is_mounted:
            subprocess.run(["umount", "-l", str(self._folder)], capture_output=True, check=False)
            self.is_mounted = False
