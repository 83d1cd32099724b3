"""The state of this machine, as ``paretune doctor`` tells it."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version

from paretune import __version__
from paretune.mps import is_mps_running, mps_folder
from paretune.record.provenance import hardware, package_versions
from trainables.cache import NoCacheError, cache_folder
from trainables.contract import Diagnosis
from trainables.tasks import TASKS

_RAY_ADVICE = "look for what is full or forbidden: memory, /tmp, /dev/shm, opening local ports"


def diagnose_machine() -> Iterator[Diagnosis]:
    """Yield one finding after the other; some take seconds."""
    machine = hardware()
    yield Diagnosis(name="paretune", state=f"{__version__}, Python {platform.python_version()}")
    yield Diagnosis(
        name="machine",
        state=f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {machine['system']}",
    )
    yield _packages()
    yield _caches()
    yield _temporary()
    yield _gpu(machine["gpus"])
    yield _ray()
    for task in TASKS.values():
        for diagnosis in task.diagnose():
            yield replace(diagnosis, name=f"{task.name}: {diagnosis.name}")


def _packages() -> Diagnosis:
    versions = package_versions()
    missing = [name for name, version in versions.items() if version is None]
    return Diagnosis(
        name="packages",
        state=", ".join(f"{name} {version or 'is missing'}" for name, version in versions.items()),
        advice=f"pip install --constraint constraints.txt --editable .  (missing: {', '.join(missing)})"
        if missing
        else None,
    )


def _caches() -> Diagnosis:
    """Tell where is what can be made or downloaded again, so that it can be moved or removed."""
    from trainables.text.gpt2 import vocabulary_cache

    try:
        ours = {kind: cache_folder(kind) for kind in ("kernels", "datasets")}
    except NoCacheError as error:
        return Diagnosis(name="caches", state="none", advice=str(error))
    vocabulary = vocabulary_cache()
    return Diagnosis(
        name="caches",
        state=f"compiled kernels in {ours['kernels']}, built data sets in {ours['datasets']} (PARETUNE_CACHE "
        "moves both), "
        + ("GPT-2's vocabulary nowhere" if vocabulary is None else f"GPT-2's vocabulary in {vocabulary}")
        + " (TIKTOKEN_CACHE_DIR)",
    )


def _temporary() -> Diagnosis:
    """Tell what searches have in their temporary folders now, and what becomes of it."""
    from paretune.tune.scratch import left_behind

    found = left_behind()
    over = found.sessions - found.running
    return Diagnosis(
        name="temporary files",
        state=f"{found.size / 2**20:.1f} MiB in {found.folder}: folders of {found.running} searches that "
        f"run and of {over} that ended; the next search keeps the logs of three of these, and no more",
    )


def _gpu(named: list[str]) -> Diagnosis:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return Diagnosis(name="GPU", state=f"{', '.join(names)}; {_sharing()}")
    if named:
        return Diagnosis(
            name="GPU",
            state=f"{', '.join(named)}, which torch {torch.__version__} cannot use",
            advice="install a torch that is built for it: https://pytorch.org/get-started/locally",
        )
    return Diagnosis(name="GPU", state="none; searches use the processor's cores")


def _sharing() -> str:
    """Say how trials that share a GPU do so."""
    if is_mps_running():
        return f"trials that share one use CUDA MPS, which runs ({mps_folder()})"
    return f"trials that share one take turns, as CUDA MPS does not run (looked for in {mps_folder()})"


def _ray() -> Diagnosis:
    from paretune.tune.cluster import ray_session

    began = time.perf_counter()
    try:
        with ray_session("local") as nodes:
            spent = time.perf_counter() - began
            there = {name: nodes[0].get(name, 0.0) for name in ("CPU", "GPU")}
    except Exception as error:  # whatever keeps Ray from starting is what the reader wants to know
        return Diagnosis(
            name="Ray", state=f"{version('ray')} does not start here: {error}", advice=_RAY_ADVICE
        )
    resources = ", ".join(f"{share:g} {name}" for name, share in there.items())
    return Diagnosis(name="Ray", state=f"{version('ray')} starts in {spent:.0f} s and offers {resources}")
