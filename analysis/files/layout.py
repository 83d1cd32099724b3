"""The files of a search, and the meaning of every column of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paretune.errors import Error

TRIALS_FILE = "trials.jsonl"
REPORTS_FILE = "reports.jsonl"
CONFIRMATIONS_FILE = "confirmations.jsonl"
PLAN_FILE = "plan.json"
METRICS_FILE = "metrics.json"
DEFAULTS_FILE = "defaults.json"
SPACE_FILE = "space.yaml"
LEARNED_FILE = "learned.json"
PROVENANCE_FILE = "provenance.json"
TENSORBOARD_FOLDER = "tensorboard"
RAY_FOLDER = "ray"
RETRAIN_FOLDER = "retrain"
REPORT_FILE = "report.json"
DAMAGED_SUFFIX = ".damaged"
"""What is added to the name of a file to name the one to which its damaged parts are moved."""
PREFIXES_FOLDER = "prefixes"


class TrialEnding(StrEnum):
    """How a trial can end; the values are the texts in the rows."""

    SOLVED = "solved"
    FINISHED = "finished"
    STOPPED_EARLY = "stopped early"
    DIVERGED = "diverged"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


ENDINGS: dict[TrialEnding, str] = {
    TrialEnding.SOLVED: "reached the target and held it",
    TrialEnding.FINISHED: "ended by itself without solving",
    TrialEnding.STOPPED_EARLY: "ended by early stopping",
    TrialEnding.DIVERGED: "its loss became non-finite",
    TrialEnding.FAILED: "an error ended it; a resumed search tries it again",
    TrialEnding.INTERRUPTED: "the search ended first; it continues when the search is resumed",
}
"""Every ending with its meaning, in the order in which they are counted on the terminal."""


@dataclass(frozen=True)
class Column:
    """A column of the rows or of a table made from them; ``unit`` is empty for names and texts."""

    name: str
    unit: str
    meaning: str


SEARCHES, SELECTS, ESTIMATES = "searches", "selects", "estimates"
ROLES = {
    SEARCHES: "placed without a question",
    SELECTS: "helped to choose what the answer is about, and is left out of it",
    ESTIMATES: "placed after that was chosen; the answer rests on these",
}
"""What a trial is for."""

PAUSED, KEPT = "paused", "kept by lot"
"""What early stopping makes of a trial that it does not stop; of one that it stops, ``stopped early``."""

TRIAL_COLUMNS = (
    Column("trial", "", "the trial's name: configuration and seed number, as in c012-s0"),
    Column("configuration", "", "number of the configuration, counted from 0"),
    Column("seed_index", "", "number of the seed within the configuration, counted from 0"),
    Column("seed", "", "the seed itself"),
    Column("params", "parameters", "exact number of unique parameters"),
    Column("values", "", "the configuration: fixed and searched parameters"),
    Column("role", "", "what it is for: searches, selects or estimates; missing means searches"),
    Column("ending", "", "how the trial ended; missing while it runs or when its search was killed"),
    Column("step", "steps", "last step that was reported"),
    Column("reports", "", "how many reports it has, of steps that were repeated the last"),
    Column("below_cut_at", "", "rungs at which it came below the cut of early stopping: steps, or shares"),
    Column("kept_chance", "share", "if it ran on below the cut by lot, the chance of that; 1 if for certain"),
    Column("paused", "", "true while it waits below the cut"),
    Column("session", "", "number of the search's session that wrote the row, counted from 1"),
    Column("started", "time", "when the trial was started in that session (UTC)"),
    Column("ended", "time", "when it ended (UTC)"),
    Column("checkpoint", "", "folder of its newest checkpoint, below the search's folder"),
    Column("error", "", "last line of the error, for failed trials"),
    Column("gpu", "GPUs", "GPUs that it was given, or the share of one; missing if none"),
    Column("fake_gpus", "GPUs", "GPUs that Ray only counted, if the search had such: it trained on the CPU"),
    Column("engine", "", "what computed its steps, and why"),
    Column("warnings", "", "what its worker warned of, each text once"),
)
"""Columns of ``trials.jsonl``, beside the metrics of the trial's last report."""

REPORT_COLUMNS = (
    Column("trial", "", "the trial's name"),
    Column("configuration", "", "number of the configuration"),
    Column("seed", "", "the seed"),
    Column("session", "", "number of the search's session that wrote the row"),
    Column("at", "time", "when the report arrived (UTC)"),
    Column("step", "steps", "optimizer steps taken"),
    Column("ending", "", "in a trial's last report, how it ended by itself"),
    Column("verdict", "", "what became of it below a rung's cut: stopped early, paused, or kept by lot"),
    Column("cut_at", "", "the rung at which it came below the cut: a step, or a share"),
    Column("kept_chance", "share", "if it was kept by lot, the chance of that"),
    Column("engine", "", "in the first report of a trial, or after it was resumed, what computes its steps"),
)
"""Columns of ``reports.jsonl``, beside the metrics of the report."""

CONFIRMATION_COLUMNS = (
    Column("configuration", "", "number of the configuration"),
    Column("seed_index", "", "number of the fresh seed, counted from 0"),
    Column("seed", "", "the seed itself, which no trial of the search has used"),
    Column("params", "parameters", "exact number of unique parameters"),
    Column("values", "", "the configuration: fixed and searched parameters"),
    Column("ending", "", "how its training ended: solved, finished or diverged"),
    Column("step", "steps", "last step that was reported"),
    Column("best_step", "steps", "step of the checkpoint that was evaluated: the best by validation"),
    Column("seconds", "s", "elapsed time of training, validation included, alone on the device"),
    Column("test_metric", "", "what the evaluation on held-out data measured"),
    Column("test_value", "", "its result: a share of correct answers, or a mean, in the metric's unit"),
    Column("test_low", "", "lower end of its 95 % interval"),
    Column("test_high", "", "upper end of its 95 % interval"),
    Column("test_standard_error", "", "standard error over independent units, for a mean"),
    Column("test_problems", "", "how many problems, or sequences, it was evaluated on"),
    Column("test_units", "", "to how many independent units of equal size, such as documents, they amount"),
    Column("test_called", "", "names of the problems and of the units"),
    Column("test_drawn_from", "", "the population of the problems"),
    Column("tables", "", "the evaluation's tables: title, columns, rows"),
    Column("checkpoint", "", "the checkpoint, if kept"),
    Column("device", "", "device of its training: cpu or cuda"),
    Column("gpu", "", "the model of the GPU"),
    Column("hardware", "", "the machine"),
    Column("paretune", "", "the version of this program"),
    Column("commit", "", "its commit"),
    Column("command", "", "the command"),
    Column("ended", "time", "when the seed was done (UTC)"),
)
"""Columns of ``confirmations.jsonl``, beside the metrics of the seed's last report."""


class DamagedError(Error, ValueError):
    """A file of a search that cannot be read; the message names file and line, and says what to do."""


class NewerError(DamagedError):
    """A file that a newer version of this program wrote, and that this one would misread."""


class ExportError(Error, ValueError):
    """A file that cannot be written; the message says why."""


class SelectionError(Error, ValueError):
    """A condition that cannot be understood, or a parameter that a search does not have."""
