"""Before a search on a cluster: can every machine run its trials, and will they come to the same?"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paretune.errors import ClusterError
from paretune.storage.places import Place
from paretune.tune.nodes.watching import name_of

ANSWERS_WITHIN_S = 90.0
"""So long a machine may take to answer; torch is imported first."""

_LOOKED_AT = ("trainables", "search_spaces", "paretune")
"""Packages whose code decides what a trial comes to."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What machines are asked for."""

    task: str
    """The task's name, or where its class is."""
    needs: Mapping[str, float]
    """What a trial needs, by Ray's names; machines that do not carry one are not asked."""
    folder: Path
    """The search's folder."""
    storage: str | None = None
    """The URL where checkpoints go, if not into the folder."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a machine said of itself."""

    node: str
    """What a person knows it by."""
    error: str | None = None
    """Why it said nothing."""
    versions: Mapping[str, str | None] = field(default_factory=dict)
    """Of Python and packages; None for one that is missing."""
    code: str | None = None
    """Digest of the code that trains."""
    task_code: str | None = None
    """Digest of the task's own file, with those beside it where it is part of a package."""
    task_error: str | None = None
    """Why it cannot import the task."""
    sees_folder: bool = False
    """Whether it sees the results folder that the driver writes."""
    storage_error: str | None = None
    """Why it cannot reach the storage."""
    gpus: Sequence[str] = ()
    """Names of its GPUs, as ``nvidia-smi`` gives them."""


def check_nodes(wanted: Wanted, only: Collection[str] | None = None) -> list[str]:
    """Ask every machine that can carry a trial, and return what is different there and does no harm.

    Args:
        wanted: what they are asked for.
        only: Ray's ids of those to ask; all if None.

    Raises:
        ClusterError: trials cannot run on a machine, or would not be the same trials; it names all findings.
    """
    nodes = [node for node in _nodes(wanted.needs) if only is None or node["NodeID"] in only]
    with _token_in(wanted) as token:
        # The driver's own answer is what the others are compared with.
        here = Answer(node="here", **ask_for(wanted)(str(token)))
        answers = _answers_of(nodes, ask_for(wanted), str(token))
    errors, warnings = findings(here, answers, wanted)
    if errors:
        raise ClusterError(
            "the cluster cannot run this search:\n"
            + "\n".join(f"- {line}" for line in errors)
            + "\nMake the machines alike, or take those that differ out of the cluster; see docs/cluster.md."
        )
    return warnings


def findings(here: Answer, answers: Sequence[Answer], wanted: Wanted) -> tuple[list[str], list[str]]:
    """Return what keeps machines from running a search, and what is merely different: a line per machine."""
    errors, warnings = [], []
    for answer in answers:
        bad, odd = _of_one(here, answer, wanted)
        if bad:
            errors.append(f"{answer.node}: {'; '.join(bad)}")
        if odd:
            warnings.append(f"{answer.node}: {'; '.join(odd)}")
    kinds = sorted({", ".join(answer.gpus) for answer in answers if wanted.needs.get("GPU") and answer.gpus})
    if len(kinds) > 1:
        warnings.append(
            f"the machines have different GPUs ({'; '.join(kinds)}), so times of trials do not compare"
        )
    return errors, warnings


def _of_one(here: Answer, answer: Answer, wanted: Wanted) -> tuple[list[str], list[str]]:
    if answer.error is not None:
        return [answer.error], []
    bad: list[str] = []
    odd: list[str] = []
    for name, version in here.versions.items():
        there = answer.versions.get(name)
        if there is None:
            bad.append(f"{name} is not installed there (here {version})")
        elif there != version:
            matters = name in ("ray", "paretune") or _minor(there) != _minor(version)
            (bad if matters else odd).append(f"{name} {there}, here {version}")
    if not bad and answer.code != here.code:
        bad.append("the same version of paretune, but other code than here")
    if not bad and answer.task_error is not None:
        bad.append(f"it cannot import task {wanted.task}: {answer.task_error}")
    if not bad and answer.task_code != here.task_code:
        bad.append(f"task {wanted.task} is other code there than here")
    if wanted.storage is not None:
        if answer.storage_error is not None:
            bad.append(f"it cannot reach {wanted.storage}: {answer.storage_error}")
    elif not answer.sees_folder:
        bad.append(
            f"it does not see {wanted.folder}; keep checkpoints where every machine can reach them with "
            "--storage s3://BUCKET/FOLDER, or results on a folder that all share with --results"
        )
    return bad, odd


def ask_for(wanted: Wanted) -> Callable[[str], dict[str, Any]]:
    """Return the function that a machine answers with, given the path of the token in the search's folder.

    It travels by value, and imports nothing of ours before it has looked whether that is there.
    """
    task, storage, packages = wanted.task, wanted.storage, _LOOKED_AT

    def answer(token: str) -> dict[str, Any]:
        import hashlib
        import importlib.util
        import platform
        import subprocess
        import sys
        from importlib.metadata import PackageNotFoundError, version
        from pathlib import Path

        versions: dict[str, str | None] = {"Python": platform.python_version()}
        for name in ("ray", "torch", "paretune"):
            try:
                versions[name] = version(name)
            except PackageNotFoundError:
                versions[name] = None
        digest, task_digest = hashlib.sha256(), hashlib.sha256()
        task_error, storage_error = None, None
        try:
            for package in packages:
                spec = importlib.util.find_spec(package)
                if spec is None or not spec.submodule_search_locations:
                    raise ModuleNotFoundError(f"No module named {package!r}")
                root = Path(next(iter(spec.submodule_search_locations)))
                for path in sorted(root.rglob("*.[ch]*pp")) + sorted(root.rglob("*.py")):
                    digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
            from trainables.tasks import get_task

            module = sys.modules[type(get_task(task, allow_code=True)).__module__]
            source = Path(str(module.__file__))
            for path in sorted(source.parent.rglob("*.py")) if module.__package__ else [source]:
                task_digest.update(path.name.encode() + b"\0" + path.read_bytes())
        except Exception as error:
            task_error = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
        if storage is not None:
            try:
                from paretune.storage.places import Place

                if Place.of(storage).read(Path(token).name) is None:
                    storage_error = "it does not see what was written there a moment ago"
            except Exception as error:
                storage_error = str(error)
        try:
            said = subprocess.run(
                ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            ).stdout
        except (OSError, subprocess.SubprocessError):
            said = ""
        return {
            "versions": versions,
            "code": digest.hexdigest(),
            "task_code": task_digest.hexdigest(),
            "task_error": task_error,
            "sees_folder": Path(token).is_file(),
            "storage_error": storage_error,
            "gpus": tuple(line.strip() for line in said.splitlines() if line.strip()),
        }

    return answer


def _answers_of(
    nodes: Sequence[Mapping[str, Any]], answer: Callable[[str], dict[str, Any]], token: str
) -> list[Answer]:
    """Ask all machines at once, each on a worker of its own that needs no slot."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(num_cpus=0, max_retries=0)(answer)
    asked = {
        node["NodeID"]: ask.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(token)
        for node in nodes
    }
    until = time.monotonic() + ANSWERS_WITHIN_S
    found = []
    for node in nodes:
        try:
            left = max(until - time.monotonic(), 0.1)
            found.append(Answer(node=name_of(node), **ray.get(asked[node["NodeID"]], timeout=left)))
        except Exception as error:  # Ray raises various; whichever it is, the machine does not answer
            found.append(Answer(node=name_of(node), error=_why(error)))
    return found


def _why(error: Exception) -> str:
    from ray.exceptions import GetTimeoutError, WorkerCrashedError

    if isinstance(error, GetTimeoutError):
        return f"it has not answered within {ANSWERS_WITHIN_S:.0f} s"
    if isinstance(error, WorkerCrashedError):
        return "a worker dies while it starts there; is paretune installed as it is here?"
    return f"it does not answer: {str(error).strip().splitlines()[0]}"


def _nodes(needs: Mapping[str, float]) -> list[dict[str, Any]]:
    import ray

    return [
        node
        for node in ray.nodes()
        if node["Alive"] and all(node["Resources"].get(name, 0.0) >= share for name, share in needs.items())
    ]


@contextmanager
def _token_in(wanted: Wanted) -> Iterator[Path]:
    """Keep a file of a name that nobody can guess where machines are to look for it; yield its path."""
    token = wanted.folder / f".seen-{secrets.token_hex(8)}"
    place = None if wanted.storage is None else Place.of(wanted.storage)
    token.touch()
    try:
        if place is not None:
            place.write(token.name, b"seen")
        yield token
    finally:
        token.unlink(missing_ok=True)
        if place is not None:
            place.remove_file(token.name)


def _minor(version: str | None) -> str:
    return ".".join((version or "").split("+")[0].split(".")[:2])
