"""The memory of a trial: one that needs more than it may have is tried in smaller parts, and ends alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.commands import run_cli
from helpers.training import adder

from analysis.files.lines import read_lines
from paretune.sampling.outcomes import is_out_of_memory
from paretune.tune.worker.memory import (
    CONTEXT_BYTES,
    in_smaller_parts,
    in_words,
    is_want_of_memory,
    limit_gpu_memory,
    share_for_tensors,
    told_of,
)

MIB = 2**20

GROWING = """
import sys
import torch
from paretune.tune.worker.memory import _resident_and_data, give_back_memory
from paretune.tune.worker.memory import is_want_of_memory, limited_memory

MIB = 2**20

def grown(make, limit):
    kept = []
    try:
        with limited_memory(limit):
            while _resident_and_data()[0] < limit + 200 * MIB:
                kept.append(make())
    except Exception as error:
        assert is_want_of_memory(error), error
        peak = _resident_and_data()[0] / MIB
        kept.clear()
        give_back_memory()
        return peak
    return float("inf")

began = _resident_and_data()[0] // MIB
limit = (began + 150) * MIB
makers = {
    "tensors": lambda: torch.ones(2**18),
    "one tensor": lambda: torch.ones(2**30),
    "bytes": lambda: b"x" * 100_000,
    "tensors again": lambda: torch.ones(2**18),
}
for name, make in makers.items():
    print(name, began + 150, grown(make, limit), sep=",")
torch.ones(100 * 2**20)  # without a limit there is room again
try:
    with limited_memory((began - 50) * MIB):
        print("never")
except MemoryError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_growth_beyond_the_limit_fails_there_and_what_comes_after_has_the_same_room() -> None:
    """In a process of its own, whose memory nothing else changes; it is reused as a worker is."""
    done = subprocess.run([sys.executable, "-c", GROWING], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *grown, last = done.stdout.splitlines()
    assert [line.split(",")[0] for line in grown] == ["tensors", "one tensor", "bytes", "tensors again"]
    for line in grown:
        name, limit, peak = line.split(",")
        assert float(peak) <= float(limit) + 60, line
        if name != "one tensor":
            assert float(peak) >= float(limit) - 60, line
    assert last.startswith("a worker has ")
    assert last.endswith("; state more in resources.memory")


@pytest.mark.parametrize(
    ("micro_batch", "expected"), [(None, 8), (16, 8), (5, 3), (2, 1), (1, None), (100, 8)]
)
def test_smaller_parts_are_half_as_large(micro_batch: int | None, expected: int | None) -> None:
    config = adder(batch=16, micro_batch=micro_batch)
    smaller = in_smaller_parts(config, 0.5)
    if expected is None:
        assert smaller is None
        return
    assert smaller is not None
    assert (smaller[0].micro_batch, smaller[1]) == (expected, 0.5)
    assert smaller[0] == config.model_copy(update={"micro_batch": expected}), "nothing else differs"


def test_auto_plans_with_half_of_the_memory() -> None:
    config = adder(micro_batch="auto")
    assert in_smaller_parts(config, 0.5) == (config, 0.25)


@pytest.mark.parametrize(
    ("error", "memory", "gpu", "expected"),
    [
        (MemoryError(), 2 * 1024 * MIB, None, "needed more than its 2 GiB of memory: Python could not"),
        (
            RuntimeError(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 134217728 bytes."
            ),
            800 * MIB,
            None,
            "needed more than its 800 MiB of memory: tried to allocate 128 MiB more",
        ),
        (
            RuntimeError("can't allocate memory: you tried to allocate 1000 bytes. Error code 12"),
            None,
            None,
            "needed more memory than there was: tried to allocate 0.977 KiB more",
        ),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has"),
            800 * MIB,
            0.25,
            "needed more than the memory of its 0.25 GPU: tried to allocate 2.50 GiB more",
        ),
    ],
)
def test_the_error_says_what_was_not_enough_and_the_sampler_understands_it(
    error: Exception, memory: int | None, gpu: float | None, expected: str
) -> None:
    assert is_want_of_memory(error)
    told = told_of(error, memory, gpu)
    assert told.startswith(expected)
    assert is_out_of_memory(f"MemoryError: {told}")


def test_other_errors_are_no_want_of_memory() -> None:
    assert not is_want_of_memory(RuntimeError("shapes do not match"))
    assert not is_want_of_memory(KeyError("memory"))


def test_a_share_of_a_gpu_has_room_for_the_context_in_it() -> None:
    total = 80 * 1024 * MIB
    assert share_for_tensors(0.25, total) == pytest.approx(0.25 - CONTEXT_BYTES / total)
    assert share_for_tensors(1, total) == 1
    assert share_for_tensors(2, total) == 1
    assert share_for_tensors(0.001, total) == 0


def test_sizes_are_told_in_their_unit() -> None:
    assert [in_words(size) for size in (2**30, 3 * 2**29, 800 * MIB, 1024)] == [
        "1 GiB", "1.5 GiB", "800 MiB", "1 KiB",
    ]  # fmt: skip


SPACE = """
name: memory
task: gpt2
objectives: [{metric: val_loss, direction: min}]
fixed: {d_model: 16, n_heads: 2, n_layers: 1, d_ff: 16, context: 64, steps: 1, eval_every: 1, val_tokens: 640}
space: {batch: {type: choice, values: [16, 2048, 6144]}}
resources: {memory: 800 MiB}
search: {sampler: grid}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_in_a_search_one_trial_fits_one_in_parts_and_one_ends_alone(tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)
    finished = run_cli("search", space, "--results", tmp_path / "results", "--trials", "3", timeout=600)
    assert finished.code == 0, finished.err
    rows = {row["trial"]: row for row in read_lines(tmp_path / "results" / "memory" / "trials.jsonl")}
    by_batch = {row["values"]["batch"]: row for row in rows.values()}
    assert {batch: row["ending"] for batch, row in by_batch.items()} == {
        16: "finished", 2048: "finished", 6144: "failed",
    }  # fmt: skip
    assert "warnings" not in by_batch[16]
    (warning,) = by_batch[2048]["warnings"]
    assert warning.startswith("the trial needed more than its 800 MiB of memory: tried to allocate ")
    assert warning.endswith("; it began again in smaller parts: micro_batch is 1,024")
    assert by_batch[2048]["reports"] == 1
    error = by_batch[6144]["error"]
    assert error.startswith("MemoryError: needed more than its 800 MiB of memory: tried to allocate")
    assert is_out_of_memory(error)


@pytest.mark.gpu
def test_a_process_gets_its_share_of_a_gpu_and_no_more_and_then_the_whole_again() -> None:
    total = torch.cuda.get_device_properties(0).total_memory
    try:
        limit_gpu_memory(0.25)
        with pytest.raises(torch.OutOfMemoryError) as caught:
            torch.empty(int(0.26 * total), dtype=torch.uint8, device="cuda")
        assert told_of(caught.value, None, 0.25).startswith(
            "needed more than the memory of its 0.25 GPU: tried"
        )
        torch.empty(int(0.2 * total), dtype=torch.uint8, device="cuda")
    finally:
        limit_gpu_memory(1)
    torch.cuda.empty_cache()
    torch.empty(int(0.3 * total), dtype=torch.uint8, device="cuda")
