"""A search on real nodes, all on this machine: one is killed, one drained, others join while it runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import ray
from helpers.commands import CLI
from ray._private import state
from ray.cluster_utils import Cluster

from analysis.rows import SearchRows
from paretune.errors import ClusterError
from paretune.tune.nodes.checking import Wanted, check_nodes
from paretune.tune.nodes.watching import nodes_now

TASK = '''
"""A task whose steps are slow until they need not be any more, and whose results are those of its seeds."""

import time
from pathlib import Path

import torch
from torch import nn

from paretune import BaseTask, BaseWorkload, Metric, TrainingConfig


class SlowConfig(TrainingConfig):
    hurry: str = "."


class SlowWorkload(BaseWorkload[SlowConfig]):
    def model(self):
        return nn.Linear(1, 1)

    def draw(self, split, samples, generator):
        if split == "train" and not Path(self.config.hurry).exists():
            time.sleep(0.02)
        return torch.rand((samples, 1), generator=generator), torch.zeros(samples, 1)

    def loss(self, model, batch):
        return (model(batch[0]) - batch[1]).square().mean()

    def measure(self, model, batch):
        return model(batch[0])[:, 0] > 0


class Slow(BaseTask):
    name = "slow"
    config_class = SlowConfig
    workload_class = SlowWorkload
    metric = Metric(name="accuracy", direction="max", unit="share", description="none", best=1.0)
'''

STEPS = 6000
SPACE = f"""
name: lost-nodes
task: slow.py:Slow
objectives: [{{metric: accuracy, direction: max}}]
fixed: {{hurry: HURRY, steps: {STEPS}, batch: 4, eval_every: 20}}
only: [{{lr: 0.01}}, {{lr: 0.001}}]
"""


@contextmanager
def cluster_of_two(folder: Path) -> Iterator[tuple[Cluster, list[Any]]]:
    """Run a cluster of a head that carries no trial and two nodes with a core each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield cluster, nodes
    finally:
        ray.shutdown()
        cluster.shutdown()


class Search:
    """A search in a process of its own, seen by its rows."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        space = folder / "space.yaml"
        self._hurry = folder / "hurry"
        (folder / "slow.py").write_text(TASK)
        space.write_text(SPACE.replace("HURRY", str(self._hurry)))
        self.folder = folder / "results" / "lost-nodes"
        self._out = folder / "out"
        command = [*CLI, "search", space, "--results", folder / "results", "--allow-task-code"]
        command += ["--address", cluster.address]
        with self._out.open("w") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)

    def lines(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name
        # The last line may be half written.
        text = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def hurry(self) -> None:
        self._hurry.touch()

    @property
    def said(self) -> str:
        return self._out.read_text()

    def wait(self, until: Callable[[], object], what: str) -> None:
        end = time.monotonic() + 120
        while not until():
            assert self.process.poll() is None, f"it ended before {what}: {self.said}"
            assert time.monotonic() < end, f"no sign of {what}: {self.said}"
            time.sleep(0.1)


def test_every_trial_ends_once_whatever_becomes_of_its_node(tmp_path: Path) -> None:
    with cluster_of_two(tmp_path) as (cluster, nodes):
        different = tmp_path / "different" / "torch-2.12.0.dist-info"
        different.mkdir(parents=True)
        (different / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.12.0\n")
        odd = cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(different.parent)})
        wanted = Wanted(task="addition", needs={"CPU": 1.0}, folder=tmp_path)
        with pytest.raises(ClusterError, match=rf"node {odd.node_id[:8]}\): torch 2\.12\.0, here 2\.13"):
            check_nodes(wanted)
        cluster.remove_node(odd)
        assert check_nodes(wanted) == []

        search = Search(tmp_path, cluster)

        def checkpoints() -> list[dict[str, Any]]:
            return [row for row in search.lines("trials.jsonl") if row.get("checkpoint")]

        search.wait(lambda: len({row["trial"] for row in checkpoints()}) == 2, "a checkpoint of each trial")
        cluster.remove_node(nodes[0], allow_graceful=False)
        joined = cluster.add_node(num_cpus=1)
        search.wait(lambda: _runs_on(joined.node_id), "a trial on the node that joined")
        started = len(checkpoints())
        search.wait(lambda: len(checkpoints()) > started + 1, "a checkpoint there")
        last = cluster.add_node(num_cpus=1)
        _drain(cluster, joined.node_id, 60)
        search.wait(
            lambda: any(row["ending"] == "interrupted" for row in search.lines("trials.jsonl")), "handover"
        )
        search.wait(lambda: _runs_on(last.node_id), "a trial on the last node")
        search.hurry()
        assert search.process.wait(timeout=120) == 0, search.said

    trials = SearchRows(search.folder).trials
    assert list(trials["ending"]) == ["finished"] * 2
    (session,) = json.loads((search.folder / "provenance.json").read_text())["sessions"]
    assert [node["CPU"] for node in session["nodes"] if "CPU" in node] == [1, 1]
    assert session["concurrency"] == 2
    for words in (
        "has joined",
        "is lost: its trials go on elsewhere",
        "its trials hand over and go on elsewhere",
    ):
        assert words in search.said
    # What was done again after the kill came to the same, and counts once.
    reports = search.lines("reports.jsonl")
    by_step: dict[tuple[str, int], set[tuple[float, float]]] = {}
    for row in reports:
        values = (row["accuracy"], row["val_loss"])
        by_step.setdefault((row["trial"], row["step"]), set()).add(values)
    assert all(len(values) == 1 for values in by_step.values())
    assert len(SearchRows(search.folder).reports) == len(by_step) == 2 * STEPS // 20


def _runs_on(node_id: str) -> bool:
    """Tell whether a worker of a search is on a node."""
    return any(
        actor["State"] == "ALIVE" and actor["Address"]["NodeID"] == node_id
        for actor in state.actors().values()
    )


def _drain(cluster: Cluster, node_id: str, seconds: int) -> None:
    """Say that a node goes, as a script on a spot machine does."""
    reason = ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "a test"]
    deadline = ["--deadline-remaining-seconds", str(seconds)]
    command = [
        str(Path(sys.executable).parent / "ray"),
        "drain-node",
        "--address",
        cluster.address,
        "--node-id",
        node_id,
        *reason,
        *deadline,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert nodes_now()[node_id].seconds_left is not None
