"""Curves and hyperparameters of every trial, in TensorBoard's event files.

Written with TensorBoard's own writer: torch's would cost the driver two seconds to import.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from pydantic import JsonValue
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
from tensorboard.summary.writer.event_file_writer import EventFileWriter, _AsyncWriterThread

from paretune.plan.binding import BoundPlan
from paretune.record.endings import TrialEnding
from paretune.record.events import Listener, Row
from paretune.record.tensorboard_view import RESULTS
from paretune.sampling.history import Standing, TrialSpec
from trainables.contract import LOOP_METRICS

_SHOWN_HPARAMS = 5
"""So many hyperparameters are shown by TensorBoard before anybody chooses."""


class TensorBoardLog(Listener):
    """Writes one run per trial below ``folder``, each with its curves and, at its end, its HParams row."""

    def __init__(self, folder: Path, bound: BoundPlan) -> None:
        self._folder = folder
        self._plan = bound.plan
        self._tags = tags_of(bound)
        self._writers: dict[str, EventFileWriter] = {}
        _say_write_errors_once()
        self._describe_experiment(bound)

    def started(self, trial: TrialSpec) -> None:
        """Open the trial's event file."""
        if trial.label not in self._writers:
            self._writers[trial.label] = EventFileWriter(str(self._folder / trial.label))

    def reported(self, trial: TrialSpec, row: Row) -> None:
        """Add a point to every curve."""
        values = [
            Summary.Value(tag=self._tags[name], simple_value=float(value))
            for name, value in row.items()
            if name in self._tags
        ]
        self._write(trial, Summary(value=values), int(row["step"]))
        self._writers[trial.label].flush()

    def judged(self, trial: TrialSpec, standing: Standing) -> None:
        """Close the file of a trial that waits, of which there may be many."""
        if standing.is_paused and trial.label in self._writers:
            self._writers.pop(trial.label).close()

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        """Write the trial's row of the HParams table and close its file."""
        self.started(trial)  # one that failed before it could start has its row of the table too
        writer = self._writers.pop(trial.label)
        if ending != "interrupted":  # it will be resumed, and have its row then
            named = (*self._plan.searched_names, *self._plan.derived)
            own = {name: _scalar(trial.values[name]) for name in named if name in trial.values}
            hparams = {**own, "params": trial.params, "seed": trial.seed, "ending": ending}
            self._add(writer, summary_v2.hparams_pb(hparams, trial_id=trial.label), 0)
            self._add(writer, _session_end(ending), 0)
        writer.close()

    def _describe_experiment(self, bound: BoundPlan) -> None:
        """Choose the columns of the HParams table; TensorBoard's own would be those first in the alphabet."""
        writer = EventFileWriter(str(self._folder))
        self._add(writer, _experiment(bound, self._tags), 0)
        writer.close()

    def _write(self, trial: TrialSpec, content: Summary, step: int) -> None:
        self._add(self._writers[trial.label], content, step)

    @staticmethod
    def _add(writer: EventFileWriter, content: Summary, step: int) -> None:
        writer.add_event(Event(wall_time=time.time(), step=step, summary=content))


def _say_write_errors_once() -> None:
    """Let no writer thread print an error of the system, as of a full disk: its next call raises it."""
    before = threading.excepthook
    if getattr(before, "hushes_writers", False):
        return

    def hook(said: threading.ExceptHookArgs) -> None:
        if not (isinstance(said.thread, _AsyncWriterThread) and isinstance(said.exc_value, OSError)):
            before(said)

    hook.hushes_writers = True  # type: ignore[attr-defined]
    threading.excepthook = hook


def tags_of(bound: BoundPlan) -> dict[str, str]:
    """Return the tag of each metric; the part before the slash groups the curves, results first."""
    results = {metric.name: f"{RESULTS}/{metric.name}" for metric in bound.task.metrics}
    training = {name: f"training/{name}" for name in ("train_loss", "learning_rate")}
    spent = {metric.name: f"spent/{metric.name}" for metric in LOOP_METRICS if metric.name not in training}
    return results | training | spent


def _experiment(bound: BoundPlan, tags: dict[str, str]) -> Summary:
    """Return the message that says which hyperparameters and metrics the HParams table has.

    TensorBoard orders hyperparameters by whether they differ, then by name, and shows the first five. It
    takes "differs" from here, so it is said of those that are to be shown: how a trial ended, its size, and
    the first that the plan searches.
    """
    columns = ["ending", "params", *bound.plan.searched_names, "seed", *bound.plan.derived]
    costs = [o.metric for o in bound.plan.objectives if o.metric in tags]
    metrics = dict.fromkeys([metric.name for metric in bound.task.metrics] + ["steps_to_target", *costs])
    return _hparams_summary(
        metadata.EXPERIMENT_TAG,
        plugin_data_pb2.HParamsPluginData(
            experiment=api_pb2.Experiment(
                hparam_infos=[
                    api_pb2.HParamInfo(name=name, differs=place < _SHOWN_HPARAMS)
                    for place, name in enumerate(columns)
                ],
                metric_infos=[
                    summary_v2.Metric(tags[name], display_name=name).as_proto() for name in metrics
                ],
                time_created_secs=time.time(),
            )
        ),
    )


def _session_end(ending: TrialEnding) -> Summary:
    """Return the message that sets the status column; the library offers none without TensorFlow."""
    bad = ending in ("diverged", "failed")
    info = plugin_data_pb2.SessionEndInfo(
        status=api_pb2.STATUS_FAILURE if bad else api_pb2.STATUS_SUCCESS, end_time_secs=time.time()
    )
    return _hparams_summary(
        metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=info)
    )


def _hparams_summary(tag: str, data: plugin_data_pb2.HParamsPluginData) -> Summary:
    value = Summary.Value(
        tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR
    )
    return Summary(value=[value])


def _scalar(value: JsonValue) -> bool | float | str:
    """HParams holds scalars only: lists and mappings become text."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
