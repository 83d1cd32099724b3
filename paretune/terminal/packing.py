"""The GPUs that trials get, settled before a search begins and printed."""

from __future__ import annotations

from rich.console import Console

from paretune.packing.settling import require_gpus, settle
from paretune.plan.binding import BoundPlan
from paretune.record.run_folder import RunFolder
from paretune.terminal.printing import print_rows


def with_gpus(
    bound: BoundPlan, console: Console, *, address: str, folder: RunFolder | None = None
) -> BoundPlan:
    """Return a plan whose trials' GPUs are known: with ``gpu: auto`` they are measured and the table shown.

    Args:
        bound: the plan.
        console: where to print.
        address: where Ray is to run.
        folder: that of the search, if it is resumed: what an earlier session measured is used again.

    Raises:
        InputError: there is no GPU for trials that are to get one, or it cannot be measured.
    """
    require_gpus(bound, address)
    if bound.fake_gpus:
        console.print(
            f"{bound.fake_gpus} fake {'GPU' if bound.fake_gpus == 1 else 'GPUs'}: Ray places trials by their "
            "shares, and they train on the processor, so times say nothing of a GPU.",
            style="yellow",
            soft_wrap=True,
        )
    sessions = [] if folder is None else folder.store.sessions()
    earlier = [session["gpu_auto"] for session in reversed(sessions) if session.get("gpu_auto")]
    settled = settle(
        bound, address=address, earlier=earlier, say=lambda text: console.print(text, style="dim")
    )
    if settled.table is not None:
        print_rows(console, settled.table.columns, settled.table.rows, settled.table.title)
    for text in settled.told:
        console.print(text, soft_wrap=True)
    return settled.bound
