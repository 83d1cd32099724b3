"""A word on results that may change in a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.names import shown_name

if TYPE_CHECKING:
    from paretune.api.searches import Search


def say_if_running(search: Search) -> None:
    """Say on standard error that a search still runs, or that some of its trials never ended."""
    from paretune.terminal.printing import make_console

    trials = search.trials
    if search.is_running:
        ended = int(trials["ending"].notna().sum())
        text = f"{search.name} is still running: {ended} of {search.plan.trials} trials have ended so far."
    elif unfinished := int((trials["ending"].isna() | (trials["ending"] == "interrupted")).sum()):
        text = (
            f"{search.name} is not over: {unfinished} of {search.plan.trials} trials were interrupted; "
            f"resume it with `paretune resume {shown_name(search.folder)}`."
        )
    else:
        return
    make_console(to_stderr=True).print(text, style="yellow", soft_wrap=True)
