"""What every task must keep, run over all tasks in the table."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from trainables.config import TrainingConfig
from trainables.contract import LOOP_METRICS, VALIDATION_LOSS, Report, Task, parameter_count
from trainables.loop import train
from trainables.tasks import TASKS, get_task

CPU = torch.device("cpu")

OTHER_VALUES: dict[str, list[Any]] = {
    "curriculum": [[{"digits": [1, 2], "share": 1.0}, {"digits": [1, 3], "share": 2.0}]],
    "chain_fade": [[0.2, 0.4]],
    "second_pass": [{"share": 0.5, "lr": 0.1, "batch": 8}],
    "start_from": ["some/checkpoint.pt"],
    "micro_batch": [3, "auto"],
    "data": ["some/folder"],
    "window": [[4, 32]],
    "without_attention": [[0], [1, 2]],
    "without_mlp": [[0]],
    "attention_scale": [0.1],
}
"""Values that differ from the default, for fields whose type does not suggest any."""


@pytest.fixture(params=TASKS.values(), ids=TASKS.keys())
def task(request: pytest.FixtureRequest) -> Task:
    return request.param


@pytest.fixture
def config(task: Task) -> TrainingConfig:
    return task.config_class()


def other_values(name: str, annotation: Any, default: Any) -> list[Any]:
    """Return valid values of a field that differ from its default, more than one where that is easy."""
    if name in OTHER_VALUES:
        return OTHER_VALUES[name]
    if get_origin(annotation) is Literal:
        return [value for value in get_args(annotation) if value != default]
    if annotation is bool:
        return [not default]
    if annotation is int:
        return [default + 1, 2 * default + 1]
    if annotation == int | None:
        return [2, 40]
    if annotation is float:
        return [default / 2, default * 0.75] if default else [0.5]
    pytest.fail(f"give other values for the field {name!r} in OTHER_VALUES")


def samples_in(batch: Any) -> int:
    """Return the samples of a batch, which is a tensor or a tuple or dict of them."""
    if isinstance(batch, Tensor):
        return len(batch)
    return samples_in(next(iter(batch.values() if isinstance(batch, dict) else batch)))


def reports_of(task: Task, config: TrainingConfig) -> list[Report]:
    """Train, and return what was reported."""
    reports: list[Report] = []
    train(task, config, device=CPU, report=lambda report, _: reports.append(report))
    return reports


def same(first: Any, second: Any) -> bool:
    """Compare two batches, which are tensors or tuples and dicts of them."""
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return len(first) == len(second) and all(map(same, first, second))


# The table


def test_there_are_tasks_and_each_is_found_by_its_name() -> None:
    assert TASKS
    for name, task in TASKS.items():
        assert task.name == name
        assert get_task(name) is task


def test_an_unknown_task_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"no task 'subtraction'; there is: .*addition"):
        get_task("subtraction")


def test_the_table_of_tasks_does_not_import_torch() -> None:
    """A space file is checked against the tasks, and that should not wait seconds for torch."""
    code = (
        "import sys\n"
        "from trainables.tasks import TASKS\n"
        "from trainables.contract import parameter_count\n"
        "assert all(parameter_count(task, task.config_class()) > 0 for task in TASKS.values())\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# The configuration


def test_the_defaults_are_valid_and_every_field_has_one(task: Task, config: TrainingConfig) -> None:
    assert isinstance(config, TrainingConfig)
    assert task.config_class.model_validate(config.model_dump(mode="json")) == config
    for name, field in task.config_class.model_fields.items():
        assert not field.is_required(), f"{name} has no default"
        assert field.description, f"{name} has no description"


def test_a_configuration_is_frozen(task: Task, config: TrainingConfig) -> None:
    for name in task.config_class.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(config, name, getattr(config, name))


def test_an_unknown_key_is_refused(task: Task) -> None:
    with pytest.raises(ValidationError, match="colour"):
        task.config_class.model_validate({"colour": "blue"})


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 0.0, "0.1"])
def test_a_rate_that_cannot_train_is_refused(task: Task, value: Any) -> None:
    with pytest.raises(ValidationError, match="lr"):
        task.config_class.model_validate({"lr": value})


# The metrics


def test_metrics_are_named_once_and_have_direction_unit_and_description(task: Task) -> None:
    assert task.metrics
    names = [metric.name for metric in (*task.metrics, *LOOP_METRICS)]
    assert len(names) == len(set(names)), "a task's metric must not hide one of the loop"
    assert not {"step", "ending"} & set(names), "these are the report's own"
    for metric in (*task.metrics, *LOOP_METRICS):
        assert metric.name.isidentifier()
        assert metric.direction in ("min", "max")
        assert metric.unit
        assert metric.description
        assert metric.worst is None or math.isfinite(metric.worst)


def test_validation_measures_exactly_the_declared_metrics_and_they_are_finite(
    task: Task, config: TrainingConfig
) -> None:
    workload = task.workload(config, CPU)
    model = workload.build_model().eval()
    measured = workload.validate(model)
    assert set(measured) == {metric.name for metric in task.metrics}
    for metric in task.metrics:
        value = measured[metric.name]
        assert type(value) is float
        assert math.isfinite(value)
        if metric.worst is not None:
            beyond = value < metric.worst if metric.direction == "max" else value > metric.worst
            assert not beyond, f"{metric.name} is worse than its worst value"
    assert workload.validate(model) == measured, "the same model should measure the same"
    assert task.workload(config, CPU).validate(model) == measured, "in another workload too"


def test_validation_problems_do_not_depend_on_the_seed(task: Task, config: TrainingConfig) -> None:
    """Otherwise trials with different seeds could not be compared."""
    model = task.workload(config, CPU).build_model().eval()
    other = task.config_class(seed=config.seed + 1)
    assert task.workload(other, CPU).validate(model) == task.workload(config, CPU).validate(model)


def test_the_first_metric_tells_how_good_a_model_is_and_the_loss_is_there(task: Task) -> None:
    assert task.metrics[0].best is not None
    losses = [metric for metric in task.metrics if metric.name == VALIDATION_LOSS]
    assert [metric.direction for metric in losses] == ["min"]


# The size


def test_the_parameter_table_sums_to_the_models_unique_parameters(task: Task, config: TrainingConfig) -> None:
    model = task.workload(config, CPU).build_model()
    unique = {weight.data_ptr(): weight.numel() for weight in model.parameters()}
    table = task.parameter_table(config)
    assert sum(table.values()) == sum(unique.values()) == parameter_count(task, config)
    assert all(isinstance(count, int) and count > 0 for count in table.values())


def test_size_fields_are_fields(task: Task) -> None:
    assert task.size_fields
    assert task.size_fields <= set(task.config_class.model_fields)


def test_the_size_depends_on_no_field_but_the_size_fields(task: Task, config: TrainingConfig) -> None:
    expected = task.parameter_table(config)
    others = {
        name: field for name, field in task.config_class.model_fields.items() if name not in task.size_fields
    }
    assert {"steps", "batch", "lr", "seed"} <= set(others)
    for name, field in others.items():
        values = other_values(name, field.annotation, getattr(config, name))
        assert values
        for value in values:
            changed = task.config_class.model_validate({name: value})
            assert getattr(changed, name) != getattr(config, name), f"{name} was not changed"
            assert task.parameter_table(changed) == expected, f"{name} changes the size"


def test_the_size_depends_on_some_size_field(task: Task, config: TrainingConfig) -> None:
    """Without this, a table that ignores its configuration would pass for one."""
    counts = {parameter_count(task, config)}
    for name in task.size_fields:
        field = task.config_class.model_fields[name]
        for value in other_values(name, field.annotation, getattr(config, name)):
            try:
                changed = task.config_class.model_validate({name: value})
            except ValidationError:
                continue
            counts.add(parameter_count(task, changed))
    assert len(counts) > 1


# Training


def test_a_step_always_has_the_same_batch_and_other_steps_and_seeds_have_others(
    task: Task, config: TrainingConfig
) -> None:
    first, second = task.workload(config, CPU), task.workload(config, CPU)
    one, two = first.batch(1), first.batch(2)
    assert same(second.batch(2), two), "asked for first, it should be the same"
    assert same(second.batch(1), one)
    assert same(first.batch(1), one)
    assert not same(one, two)
    assert not same(task.workload(task.config_class(seed=config.seed + 1), CPU).batch(1), one)


def test_a_large_batch_is_of_training_data_that_no_step_has(task: Task, config: TrainingConfig) -> None:
    workload = task.workload(config, CPU)
    large = workload.large_batch(config.batch)
    assert same(large, task.workload(config, CPU).large_batch(config.batch))
    assert not same(large, workload.batch(1))
    assert math.isfinite(workload.loss(workload.build_model(), large).item())


def test_a_large_batch_has_as_many_samples_as_asked_for_and_teaches(
    task: Task, config: TrainingConfig
) -> None:
    workload = task.workload(config, CPU)
    for samples in (1, 7, 3000):
        assert samples_in(workload.large_batch(samples)) == samples
    model = workload.build_model()
    workload.loss(model, workload.large_batch(64)).backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in model.parameters())


def test_every_step_has_the_batch_and_the_decay_of_its_pass(task: Task) -> None:
    second = {"share": 0.25, "lr": 0.1, "batch": 5, "weight_decay": 0.5}
    config = task.config_class.model_validate({"steps": 8, "batch": 3, "second_pass": second})
    workload = task.workload(config, CPU)
    batches = [samples_in(workload.batch(step)) for step in range(1, 9)]
    assert batches == [config.batch_at(step) for step in range(1, 9)] == [3] * 6 + [5] * 2
    decays = [config.weight_decay_at(step) for step in range(1, 9)]
    assert decays == [config.weight_decay] * 6 + [0.5] * 2


def test_the_last_step_has_a_batch(task: Task, config: TrainingConfig) -> None:
    task.workload(config, CPU).batch(config.steps)


def test_the_loss_is_a_finite_scalar_that_teaches_every_parameter(task: Task, config: TrainingConfig) -> None:
    torch.manual_seed(0)
    workload = task.workload(config, CPU)
    model = workload.build_model()
    loss = workload.loss(model, workload.batch(1))
    assert loss.shape == ()
    assert math.isfinite(loss.item())
    loss.backward()
    for name, weight in model.named_parameters():
        assert weight.requires_grad, f"{name} is not trained"
        assert weight.grad is not None, f"{name} has no gradient"
        assert bool(weight.grad.isfinite().all()), f"{name} has a gradient that is not finite"
        assert bool(weight.grad.any()), f"{name} has a gradient of zero only"


def test_the_loss_is_in_float32_even_if_the_model_computes_in_bf16(
    task: Task, config: TrainingConfig
) -> None:
    workload = task.workload(config, CPU)
    model = workload.build_model()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = workload.loss(model, workload.batch(1))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(workload.loss(model, workload.batch(1)).item(), rel=0.1)


def test_every_report_has_the_tasks_metrics_in_a_finish_too(task: Task) -> None:
    always = -1e9 if task.metrics[0].direction == "max" else 1e9
    reports = reports_of(
        task,
        task.config_class.model_validate(
            {"steps": 5, "eval_every": 2, "batch": 4, "finish": "lbfgs", "finish_above": always}
            | {"finish_steps": 2, "finish_batch": 16}
        ),
    )
    assert [report.step for report in reports] == [2, 3, 4]
    for report in reports:
        assert {VALIDATION_LOSS, *(metric.name for metric in task.metrics)} <= set(report.metrics)
        assert all(math.isfinite(value) for value in report.metrics.values())


def test_torchs_seed_decides_the_initial_weights(task: Task, config: TrainingConfig) -> None:
    workload = task.workload(config, CPU)
    models = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        models.append(dict(workload.build_model().state_dict()))
    assert same(models[0], models[1])
    assert not same(models[0], models[2])


def test_an_evaluation_counts_successes_among_the_problems_asked_for(
    task: Task, config: TrainingConfig
) -> None:
    torch.manual_seed(0)
    workload = task.workload(config, CPU)
    model = workload.build_model()
    evaluation = workload.evaluate(model, problems=64, seed=3)
    assert evaluation == workload.evaluate(model, problems=64, seed=3)
    assert evaluation.metric in {metric.name for metric in task.metrics}
    assert evaluation.problems == 64
    if evaluation.successes is None:
        assert evaluation.mean is not None
        assert math.isfinite(evaluation.mean)
        assert evaluation.standard_error is not None
        assert evaluation.standard_error > 0
    else:
        assert 0 <= evaluation.successes <= 64
    assert evaluation.drawn_from
    for table in evaluation.tables:
        assert table.title
        assert all(len(row) == len(table.columns) for row in table.rows)
