"""Memory: what may be planned with, and what is measured."""

from __future__ import annotations

import os

import pytest
import torch

from trainables.gauges import PeakMemory
from trainables.machines.memory import free_memory

CPU = torch.device("cpu")
MEBIBYTES = 2**20

tells_memory = pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="the system does not tell a process's memory"
)


@tells_memory
def test_neighbours_on_a_machine_plan_with_a_share_each() -> None:
    whole, tenth = free_memory(CPU), free_memory(CPU, share=0.1)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert whole is not None
    assert tenth is not None
    assert 0 < whole <= total
    assert tenth == pytest.approx(min(whole, total / 10), rel=0.05)


def filled(mebibytes: int) -> torch.Tensor:
    """Return memory that is really there: each page is written to."""
    return torch.ones(mebibytes * MEBIBYTES, dtype=torch.uint8)


@tells_memory
def test_the_peak_is_that_of_the_stretches_and_not_of_what_was_between_them() -> None:
    memory = PeakMemory(CPU)
    memory.look()
    start = memory.as_metrics()["peak_memory"]
    memory.restart()
    held = filled(300)
    del held
    memory.look()
    peak = memory.as_metrics()["peak_memory"]
    assert start + 250 < peak < start + 400
    between = filled(900)
    del between
    memory.restart()
    memory.look()
    assert memory.as_metrics()["peak_memory"] == peak, "neither forgotten, nor that of validation"


def test_before_the_first_look_there_is_no_peak() -> None:
    assert PeakMemory(CPU).as_metrics() == {}


@pytest.mark.gpu
def test_on_a_gpu_what_an_earlier_model_left_in_the_cache_is_free() -> None:
    device = torch.device("cuda")
    before, quarter = free_memory(device), free_memory(device, share=0.25)
    assert before is not None
    assert quarter is not None
    assert quarter < 0.3 * torch.cuda.get_device_properties(0).total_memory
    left = torch.ones(400 * MEBIBYTES, dtype=torch.uint8, device=device)
    del left
    assert free_memory(device) == pytest.approx(before, abs=50 * MEBIBYTES)
