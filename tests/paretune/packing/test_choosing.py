"""Which share of a device trials get, by what was measured."""

from __future__ import annotations

import pytest

from paretune.packing.choosing import Choice, choose, memory_at
from paretune.packing.profiles import Device, Pack, Profile

MIB = 2**20
GPU = Device(kind="cuda", name="a GPU", memory=16_000 * MIB, by="time slicing")


def profile(
    size: float, steps: list[float], *, memory: int = 500, more: bool = True, budget: float = 1e6
) -> Profile:
    """Return what is measured of a configuration: steps per second of 1, 2, 4 ... at a time."""
    packs = tuple(Pack(at_a_time=2**at, steps=each, memory=memory * MIB) for at, each in enumerate(steps))
    return Profile(
        name="", params=1, batch=1, size=size, budget=budget, packs=packs, ends="", may_hold_more=more
    )


def numbers(choice: Choice) -> list[tuple[float | None, int]]:
    """Return how many trials share a device, up to which size."""
    return [(up_to, round(1 / share)) for up_to, share in choice.shares.by_size]


def test_the_fewest_with_the_best_throughput_share_a_device():
    one = profile(1.0, [100, 190, 300, 305, 250])
    assert numbers(choose([one], GPU)) == [(None, 4)]
    assert numbers(choose([profile(1.0, [100, 101, 99])], GPU)) == [(None, 1)]


def test_what_does_not_fit_with_a_margin_is_not_chosen():
    steps = [100.0, 190, 300, 400]
    assert numbers(choose([profile(1.0, steps, memory=1_700)], GPU)) == [(None, 8)]
    # Eight times 1,900 MiB are there, but nothing is left beside them.
    assert numbers(choose([profile(1.0, steps, memory=1_900)], GPU)) == [(None, 4)]
    assert numbers(choose([profile(1.0, steps[:1], memory=15_900)], GPU)) == [(None, 1)]


def test_sizes_near_each_other_get_the_same_share():
    """The one that is best on average over them, relative to the best of each."""
    small, large = profile(1.0, [100, 200, 390, 400]), profile(3.0, [50, 90, 91, 60])
    choice = choose([large, small], GPU)
    assert numbers(choice) == [(None, 4)]
    assert "within a factor of 4" in choice.reason


def test_a_pack_that_did_not_fit_bounds_all_that_get_the_same():
    small = profile(1.0, [100, 200, 400, 800])
    large = profile(3.0, [100, 200], more=False)
    assert numbers(choose([small, large], GPU)) == [(None, 2)]
    # Where more were only not worth a try, what gained nothing stays as good.
    flat = profile(3.0, [100, 200, 201])
    assert numbers(choose([small, flat], GPU)) == [(None, 8)]


def test_sizes_that_differ_get_shares_of_their_own():
    small = profile(1e6, [100, 200, 400, 790], memory=400)
    middle = profile(1e7, [50, 100, 180, 185], memory=900)
    large = profile(1e8, [10, 10.2, 10], memory=6_000)
    choice = choose([small, middle, large], GPU)
    (first, eight), (second, four), (last, one) = numbers(choice)
    assert (eight, four, last, one) == (8, 4, None, 1)
    # Halfway between measured sizes, as sizes go, and never where the memory would not be there.
    assert first == pytest.approx(10**6.5)
    assert second is not None
    assert second == pytest.approx(10**7.5, rel=1e-6)
    assert GPU.holds(4, memory_at([small, middle, large], second))
    assert "factor of 100, memory by 15" in choice.reason
    assert [choice.shares.of(size) for size in (1, 1e6, 1e7, 5e7, 1e12)] == [0.125, 0.125, 0.25, 1, 1]


def test_memory_between_measured_sizes_bounds_a_share():
    """The small one packs by eight; halfway to the large one, eight would not fit any more."""
    small = profile(1e6, [100, 200, 400, 800], memory=400)
    large = profile(1e8, [10, 20, 20], memory=30_000 // 8)
    choice = choose([small, large], Device(kind="cuda", name="", memory=8_000 * MIB))
    for size in (1e6, 3e6, 9e6, 2e7, 4e7, 6e7, 9e7, 1e8):
        at_a_time = round(1 / choice.shares.of(size))
        memory = memory_at([small, large], size)
        assert at_a_time == 1 or at_a_time * memory * 1.15 <= 8_000 * MIB, size
    assert numbers(choice)[0][1] == 8
    assert numbers(choice)[-1] == (None, 1)


def test_a_small_one_shares_with_at_least_as_many_as_a_large_one():
    """Where fewer were best of it, more cost it next to nothing."""
    small, large = profile(1.0, [100, 200, 201]), profile(10.0, [10, 20, 40, 80])
    assert numbers(choose([small, large], GPU)) == [(None, 8)]


def test_different_sizes_with_one_best_share_get_the_same():
    choice = choose([profile(1.0, [1, 2, 4]), profile(100.0, [1, 2, 4])], GPU)
    assert numbers(choice) == [(None, 4)]
    assert "one share is best for all" in choice.reason


def test_one_configuration_has_no_factor_to_speak_of():
    assert "of one size" in choose([profile(1.0, [1, 2])], GPU).reason


def test_short_trials_get_the_same_share_whatever_their_size():
    """A worker of another share would have to start for many of them, which takes longer than they do."""
    small = profile(1.0, [100, 200, 400, 790], budget=2_000)
    large = profile(100.0, [50, 100, 101], budget=2_000)
    choice = choose([small, large], GPU)
    assert numbers(choice) == [(None, 8)]
    assert "a trial in the middle takes 40 s" in choice.reason
    long = [profile(one.size, [pack.steps for pack in one.packs], budget=20_000) for one in (small, large)]
    assert numbers(choose(long, GPU)) == [(pytest.approx(10.0), 8), (None, 2)]
