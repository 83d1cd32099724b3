"""Memory of a long search: Tune keeps every trial until the end, so what it keeps of one is made small."""

from __future__ import annotations

from typing import Any

from ray.tune import Callback


class Forgetting(Callback):  # type: ignore[misc]
    """Empties what Tune keeps of a trial that is over: some 75 KiB that nobody reads, since rows have it all.

    That is statistics of every number in its reports, copies of its config, and its last report twice.
    Its name, status and error stay. It comes after callbacks that look at trials.
    """

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune ended a trial without an error."""
        _forget(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune gave a trial up."""
        _forget(trial)


def _forget(trial: Any) -> None:
    trial.metric_analysis.clear()
    trial.metric_n_steps.clear()
    # Were it empty, Tune would fetch one from the worker at the end.
    trial.run_metadata.last_result = {"over": True}
    if trial.latest_checkpoint_result is not None:
        trial.latest_checkpoint_result.metrics.clear()
    trial.config.clear()
    trial.evaluated_params.clear()
    trial.set_experiment_tag("")
