"""Trials that share a real GPU: each keeps to its part of the memory, and the parts are measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.plans import bound

import paretune
from analysis.store import RowStore

pytestmark = pytest.mark.gpu

WIDE = {"digits": 3, "steps": 200, "eval_every": 100, "n_heads": 1, "d_ff": 64, "lr": 0.01}


def test_one_of_two_trials_on_a_gpu_runs_out_of_memory_and_ends_alone(tmp_path: Path):
    """A batch whose activations need more than half of any GPU, and that cannot be divided further than by
    halves once; beside it one that needs next to nothing."""
    fits = {"d_model": 16, "batch": 64}
    too_large = {"d_model": 4096, "batch": 4_000_000}
    plan = bound(
        fixed=WIDE,
        space={},
        only=[too_large, fits],
        search={"seeds": 1},
        resources={"cpu": 0.5, "gpu": 0.5},
    ).plan
    search = paretune.search(plan, results=tmp_path, progress=False)
    large, small = (row for _, row in search.trials.sort_values("configuration").iterrows())
    assert small["ending"] == "finished"
    assert large["ending"] == "failed"
    assert "MemoryError: needed more than the memory of its 0.5 GPU" in large["error"]
    assert list(search.trials["gpu"]) == [0.5, 0.5]


def test_a_share_is_measured_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PARETUNE_CACHE", str(tmp_path / "cache"))
    plan = bound(
        fixed={**WIDE, "batch": 64},
        space={"d_model": {"type": "choice", "values": [8, 16, 128]}},
        search={"trials": 6, "seeds": 1},
        resources={"cpu": 0.25, "gpu": "auto"},
    ).plan
    search = paretune.search(plan, results=tmp_path, progress=False)
    assert set(search.trials["ending"]) == {"finished"}
    (session,) = RowStore(search.folder).sessions()
    choice = session["gpu_auto"]
    assert choice["shared_by"] in ("CUDA MPS", "time slicing")
    # CUDA's context alone: some hundred MiB on every device.
    assert 50 * 2**20 < choice["context"] < 4 * 2**30
    assert set(search.trials["gpu"]) <= {share for _, share in choice["shares"]}
    for profile in choice["measured"]:
        for pack in profile["packs"]:
            assert pack["steps"] > 0
            assert pack["memory"] > choice["context"]
