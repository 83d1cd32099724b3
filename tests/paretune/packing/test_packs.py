"""Trials beside each other, measured for real on the processor: the code is the same for a GPU."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from helpers.plans import bound

from paretune.packing.measuring import PackError, Pool
from paretune.packing.profiles import Device
from paretune.timing.costs import Costly, costly_of

CPU = Device(kind="cpu", name="here", memory=2**34)
PLAN = bound(
    fixed={"digits": 1, "steps": 30, "eval_every": 10, "batch": 16, "n_heads": 1},
    resources={"cpu": 0.5, "gpu": "auto"},
)


def a_costly(**values: object) -> Costly:
    # A shape without a kernel of its own: nothing is compiled.
    return costly_of(PLAN, {**PLAN.plan.fixed, "d_model": 4, "lr": 0.01, "dropout": 0.1, **values})


def test_packs_are_measured_beside_each_other_and_a_failure_ends_none_of_them():
    with Pool(PLAN, CPU, seconds=0.3) as pool:
        alone = pool(a_costly(), 1)
        assert alone.at_a_time == 1
        # Runs of 30 steps are over long before: they begin anew.
        assert alone.steps * 0.3 > 30
        # A process with torch.
        assert 50 * 2**20 < alone.memory < 4 * 2**30
        wrong = replace(a_costly(), config={**a_costly().config, "start_from": "/nowhere/checkpoint.pt"})
        with pytest.raises(PackError, match="nowhere"):
            pool(wrong, 2)
        # The same processes measure the next.
        before = [process.pid for process in pool.processes]
        pair = pool(a_costly(), 2)
        assert pair.at_a_time == 2
        assert pair.steps > 0
        assert [process.pid for process in pool.processes] == before
        pool.processes[1].kill()
        with pytest.raises(PackError, match="without a word") as gone:
            pool(a_costly(), 2)
        assert gone.value.for_memory
        # New ones take their place.
        assert pool(a_costly(), 1).steps > 0
        left = [process.pid for process in pool.processes]
    for pid in left:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
