"""Scheduling by shares of a GPU, with GPUs that Ray counts and that are not there."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.commands import run_cli
from helpers.plans import bound
from helpers.tune_twin import Twin

import paretune
from analysis.store import RowStore
from paretune.errors import InputError
from paretune.packing import kept
from paretune.packing.choosing import Choice
from paretune.packing.profiles import Pack, Profile
from paretune.packing.settling import device_here
from paretune.plan.binding import bind
from paretune.plan.slots import Shares, size_of
from paretune.record.endings import TrialEnding
from paretune.record.events import Listener, Row
from paretune.sampling.history import TrialSpec
from paretune.tune import cluster
from search_spaces.plan import Plan

SPACE = {
    "d_model": {"type": "choice", "values": [4, 32]},
    "lr": {"type": "float", "low": 0.005, "high": 0.03},
}
FIXED = {"digits": 1, "steps": 600, "eval_every": 200, "batch": 32, "n_heads": 1, "dropout": 0.1}


def plan_of(**changes: Any) -> Plan:
    content = {"fixed": FIXED, "space": SPACE, "search": {"trials": 8, "seeds": 1}, **changes}
    return bound(**content).plan


class Beside(Listener):
    """Sees which trials run beside each other, and how much of the GPUs they have together."""

    def __init__(self, shares: dict[str, float]) -> None:
        self.shares = shares
        self._running: dict[str, float] = {}
        self.most = 0.0
        self.seen: set[tuple[float, ...]] = set()

    def started(self, trial: TrialSpec) -> None:
        self._running[trial.label] = self.shares[str(trial.values["d_model"])]
        self.most = max(self.most, sum(self._running.values()))
        self.seen.add(tuple(sorted(self._running.values())))

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        self._running.pop(trial.label, None)


def test_trials_with_different_shares_never_have_more_than_there_is(tmp_path: Path):
    """Without Ray: the searcher holds back what has no room, and nothing passes it."""
    plan = bind(plan_of(resources={"cpu": 0.1, "gpu": "auto"}, search={"trials": 40, "seeds": 1}))
    small = size_of(plan.task, plan.config({**FIXED, "d_model": 4, "lr": 0.01}))
    plan = replace(plan, shares=Shares(by_size=((small, 0.25), (None, 0.5))))
    beside = Beside({"4": 0.25, "32": 0.5})
    curve: list[Row] = [{"step": step, "exact_match": 0.1} for step in (200, 400)]
    twin = Twin(
        plan,
        tmp_path,
        lambda config: [*curve, {"step": 600, "exact_match": 0.1, "ending": "finished"}],
        slots=4,
        listeners=[beside],
    )
    twin.parts.have_room(4, 1.0)
    assert twin.run()
    assert beside.most == 1.0
    assert {(0.5, 0.5), (0.25, 0.25, 0.5)} <= beside.seen
    rows = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    assert len({row["trial"] for row in rows if row.get("ending") == "finished"}) == 40


def test_shares_lie_on_one_gpu_each_and_who_asks_for_none_sees_none(monkeypatch: pytest.MonkeyPatch):
    # Nothing is trained: workers need no torch.
    monkeypatch.setattr(cluster, "_PREPARE_WORKER", "time.time")
    with cluster.ray_session("local", fake_gpus=2) as nodes:
        import ray

        assert [node["GPU"] for node in nodes] == [2.0]

        @ray.remote(num_cpus=0)
        class Worker:
            def visible(self) -> str | None:
                import os

                return os.environ.get("CUDA_VISIBLE_DEVICES")

        none = Worker.remote()
        assert ray.get(none.visible.remote(), timeout=120) == ""
        # By halves, and by parts of which two fit on each although five would fit in sum.
        for share in (0.5, 0.4):
            workers = [Worker.options(num_gpus=share).remote() for _ in range(4)]
            seen = ray.get([worker.visible.remote() for worker in workers], timeout=120)
            assert Counter(seen) == {"0": 2, "1": 2}
            fifth = Worker.options(num_gpus=share).remote()
            assert not ray.wait([fifth.visible.remote()], timeout=1)[0]
            for worker in (*workers, fifth):
                ray.kill(worker)


def test_a_search_places_trials_by_size_and_says_that_its_gpus_are_fake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PARETUNE_CACHE", str(tmp_path / "cache"))
    only = [{"d_model": width, "lr": rate} for width, rate in ((4, 0.01), (32, 0.01), (4, 0.02))]
    plan = plan_of(resources={"cpu": 0.25, "gpu": "auto"}, space={}, only=only, search={"seeds": 1})
    to_place = replace(bind(plan), fake_gpus=1)
    device = device_here(to_place)
    assert device is not None
    # As if it had been measured: small models share a GPU by four, large ones by two.
    small = size_of(to_place.task, to_place.config({**FIXED, "d_model": 4, "lr": 0.01}))
    choice = Choice(shares=Shares(by_size=((small, 0.25), (None, 0.5))), reason="for this test")
    pack = Pack(at_a_time=1, steps=100.0, memory=2**28)
    profile = Profile(name="largest", params=1, batch=32, size=small, budget=600, packs=(pack,), ends="")
    key = kept.key_of(to_place, device)
    kept.keep(kept.as_record(key, choice, [profile], device, at="2026-11-30T12:00:00+00:00"))

    search = paretune.search(plan, results=tmp_path, fake_gpus=1, progress=False)
    trials = search.trials
    assert set(trials["ending"]) == {"finished"}
    assert set(trials["fake_gpus"]) == {1}
    given = [(values["d_model"], gpu) for values, gpu in zip(trials["values"], trials["gpu"], strict=True)]
    assert given == [(4, 0.25), (32, 0.5), (4, 0.25)]
    (session,) = RowStore(search.folder).sessions()
    assert session["fake_gpus"] == 1
    assert session["gpu_auto"]["shares"] == [[small, 0.25], [None, 0.5]]
    assert session["concurrency"] == 4
    # The plan still says auto: on another machine it is measured anew.
    assert search.plan.resources.gpu == "auto"
    shown = {"--results": str(tmp_path)}
    arguments = [part for pair in shown.items() for part in pair]
    assert "ended, fake GPUs" in run_cli("list", *arguments).out
    assert "1 fake GPU: trials were placed by their shares" in run_cli("rank", "test", *arguments).out


def test_what_no_gpu_has_is_refused_before_ray_starts(tmp_path: Path):
    with pytest.raises(paretune.SpaceFileError, match=r"a share up to 1 or a whole number.*gpu=1\.5"):
        paretune.search(plan_of(), results=tmp_path, gpu=1.5, fake_gpus=2, progress=False)
    with pytest.raises(InputError, match="or let Ray count some that are not there with --fake-gpus"):
        paretune.search(plan_of(), results=tmp_path, gpu=0.5, progress=False)
    assert not list(tmp_path.iterdir())
