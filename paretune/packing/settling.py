"""What ``gpu: auto`` comes to on this machine, before a search begins."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psutil

from paretune.errors import InputError
from paretune.mps import is_mps_running
from paretune.packing import kept
from paretune.packing.deciding import MEDIAN, decide
from paretune.packing.measuring import Measures, PackError, Pool
from paretune.packing.profiles import Device, Profile
from paretune.packing.table import Table, table_of
from paretune.plan.binding import BoundPlan
from paretune.plan.checks import mistakes_in_keys
from paretune.plan.preparing import prepare
from paretune.plan.slots import Shares
from paretune.timing.slots import cores_here
from search_spaces.parts.resources import AUTO

TIME_SLICING, MPS = "time slicing", "CUDA MPS"
"""How processes share a GPU."""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A plan whose trials' shares of a GPU are known."""

    bound: BoundPlan
    told: tuple[str, ...] = ()
    """What to say of it."""
    table: Table | None = None
    """What was measured; None if nothing was."""


def settle(
    bound: BoundPlan,
    *,
    address: str = "local",
    earlier: Iterable[Mapping[str, Any]] = (),
    say: Callable[[str], None] = lambda text: None,
    measure: Measures | None = None,
) -> Settled:
    """Return a plan with the shares that ``gpu: auto`` comes to; one that states them as it is.

    Args:
        bound: the plan.
        address: where Ray is to run.
        earlier: what sessions of the same search recorded, the newest first.
        say: told what is about to be measured.
        measure: trains a configuration several times beside each other; processes of its own if None.

    Raises:
        InputError: it cannot be measured here, or there is no GPU for trials that are to get one.
        DataError: data that it needs are not here, or damaged.
    """
    require_gpus(bound, address)
    if bound.plan.resources.gpu != AUTO:
        return Settled(bound=bound)
    device = device_here(bound)
    if device is None:
        if address != "local":
            raise InputError(
                "gpu: auto is measured on this machine, which has no GPU that torch can use; state a share, "
                "such as --gpu 0.25, for the machines of the cluster"
            )
        none = Shares(by_size=((None, 0.0),), measured={"device": None, "shares": [[None, 0.0]]})
        told = "gpu: auto: this machine has no GPU that torch can use, so trials train on the processor."
        bound = replace(bound, shares=none)
        _require_no_need(bound)
        return Settled(bound=bound, told=(told,))
    key = kept.key_of(bound, device)
    record = kept.find(key, earlier)
    is_new = record is None
    if record is None:
        say(f"gpu: auto: measuring how many trials train most together on {device.name} ...")
        record = _measured(bound, device, key, measure)
        kept.keep(record)
    choice, profiles = kept.of_record(record)
    middle = next((one.size for one in profiles if one.name == MEDIAN), profiles[-1].size)
    shares = replace(choice.shares, middle=choice.shares.of(middle), measured=record)
    when = "" if is_new else f", as measured on {str(record['at'])[:10]}"
    told = f"gpu: auto: {told_shares(shares)}{when}; {choice.reason}."
    return Settled(
        bound=replace(bound, shares=shares),
        told=(told, *_told_sharing(device, shares)),
        table=table_of(profiles, shares, device),
    )


def require_gpus(bound: BoundPlan, address: str) -> None:
    """Check that there is a GPU for trials that are to get one, where that can be seen from here.

    Raises:
        InputError: torch can use none, and they are not fake; or they are, and cannot be.
    """
    if bound.fake_gpus:
        if address != "local":
            raise InputError("--fake-gpus is for this machine alone: leave it out with a cluster's --address")
        _require_no_need(bound)
        return
    share = bound.plan.resources.gpu
    if not share or share == AUTO or address != "local":
        return
    import torch

    if not torch.cuda.is_available():
        raise InputError(
            f"a trial needs {share:g} GPU, but this machine has none that torch {torch.__version__} can use; "
            "install a build with CUDA, ask for none with --gpu 0 or resources.gpu in the space file, or let "
            "Ray count some that are not there with --fake-gpus"
        )


def _require_no_need(bound: BoundPlan) -> None:
    """Check that what is searched can train on the processor.

    Raises:
        InputError: it cannot.
    """
    plan = bound.plan
    without = plan.model_copy(update={"resources": plan.resources.model_copy(update={"gpu": 0.0})})
    if mistakes := mistakes_in_keys(without, bound.task):
        raise InputError("\n".join(map(str, mistakes)))


def device_here(bound: BoundPlan) -> Device | None:
    """Return what trials share on this machine: its GPUs, or the processor where they are fake; else None."""
    cores = float(cores_here())
    if bound.fake_gpus:
        them = "a fake GPU" if bound.fake_gpus == 1 else f"{bound.fake_gpus} fake GPUs"
        return Device(
            kind="cpu",
            name=f"the processor ({platform.machine()}, {cores:g} cores) as {them}",
            # By the machine's size and not by what is free now, so that a choice holds.
            memory=psutil.virtual_memory().total // bound.fake_gpus,
            count=bound.fake_gpus,
            cores=cores / bound.fake_gpus,
        )
    import torch

    if not torch.cuda.is_available():
        return None
    count = torch.cuda.device_count()
    return Device(
        kind="cuda",
        name=torch.cuda.get_device_name(0),
        memory=int(torch.cuda.get_device_properties(0).total_memory),
        count=count,
        cores=cores / count,
        by=MPS if is_mps_running() else TIME_SLICING,
    )


def told_shares(shares: Shares) -> str:
    """Say how many trials share a GPU: ``4 trials share a GPU``."""
    numbers = [round(1 / share) for _, share in shares.by_size]
    if len(numbers) == 1:
        return f"{numbers[0]} trials share a GPU" if numbers[0] > 1 else "each trial has a GPU of its own"
    return f"{min(numbers)} to {max(numbers)} trials share a GPU, by their size"


def _told_sharing(device: Device, shares: Shares) -> list[str]:
    if device.by == TIME_SLICING and shares.least < 1:
        return [
            "CUDA MPS does not run here, so trials that share a GPU take turns; wall-clock times are "
            "labelled as shared."
        ]
    return []


def _measured(bound: BoundPlan, device: Device, key: str, measure: Measures | None) -> dict[str, Any]:
    """Return the record of a choice that is made now.

    Raises:
        InputError: not even one configuration can train.
        DataError: data that training needs are not here, or damaged.
    """
    profiles: list[Profile]
    context: int | None = None
    try:
        if measure is not None:
            choice, profiles = decide(bound, device, measure)
        else:
            # What all trials share, such as a data set, is there before any of them trains.
            prepare(bound)
            with Pool(bound, device) as pool:
                choice, profiles = decide(bound, device, pool)
                context = pool.context or None
    except PackError as error:
        raise InputError(
            f"gpu: auto could not be measured: {error}; state a share, such as --gpu 0.25"
        ) from error
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return kept.as_record(key, choice, profiles, device, at=now, context=context)
