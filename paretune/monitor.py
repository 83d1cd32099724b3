"""The bridge from Tune: its hooks become events for rows, TensorBoard and the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ray.tune import Callback

from paretune.endings import TrialEnding, ending_of
from paretune.events import Listener, Row
from paretune.queue import TrialSpec


class Monitor(Callback):  # type: ignore[misc]
    """Translates Tune's hooks into the events of :class:`Listener`."""

    def __init__(self, listeners: Sequence[Listener], columns: set[str]) -> None:
        self._listeners = list(listeners)
        self._columns = columns
        self._specs: dict[str, TrialSpec] = {}
        self._running: dict[str, Row] = {}

    def announce(self, spec: TrialSpec) -> None:
        """Make a trial known before Tune speaks of it by its label."""
        self._specs[spec.label] = spec

    def close(self) -> None:
        """Declare every trial that is still running interrupted."""
        for label, last in list(self._running.items()):
            self._end(label, "interrupted", last, None)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune started a trial, or started it again after a failure."""
        spec = self._specs[trial.config["label"]]
        self._running.setdefault(spec.label, {})
        for listener in self._listeners:
            listener.started(spec)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Tune received a report."""
        spec = self._specs[trial.config["label"]]
        row = {name: value for name, value in result.items() if name in self._columns}
        if "step" not in row:
            return
        self._running[spec.label] = row
        for listener in self._listeners:
            listener.reported(spec, row)

    def on_checkpoint(
        self, iteration: int, trials: list[Any], trial: Any, checkpoint: Any, **info: Any
    ) -> None:
        """Tune stored a checkpoint."""
        for listener in self._listeners:
            listener.checkpointed(self._specs[trial.config["label"]], str(checkpoint.path))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune ended a trial without an error."""
        label = trial.config["label"]
        last = self._running.get(label, {})
        self._end(label, ending_of(last, failed=False), last, None)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune gave a trial up."""
        label = trial.config["label"]
        self._end(label, "failed", self._running.get(label, {}), _last_line(trial))

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune's loop has gone round."""
        for listener in self._listeners:
            listener.tick()

    def _end(self, label: str, ending: TrialEnding, last: Row, error: str | None) -> None:
        self._running.pop(label, None)
        for listener in self._listeners:
            listener.ended(self._specs[label], ending, last, error)

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles callbacks into its snapshot, which nothing here goes on from; open files stay out.
        return {}


def _last_line(trial: Any) -> str:
    """Return the last line of a trial's error, which names the exception."""
    text = ""
    if trial.error_file:
        with suppress(OSError):
            text = Path(trial.error_file).read_text()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "the worker process ended without a word; was it out of memory?"
