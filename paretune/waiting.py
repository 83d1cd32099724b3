"""What torch's threads do while they wait for each other."""

from __future__ import annotations

import os


def let_waiting_threads_sleep() -> None:
    """Let them sleep, in this process and those that it starts, unless the user has chosen.

    By default they spin. With two threads and one free core, a step of a small GPT-2 then took four times the
    processor time of one thread; asleep, a sixth more. It has to be called before torch is imported.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
