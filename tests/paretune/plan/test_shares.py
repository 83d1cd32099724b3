"""Shares of a GPU: which one a configuration gets, and whether there is room for one more trial."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers.plans import bound

from paretune.plan.slots import Room, Shares, carried_by, gpus_in, needs_of, size_of, usually_carried
from paretune.plan.summary import summarise
from paretune.terminal.board import Board
from paretune.terminal.display import headline
from search_spaces.parts.resources import Resources

TWO = Shares(by_size=((1e6, 0.125), (None, 0.5)))


def test_a_plan_that_leaves_the_share_open_has_the_smallest_until_it_knows_the_configuration():
    plan = bound(resources={"gpu": "auto"})
    small, large = ({"d_model": width, "n_heads": 1, "lr": 0.01} for width in (4, 64))
    values = [{**plan.plan.fixed, **one} for one in (small, large)]
    sizes = [size_of(plan.task, plan.config(one)) for one in values]
    assert sizes[0] < sizes[1]
    settled = replace(plan, shares=Shares(by_size=((sizes[0], 0.125), (None, 0.5))))
    assert [settled.gpus(one) for one in values] == [0.125, 0.5]
    assert needs_of(settled) == {"CPU": 1.0, "GPU": 0.125}
    assert carried_by(settled, [{"CPU": 64, "GPU": 2}]) == 16
    # Forecasts count trials in the middle of the space.
    middle = replace(settled, shares=replace(settled.shares, middle=0.5))
    assert usually_carried(middle, [{"CPU": 64, "GPU": 2}]) == 4
    assert usually_carried(settled, [{"CPU": 64, "GPU": 2}]) == 16
    assert settled.gpus_differ
    assert settled.gpu_columns(values[1]) == {"gpu": 0.5}
    assert not settled.trains_on_cpu
    fake = replace(settled, fake_gpus=2)
    assert fake.trains_on_cpu
    assert fake.gpu_columns(values[1]) == {"gpu": 0.5, "fake_gpus": 2}


def test_a_machine_without_a_gpu_gives_none():
    settled = replace(bound(resources={"gpu": "auto"}), shares=Shares(by_size=((None, 0.0),)))
    assert settled.trains_on_cpu
    assert carried_by(settled, [{"CPU": 4}]) == 4


def test_shares_survive_as_plain_values():
    assert Shares.of_record(TWO.as_record()) == TWO
    for wrong in ([], [[1.0, 0.5]], [[None, 2.0]], [[None, "half"]], [[None]]):
        with pytest.raises((TypeError, ValueError)):
            Shares.of_record(wrong)


def test_a_trial_has_room_where_its_share_is_free():
    room = Room(1.0)
    assert room.has("first", 0.5, [])
    assert room.has("second", 0.25, ["first"])
    assert not room.has("third", 0.5, ["first", "second"])
    assert room.has("third", 0.25, ["first", "second"])
    room.gpus = 2.0
    assert room.has("fourth", 0.5, ["first", "second", "third"])


def test_alone_a_trial_always_has_room():
    """Ray has said whether it can run at all; it would wait for ever for what nobody frees."""
    assert Room(0.25).has("first", 0.5, ["first"])


def test_gpus_of_all_machines_are_counted_whole():
    assert gpus_in([{"CPU": 2, "GPU": 2.0}, {"CPU": 4}, {"GPU": 1.0}]) == 3.0


@pytest.mark.parametrize(
    ("gpu", "told", "may_share"),
    [
        (0.0, "no GPU", False),
        (0.25, "0.25 GPU", True),
        (2.0, "2 GPU", False),
        ("auto", "the share of a GPU that is measured before", True),
    ],
)
def test_resources_say_what_a_trial_needs(gpu: float | str, told: str, may_share: bool):
    resources = Resources.model_validate({"gpu": gpu})
    assert (resources.told_gpu, resources.may_share) == (told, may_share)


def test_a_summary_says_what_a_trial_needs():
    told = dict(summarise(bound(resources={"cpu": 0.5, "gpu": "auto", "memory": "2 GiB"})).sentences)
    assert told["a trial needs"] == (
        "0.5 CPU, the share of a GPU that is measured before, 2 GiB of memory at most"
    )
    assert dict(summarise(bound()).sentences)["a trial needs"] == "1 CPU, no GPU"


def test_a_search_says_while_it_runs_that_its_gpus_are_fake():
    plan = replace(bound(resources={"gpu": 0.5}), fake_gpus=2)
    assert headline(Board(plan, [])).startswith("fake GPUs: 2; 0 of ")
    assert headline(Board(bound(), [])).startswith("0 of ")


def test_memory_is_stated_in_bytes_or_in_words():
    assert Resources(memory="2GiB").memory_bytes == 2 * 2**30
    assert Resources(memory=50_000_000).memory_bytes == 50_000_000
    assert Resources().memory_bytes is None
