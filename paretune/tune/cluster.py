"""Ray: started quietly, stopped surely, and asked what it has."""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paretune import leaving
from paretune.errors import ClusterError, RayLostError
from paretune.signals import reclaim_signals
from paretune.tune import scratch
from paretune.tune.driving.interrupting import uninterrupted
from paretune.tune.nodes.tokens import bring_token
from paretune.waiting import let_waiting_threads_sleep

_OBJECT_STORE_BYTES = 128 * 2**20
"""Reports and configurations are all that travels."""

_ANSWERS_WITHIN_S = 10.0
"""So long the head of a cluster may take to answer."""

_STOPS_WITHIN_S = 12.0
"""So long Ray may take to stop; without its head, it takes five."""

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
    # Arrow, which copies checkpoints, maps a gibibyte ahead: a limit on a trial's memory would count it.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # Trials that ask for no GPU are not shown any.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    # Tune's workers have an environment of their own, so the ones that Ray starts ahead would not be used.
    "RAY_prestart_worker_first_driver": "0",
}

_BEARS_SILENCE = {"RAY_gcs_rpc_server_reconnect_timeout_s": "86400"}
"""So long this process bears a head that is gone: the search ends much sooner, a notebook does not."""

_PREPARE_WORKER = "paretune.tune.trainable.prepare_worker"
"""What each worker calls while it starts, see there."""


@contextmanager
def ray_session(address: str, *, fake_gpus: int = 0) -> Iterator[list[dict[str, float]]]:
    """Start Ray here (``local``) or join a running cluster, and yield the resources of each machine.

    Args:
        address: where Ray runs.
        fake_gpus: GPUs that Ray counts, of which there is none; only where it is started here.

    Raises:
        ClusterError: there is no cluster at ``address``.
    """
    os.environ.update(_ENVIRONMENT)
    if address != "local":
        # Ray would end this process, whoever it belongs to, after a minute without a head.
        os.environ.update(_BEARS_SILENCE)
    let_waiting_threads_sleep()
    import ray

    said_by_ray = _silence()
    environment: dict[str, Any] = {"worker_process_setup_hook": _PREPARE_WORKER}
    options: dict[str, Any] = {
        "address": address,
        "runtime_env": environment,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    session = scratch.session_folder()
    scratch.clear_away()
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
        options |= {"_temp_dir": str(session / "ray")}
        if fake_gpus:
            options |= {"num_gpus": fake_gpus}
    else:
        # Workers of a cluster that others started do not inherit this process's environment.
        environment["env_vars"] = {**_ENVIRONMENT, "OMP_WAIT_POLICY": os.environ["OMP_WAIT_POLICY"]}
    try:
        with scratch.marked(session):
            _join(options)
        # Ray sets a handler of its own, which would end the process before the rows are closed.
        reclaim_signals()
        yield [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]
    except SystemExit as ended:
        # That handler, before ours was back.
        raise KeyboardInterrupt from ended
    except RayLostError:
        # Without its processes, what is left of Ray here has nothing to wait for.
        scratch.end_processes_of(session)
        raise
    finally:
        with uninterrupted():
            _shut_down(session)
        ray._private.worker.print_to_stdstream = said_by_ray


def _join(options: dict[str, Any]) -> None:
    import ray

    address = options["address"]
    host, colon, port = address.rpartition(":")
    if address.startswith("ray://"):
        # Tune would run on the head, where rows and the terminal of this process are not.
        raise ClusterError(
            f"--address {address} is that of Ray's client, over which a search cannot run: let this machine "
            "join the cluster with `ray start --num-cpus=0 --address=HEAD:6379` and give --address "
            "HEAD:6379, or search on the head with --address auto"
        )
    try:
        if colon and port.isdecimal() and "://" not in address:
            # Ray itself would try for two minutes, and print warnings of its own meanwhile.
            socket.create_connection((host, int(port)), timeout=_ANSWERS_WITHIN_S).close()
        if address != "local":
            bring_token(address)
        ray.init(**options)
    except (OSError, OverflowError, ValueError, RuntimeError) as error:
        if address == "local" or isinstance(error, ClusterError):
            raise
        raise ClusterError(
            f"there is no Ray cluster at --address {address}; start one with `ray start --head`, name the "
            "host:port of its head, or search on this machine alone with --address local "
            f"({str(error).strip().splitlines()[0]})"
        ) from error


def _silence() -> Any:
    """Let Ray and Optuna say nothing of their own, and return what Ray's errors were printed with."""
    import optuna
    import ray

    warnings.filterwarnings("ignore", category=FutureWarning, module=r"ray\..*")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("ray").setLevel(logging.ERROR)
    # It repeats that trials failed, without the reason, and that a disk is full, with a traceback. Rows, the
    # terminal and the search's own error say it.
    for name in ("ray.tune", "ray.tune.tune"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # It prints what others publish, such as forty lines of a log where a process was killed.
    before = ray._private.worker.print_to_stdstream
    ray._private.worker.print_to_stdstream = lambda *said, **how: None
    return before


def abandon_ray() -> None:
    """Take note that Ray must not be asked for anything any more, in this process: it would wait for ever."""
    _Abandoned.ray = True
    leaving.at_once = True


def is_abandoned() -> bool:
    """Tell whether Ray cannot be used any more in this process."""
    return _Abandoned.ray


class _Abandoned:
    ray = False


def _shut_down(session: Path) -> None:
    """Stop Ray, or leave it where it cannot be stopped; its processes here end in any case."""
    import ray

    if not _Abandoned.ray:
        stopping = threading.Thread(target=ray.shutdown, name="paretune-shutdown", daemon=True)
        stopping.start()
        stopping.join(_STOPS_WITHIN_S)
        if not stopping.is_alive():
            return
        abandon_ray()
    # It would wait once more when Python ends.
    atexit.unregister(ray.shutdown)
    scratch.end_processes_of(session)
