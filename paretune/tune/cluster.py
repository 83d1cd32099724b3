"""Ray: started quietly, stopped surely, and asked what it has."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from paretune.errors import ClusterError
from paretune.tune.interrupting import uninterrupted
from paretune.waiting import let_waiting_threads_sleep

_OBJECT_STORE_BYTES = 128 * 2**20
"""Reports and configurations are all that travels."""

_ANSWERS_WITHIN_S = 10.0
"""So long the head of a cluster may take to answer."""

_ENVIRONMENT = {
    # A trial that takes long to stop must not lose its slot, see docs/architecture.md.
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",
    # A diverged trial reports what it cost and no metric.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # Rows, curves and the terminal are ours.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # A search goes on from its rows; Tune's snapshot is written at the end only.
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Trials that ask for no GPU are not shown any.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    # Tune's workers have an environment of their own, so the ones that Ray starts ahead would not be used.
    "RAY_prestart_worker_first_driver": "0",
}

_PREPARE_WORKER = "paretune.tune.trainable.prepare_worker"
"""What each worker calls while it starts, see there."""


@contextmanager
def ray_session(address: str) -> Iterator[list[dict[str, float]]]:
    """Start Ray here (``local``) or join a running cluster, and yield the resources of each machine.

    Raises:
        ClusterError: there is no cluster at ``address``.
    """
    os.environ.update(_ENVIRONMENT)
    let_waiting_threads_sleep()
    import ray

    _silence()
    environment: dict[str, Any] = {"worker_process_setup_hook": _PREPARE_WORKER}
    options: dict[str, Any] = {
        "address": address,
        "runtime_env": environment,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    else:
        # Workers of a cluster that others started do not inherit this process's environment.
        environment["env_vars"] = {**_ENVIRONMENT, "OMP_WAIT_POLICY": os.environ["OMP_WAIT_POLICY"]}
    try:
        _join(options)
        # Ray sets a handler of its own, which would end the process before the rows are closed.
        with _sigterm_like_ctrl_c():
            yield [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]
    finally:
        with uninterrupted():
            ray.shutdown()


def _join(options: dict[str, Any]) -> None:
    import ray

    address = options["address"]
    host, colon, port = address.rpartition(":")
    try:
        if colon and port.isdecimal() and "://" not in address:
            # Ray itself would try for two minutes, and print warnings of its own meanwhile.
            socket.create_connection((host, int(port)), timeout=_ANSWERS_WITHIN_S).close()
        ray.init(**options)
    except (OSError, OverflowError, ValueError, RuntimeError) as error:
        if address == "local":
            raise
        raise ClusterError(
            f"there is no Ray cluster at --address {address}; start one with `ray start --head`, name the "
            "host:port of its head, or search on this machine alone with --address local "
            f"({str(error).strip().splitlines()[0]})"
        ) from error


def _silence() -> None:
    import optuna

    warnings.filterwarnings("ignore", category=FutureWarning, module=r"ray\..*")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for name in ("ray", "ray.tune"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # It repeats, without the reason, that trials failed; the rows and the terminal give the reason.
    logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM end a search as Ctrl-C does, rows and all."""

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(signum: int, frame: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
