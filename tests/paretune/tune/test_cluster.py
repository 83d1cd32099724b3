"""The same command on a Ray cluster of two nodes, both on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from helpers.commands import CLI
from ray.cluster_utils import Cluster

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


def test_search_uses_all_nodes_of_a_cluster(tmp_path: Path):
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        done = subprocess.run(
            [*CLI, "search", space, "--results", tmp_path / "results", "--address", cluster.address],
            capture_output=True,
            text=True,
            timeout=120,
            env=dict(os.environ),
            check=False,
        )
    finally:
        cluster.shutdown()
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "results" / "two-nodes"
    (session,) = json.loads((folder / "provenance.json").read_text())["sessions"]
    assert [node["CPU"] for node in session["nodes"]] == [1, 1]
    assert session["concurrency"] == 2
    trials = SearchRows(folder).trials
    assert list(trials["ending"]) == ["finished"] * 4
    assert len({str(values) for values in trials["values"]}) == 4, "no configuration is tried twice"
