"""What gpu: auto comes to: measured once for a space on a device, and never where there is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.plans import bound

from paretune.errors import InputError
from paretune.packing import settling
from paretune.packing.deciding import candidates
from paretune.packing.measuring import PackError
from paretune.packing.profiles import Device, Pack
from paretune.packing.settling import Settled, settle, told_shares
from paretune.plan.binding import BoundPlan
from paretune.plan.slots import Shares
from paretune.timing.costs import Costly

SPACE = {
    "d_model": {"type": "choice", "values": [4, 8, 64]},
    "lr": {"type": "float", "low": 5e-3, "high": 3e-2, "log": True},
}
GPU = Device(kind="cuda", name="a GPU", memory=16 * 2**30, cores=16, by="time slicing")


class Measured:
    """A device on which small models pack well and large ones do not."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.fails_at = 1000

    def __call__(self, costly: Costly, at_a_time: int) -> Pack:
        self.asked.append((costly.params, at_a_time))
        if at_a_time >= self.fails_at:
            raise PackError("CUDA out of memory", for_memory=True)
        alone = 1e6 / costly.params
        most = 8 if costly.params < 10_000 else 2
        return Pack(
            at_a_time=at_a_time,
            steps=alone * min(at_a_time, most),
            memory=500 * 2**20 + 16 * costly.params,
        )


DEVICE_HERE = settling.device_here


@pytest.fixture(autouse=True)
def a_cache_and_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(settling, "device_here", lambda bound: GPU)


def plan(**changes: Any) -> BoundPlan:
    return bound(
        **{
            "space": SPACE,
            "fixed": {"digits": 3, "steps": 200_000},
            "resources": {"cpu": 1, "gpu": "auto"},
            **changes,
        }
    )


def shares_of(settled: Settled) -> Shares:
    assert settled.bound.shares is not None
    return settled.bound.shares


def test_the_largest_the_smallest_and_the_median_are_measured():
    found = candidates(plan())
    assert [name for name, _, _ in found] == ["smallest", "median", "largest"]
    widths = [costly.config["d_model"] for _, costly, _ in found]
    assert widths == [4, 8, 64]
    assert [size for *_, size in found] == sorted(size for *_, size in found)


def test_shares_go_by_size_and_say_why():
    measure = Measured()
    settled = settle(plan(), measure=measure)
    shares = shares_of(settled)
    assert [round(1 / share) for _, share in shares.by_size] == [8, 2]
    assert shares.middle == 0.125
    text = " ".join(settled.told)
    assert "2 to 8 trials share a GPU, by their size; sizes differ by a factor of" in text
    assert "take turns" in text
    assert settled.table is not None
    # Alone and packed, until twice as many gain nothing, or have no cores.
    smallest = [number for params, number in measure.asked if params == min(p for p, _ in measure.asked)]
    largest = [number for params, number in measure.asked if params == max(p for p, _ in measure.asked)]
    assert (smallest, largest) == ([1, 2, 4, 8, 16], [1, 2, 4])
    chosen = [row for row in settled.table.rows if "chosen" in row[-1]]
    assert [(row[0], row[4]) for row in chosen] == [("smallest", "8"), ("median", "8"), ("largest", "2")]
    # What provenance keeps is plain, and enough for the same table again.
    assert json.loads(json.dumps(shares.measured)) == shares.measured


def test_it_is_measured_once_for_a_space_on_a_device():
    measure = Measured()
    first = settle(plan(), measure=measure)
    count = len(measure.asked)
    again = settle(plan(search={"trials": 7, "seeds": 1}), measure=measure)
    assert len(measure.asked) == count
    assert shares_of(again).by_size == shares_of(first).by_size
    assert ", as measured on 20" in again.told[0]
    assert again.table == first.table
    other = {**SPACE, "d_ff": {"type": "choice", "values": [8, 16]}}
    settle(plan(space=other), measure=measure)
    assert len(measure.asked) > count


def test_another_device_is_measured_anew(monkeypatch: pytest.MonkeyPatch):
    measure = Measured()
    settle(plan(), measure=measure)
    count = len(measure.asked)
    monkeypatch.setattr(settling, "device_here", lambda bound: replace(GPU, by="CUDA MPS"))
    settled = settle(plan(), measure=measure)
    assert len(measure.asked) == 2 * count
    assert len(settled.told) == 1  # nobody takes turns


def test_a_resumed_search_uses_what_its_sessions_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    measure = Measured()
    record = shares_of(settle(plan(), measure=measure)).measured
    monkeypatch.setenv("PARETUNE_CACHE", str(tmp_path / "another machine's"))
    assert record is not None
    count = len(measure.asked)
    settled = settle(plan(), earlier=[{"device": None}, record], measure=measure)
    assert len(measure.asked) == count
    assert shares_of(settled).measured == record


@pytest.mark.parametrize(
    "wrong",
    [
        {"shares": [[None, 0.0]]},
        {"shares": [[None, 1e-300]]},
        {"shares": "half"},
        {"context": "much"},
        {"measured": []},
        {"measured": [{}]},
        {
            "measured": [
                {
                    "name": "all",
                    "params": "many",
                    "batch": 1,
                    "size": 1.0,
                    "budget": 1.0,
                    "packs": [],
                    "ends": "",
                }
            ]
        },
        {"measured": None},
    ],
    ids=str,
)
def test_a_record_of_somebody_else_that_is_none_is_measured_anew(wrong: dict[str, Any]):
    measure = Measured()
    record = shares_of(settle(plan(), measure=measure)).measured
    assert record is not None
    settled = settle(plan(), earlier=[{**record, **wrong}], measure=measure)
    assert shares_of(settled).measured == record  # the cache's


@pytest.mark.parametrize("text", ["", "[]", "null", '{"key": 3}', "{", "\x00"])
def test_a_damaged_choice_is_measured_anew(text: str, tmp_path: Path):
    measure = Measured()
    first = settle(plan(), measure=measure)
    (kept,) = (tmp_path / "cache").glob("packing-*.json")
    kept.write_text(text)
    count = len(measure.asked)
    assert shares_of(settle(plan(), measure=measure)).by_size == shares_of(first).by_size
    assert len(measure.asked) == 2 * count


def test_what_does_not_train_at_a_time_ends_the_row():
    measure = Measured()
    measure.fails_at = 4
    settled = settle(plan(), measure=measure)
    assert max(number for _, number in measure.asked) == 4
    assert [round(1 / share) for _, share in shares_of(settled).by_size] == [2]
    assert settled.table is not None
    assert "4 did not train: CUDA out of memory" in settled.table.rows[1][-1]


def test_where_nothing_trains_it_says_so():
    measure = Measured()
    measure.fails_at = 1
    with pytest.raises(
        InputError, match=r"gpu: auto could not be measured: CUDA out of memory; state a share"
    ):
        settle(plan(), measure=measure)


def test_a_machine_without_a_gpu_takes_none_and_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settling, "device_here", lambda bound: None)
    settled = settle(plan())
    assert settled.bound.trains_on_cpu
    assert settled.told == (
        "gpu: auto: this machine has no GPU that torch can use, so trials train on the processor.",
    )
    with pytest.raises(InputError, match="the machines of the cluster"):
        settle(plan(), address="10.0.0.1:6379")


def test_a_stated_share_is_left_alone():
    stated = bound(resources={"cpu": 1, "gpu": 0.25})
    assert settle(stated, address="auto").bound is stated


def test_what_needs_a_gpu_is_refused_where_there_is_none(monkeypatch: pytest.MonkeyPatch):
    needy = bound(
        task="gpt2",
        objectives=[{"metric": "val_loss", "direction": "min"}],
        target=None,
        fixed={"data": "x", "steps": 10, "attention": "flex"},
        space={"d_model": {"type": "choice", "values": [32, 64]}},
        resources={"gpu": "auto"},
    )
    monkeypatch.setattr(settling, "device_here", lambda bound: None)
    with pytest.raises(InputError, match="got 'flex', but trials get no GPU"):
        settle(needy)
    with pytest.raises(InputError, match="got 'flex', but trials get no GPU"):
        settle(replace(needy, fake_gpus=2))


def test_fake_gpus_are_for_this_machine():
    with pytest.raises(InputError, match="--fake-gpus is for this machine alone"):
        settle(replace(plan(), fake_gpus=2), address="auto")


def test_fake_gpus_are_counted_in_words():
    named = [str(DEVICE_HERE(replace(plan(), fake_gpus=count))) for count in (1, 2)]
    assert "cores) as a fake GPU'" in named[0]
    assert "cores) as 2 fake GPUs'" in named[1]


def test_shares_in_words():
    def told(*shares: float) -> str:
        return told_shares(Shares(by_size=tuple((None if s == shares[-1] else 1.0, s) for s in shares)))

    assert told(0.25) == "4 trials share a GPU"
    assert told(1.0) == "each trial has a GPU of its own"
    assert told(0.125, 1.0) == "1 to 8 trials share a GPU, by their size"
