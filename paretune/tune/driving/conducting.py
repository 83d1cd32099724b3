"""Tune, run in a thread of its own, while the main thread waits: for its end, signals, and the loss of Ray.

Tune in the main thread would install handlers of its own, and could not be left when Ray is gone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from paretune.signals import listening
from paretune.tune.driving.stopping import AbandonedError, DriverStops, StoppedError
from paretune.tune.driving.watching import Watch
from paretune.tune.notice import Notice
from paretune.tune.parts import Parts

_TICK_S = 0.1
_SAME_PRESS_S = 0.3
"""Signals that are closer are one: some senders reach a process twice, by its group."""

_FOR_TRIALS = 0.8
"""The share of a notice that trials get; the driver has to end in the rest."""

_FOR_TUNE = 0.9
"""The share of a notice after which Tune is no longer waited for."""

_ENDS_WITHIN_S = 20.0
"""So long Tune may take to end where nobody waits, as after a full disk."""

_LEAVES_WITHIN_S = 3.0
"""So long the abandoned thread may take to notice."""


@dataclass
class Course:
    """How Tune's run went."""

    lost: str | None = None
    """What was lost of Ray, if anything was."""
    hangs: bool = False
    """Whether the thread could not be ended: Ray must not be asked for anything any more."""
    given_notice: bool = False
    trials_are_left: bool = False
    """Whether trials have not ended, or not begun."""


class Conductor:
    """Runs Tune and ends it when it is time.

    Args:
        parts: the searcher, the monitor and what else Tune knows.
        stops: how Tune hears that it is to end.
        notice: how trials hear that they are to hand over.
        seconds: from the first signal on, so long until the process has to be gone.
        watch: says whether Ray is there.
        say: prints a line.
    """

    def __init__(
        self,
        parts: Parts,
        stops: DriverStops,
        notice: Notice,
        seconds: float,
        watch: Watch,
        say: Callable[[str], None],
    ) -> None:
        self._parts = parts
        self._stops = stops
        self._notice = notice
        self._seconds = seconds
        self._watch = watch
        self._say = say
        self._heard: list[float] = []
        self._given_at: float | None = None
        self._stopped_at: float | None = None
        self._waits_for: set[str] = set()
        self._error: BaseException | None = None
        self.course = Course()

    def run(self, fit: Callable[[], object]) -> Course:
        """Run Tune to its end, whatever ends it.

        Args:
            fit: runs Tune, and raises what it raises.

        Raises:
            Exception: what Tune raised by itself.
        """
        thread = threading.Thread(target=self._fit, args=(fit,), name="paretune-tune", daemon=True)
        with listening(self._hear):
            thread.start()
            while thread.is_alive():
                thread.join(_TICK_S)
                if thread.is_alive() and self._is_to_be_left():
                    self._leave(thread)
                    break
        if self._error is not None and self.course.lost is None:
            # Tune may have been faster to stumble over what is missing.
            self.course.lost = self._watch.lost()
        if self._error is not None and self.course.lost is None:
            raise self._error
        return self.course

    def _fit(self, fit: Callable[[], object]) -> None:
        try:
            fit()
        except (StoppedError, AbandonedError):
            pass
        except BaseException as error:
            self._error = error

    def _hear(self, number: int) -> None:
        now = time.monotonic()
        if not self._heard or now - self._heard[-1] > _SAME_PRESS_S:
            self._heard.append(now)

    def _is_to_be_left(self) -> bool:
        """Do what is due, and return whether Tune is not to be waited for any longer."""
        now = time.monotonic()
        self.course.lost = self._watch.lost()
        if self.course.lost is not None or len(self._heard) > 1:
            return True
        if self._heard and self._given_at is None:
            self._give_notice(now)
        if self._parts.monitor.failure is not None:
            self._stop(now)
        if self._given_at is not None:
            since = now - self._given_at
            if not self._waits_for & self._parts.monitor.running or since > _FOR_TRIALS * self._seconds:
                self._stop(now)
            return since > _FOR_TUNE * self._seconds
        return self._stopped_at is not None and now - self._stopped_at > _ENDS_WITHIN_S

    def _give_notice(self, now: float) -> None:
        self._given_at = now
        self.course.given_notice = True
        self._parts.hold()
        self._waits_for = self._parts.monitor.running
        if self._waits_for:
            count = len(self._waits_for)
            them = (
                "the trial that runs writes its checkpoint"
                if count == 1
                else (f"{count} trials write their checkpoints")
            )
            self._say(f"Interrupted: {them}, within {self._seconds:g} s. Another Ctrl-C ends it now.")
        self._notice.give(_FOR_TRIALS * self._seconds)

    def _stop(self, now: float) -> None:
        if self._stopped_at is None:
            self._stopped_at = now
        self._stops.stop()

    def _leave(self, thread: threading.Thread) -> None:
        """Let nothing that Tune does reach the rows any more, and wait a moment for its thread."""
        self._parts.monitor.seal()
        self._stops.abandon()
        thread.join(_LEAVES_WITHIN_S)
        self.course.hangs = thread.is_alive()
