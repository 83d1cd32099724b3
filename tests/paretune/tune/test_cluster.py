"""The same command on a Ray cluster of two nodes, both on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from helpers.commands import CLI
from ray.cluster_utils import Cluster
from ray.util.placement_group import placement_group

from analysis.rows import SearchRows

SPACE = """
name: two-nodes
task: addition
objectives: [{metric: exact_match, direction: max}]
fixed: {digits: 2, batch: 32, steps: 60, eval_every: 20}
space:
  d_model: {type: int, low: 4, high: 16, step: 4}
search: {trials: 4}
"""


@contextmanager
def cluster_of_two() -> Iterator[Cluster]:
    """Run a cluster of two nodes with a core each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


def search_on(cluster: Cluster, folder: Path) -> subprocess.CompletedProcess[str]:
    space = folder / "space.yaml"
    space.write_text(SPACE)
    return subprocess.run(
        [*CLI, "search", space, "--results", folder / "results", "--address", cluster.address],
        capture_output=True,
        text=True,
        timeout=120,
        env=dict(os.environ),
        check=False,
    )


def test_search_goes_on_with_the_workers_there_are(tmp_path: Path) -> None:
    """One of the cluster's two cores is somebody else's, so the second worker never starts."""
    with cluster_of_two() as cluster:
        ray.init(address=cluster.address, log_to_driver=False)
        try:
            assert placement_group([{"CPU": 1}]).wait(30)
            done = search_on(cluster, tmp_path)
        finally:
            ray.shutdown()
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "results" / "two-nodes"
    (session,) = json.loads((folder / "provenance.json").read_text())["sessions"]
    assert session["concurrency"] == 2
    assert session["at_a_time"] <= 1
    trials = SearchRows(folder).trials
    assert sorted(trials["ending"]) == ["finished"] * 4
    # The trial that waits for the second worker is the last that the first one runs.
    assert trials["started"].idxmax() in (0, 1)
