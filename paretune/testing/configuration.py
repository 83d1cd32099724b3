"""What is checked of a task before anything is trained: its configuration, its metrics, its size."""

from __future__ import annotations

import math

import torch

from paretune.testing.base import Checks, refused, rows_of
from trainables.base import BaseWorkload
from trainables.config import TrainingConfig
from trainables.contract import LOOP_METRICS, VALIDATION_LOSS, parameter_count
from trainables.machines.demand import StatesDemand


class ConfigurationChecks(Checks):
    """Checks of a task that is not trained."""

    # The configuration

    def test_the_defaults_are_valid_and_every_field_has_one(self) -> None:
        """A space file states what it wants to, and no more."""
        kind, config = self.task.config_class, self._configured()
        assert isinstance(config, TrainingConfig), "config_class must derive from paretune.TrainingConfig"
        again = kind.model_validate(config.model_dump(mode="json"))
        assert again == config, "a configuration must be the same after a way through JSON"
        for name, field in kind.model_fields.items():
            assert not field.is_required(), f"the field {name} has no default"
            assert field.description, f"the field {name} has no description"

    def test_a_configuration_is_frozen(self) -> None:
        """A trial's configuration does not change while it trains."""
        config = self._configured()
        for name in self.task.config_class.model_fields:
            error = refused(lambda name=name: setattr(config, name, getattr(config, name)))  # type: ignore[misc]
            assert "frozen" in error, (
                f"{name} can be set; the class must keep the model_config that it inherits"
            )

    def test_an_unknown_key_is_refused(self) -> None:
        """A slip of the pen in a space file is no parameter."""
        error = refused(lambda: self.task.config_class.model_validate({"colour": "blue"}))
        assert "colour" in error, "the field colour was accepted; keep the model_config that is inherited"

    def test_a_rate_that_cannot_train_is_refused(self) -> None:
        """Neither NaN nor a text is a learning rate."""
        for value in (math.nan, math.inf, -1.0, 0.0, "0.1"):
            error = refused(lambda value=value: self.task.config_class.model_validate({"lr": value}))  # type: ignore[misc]
            assert "lr" in error, f"the learning rate {value!r} was accepted"

    def test_training_data_change_at_rising_steps_of_the_run(self) -> None:
        """Of a task that states it, so that early stopping before the last change is warned of."""
        for config in (
            self._configured(),
            *(c for name in sorted(self.task.config_class.model_fields) for c in self._changes(name)),
        ):
            stated = list(config.data_changes_at)
            assert stated == sorted(set(stated)), f"data_changes_at must rise, but is {stated}"
            beyond = [step for step in stated if not 1 < step <= config.steps]
            assert not beyond, (
                f"data_changes_at has {beyond}; a change lies at step 2 or later, within steps={config.steps}"
            )

    # The metrics

    def test_metrics_are_named_once_and_have_direction_unit_and_description(self) -> None:
        """They are columns of tables."""
        assert self.task.metrics, "a task measures something"
        every = (*self.task.metrics, *LOOP_METRICS)
        names = [metric.name for metric in every]
        assert len(names) == len(set(names)), "a task's metric must not have the name of one of the loop's"
        assert not {"step", "ending"} & set(names), "step and ending are the report's own"
        twice = sorted(set(names) & set(self.task.config_class.model_fields))
        assert not twice, f"{twice} are parameters as well as metrics; tables have one column for either"
        for metric in every:
            assert metric.name.isidentifier(), f"{metric.name!r} cannot be a column"
            assert metric.direction in ("min", "max"), f"{metric.name} is neither min nor max"
            assert metric.unit, f"{metric.name} has no unit"
            assert metric.description, f"{metric.name} has no description"
            assert math.isfinite(metric.worst), f"the worst value of {metric.name} is not finite"

    def test_the_first_metric_tells_how_good_a_model_is_and_the_loss_is_there(self) -> None:
        """Targets and finishes go by the first, patience by the loss."""
        assert self.task.metrics[0].best is not None, "state the best value of the first metric"
        losses = [metric for metric in self.task.metrics if metric.name == VALIDATION_LOSS]
        directions = [metric.direction for metric in losses]
        assert directions == ["min"], f"there must be one metric {VALIDATION_LOSS}, to be minimized"

    def test_validation_measures_exactly_the_declared_metrics_and_they_are_finite(self) -> None:
        """And the same whenever it is asked."""
        workload = self._workload()
        model = workload.build_model().eval()
        measured = workload.validate(model)
        assert set(measured) == {metric.name for metric in self.task.metrics}, "validate returns others"
        for metric in self.task.metrics:
            value = measured[metric.name]
            assert type(value) is float, f"{metric.name} is {value!r}, not a float"
            assert math.isfinite(value), f"{metric.name} of an untrained model is {value}"
            beyond = value < metric.worst if metric.direction == "max" else value > metric.worst
            assert not beyond, f"{metric.name} is {value}, worse than its worst value {metric.worst}"
        assert workload.validate(model) == measured, "the same model must measure the same"
        assert self._workload().validate(model) == measured, "in another workload too"

    def test_validation_problems_do_not_depend_on_the_seed(self) -> None:
        """Otherwise trials with different seeds could not be compared."""
        model = self._workload().build_model().eval()
        here, there = self._workload(), self._workload(seed=self._configured().seed + 1)
        assert there.validate(model) == here.validate(model), "validation data depend on the seed"

    def test_what_is_drawn_for_one_split_is_not_drawn_for_another(self) -> None:
        """Held-out means never drawn in training. Looked at where the workload draws as BaseWorkload does."""
        workload = self._workload()
        if not isinstance(workload, BaseWorkload) or type(workload).draw is BaseWorkload.draw:
            return
        drawn = {
            split: rows_of(workload.draw(split, 500, torch.Generator().manual_seed(0)))
            for split in ("train", "validation", "test")
        }
        for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
            shared = len(drawn[one] & drawn[other])
            assert not shared, f"{shared} samples of {one} are among those of {other}"

    # The size

    def test_the_parameter_table_sums_to_the_models_unique_parameters(self) -> None:
        """Sizes are exact, and known before training."""
        config = self._configured()
        model = self._workload().build_model()
        unique = {weight.data_ptr(): weight.numel() for weight in model.parameters()}
        table = self.task.parameter_table(config)
        counted, built = sum(table.values()), sum(unique.values())
        assert counted == built, f"the table counts {counted:,} parameters, the model has {built:,}"
        assert counted == parameter_count(self.task, config), "the table is not the same twice"
        assert all(isinstance(count, int) and count > 0 for count in table.values()), f"got {table}"

    def test_size_fields_are_fields(self) -> None:
        """They name the configuration's own."""
        fields = self.task.size_fields
        assert fields, "no field decides the size"
        unknown = sorted(fields - set(self.task.config_class.model_fields))
        assert not unknown, f"{unknown} are size fields, but no fields"

    def test_the_size_depends_on_no_field_but_the_size_fields(self) -> None:
        """Without this, sizes that a search looks at would not be those it trains."""
        config = self._configured()
        expected = self.task.parameter_table(config)
        others = sorted(set(self.task.config_class.model_fields) - self.task.size_fields)
        assert {"steps", "batch", "lr", "seed"} <= set(others), "steps, batch, lr, seed change no size"
        for name in others:
            changes = self._changes(name)
            if name == "replay_share" and not changes:
                continue  # refused by a task whose answers are neither right nor wrong
            assert changes, f"state in other_values a valid value for {name}, other than its default"
            for changed in changes:
                assert getattr(changed, name) != getattr(config, name), f"{name} was not changed"
                assert self.task.parameter_table(changed) == expected, f"{name} changes the size"

    def test_the_size_depends_on_some_size_field(self) -> None:
        """Without this, a table that ignores its configuration would pass for one."""
        counts = {parameter_count(self.task, self._configured())}
        for name in sorted(self.task.size_fields):
            counts |= {parameter_count(self.task, changed) for changed in self._changes(name)}
        assert len(counts) > 1, "every configuration has the same size"

    # What it needs

    def test_demand_is_positive_and_depends_on_no_field_but_the_demand_fields(self) -> None:
        """Of a task that states it, so that space files can limit memory and operations."""
        if not isinstance(self.task, StatesDemand):
            return
        config, fields = self._configured(), set(self.task.config_class.model_fields)
        unknown = sorted(self.task.demand_fields - fields)
        assert not unknown, f"{unknown} are demand fields, but no fields"
        expected = self.task.demand(config)
        weights = 4 * parameter_count(self.task, config)
        assert expected.memory >= weights, f"{expected.memory:,} bytes do not hold the weights' {weights:,}"
        assert 0 < expected.flops_per_token < math.inf, f"got {expected.flops_per_token} operations per token"
        for name in sorted(fields - self.task.demand_fields):
            for changed in self._changes(name):
                assert self.task.demand(changed) == expected, f"{name} changes what training needs"
