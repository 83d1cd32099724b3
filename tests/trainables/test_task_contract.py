"""What every task must keep, run over the built-in tasks by the suite that is shipped, which finds faults."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import pytest
import torch
from helpers.training import ScriptedTask
from torch import Tensor

from paretune.testing import ContractError, TaskContract, check_task
from trainables.addition.config import AdditionConfig
from trainables.addition.workload import AdditionWorkload
from trainables.tasks import TASKS, TaskError, get_task

# The tasks


class TestAddition(TaskContract):
    task = TASKS["addition"]
    other_values: ClassVar[dict[str, list[Any]]] = {
        "curriculum": [[{"digits": [1, 2], "share": 1.0}, {"digits": [1, 3], "share": 2.0}]],
        "chain_fade": [[0.2, 0.4]],
        "arc_init": [[2.5, -1.2, 0.29]],
        "init_std": [0.02],
        "rope_period": [19.0],
    }


class TestGPT2(TaskContract):
    task = TASKS["gpt2"]
    other_values: ClassVar[dict[str, list[Any]]] = {
        "data": ["some/folder"],
        "window": [[4, 32]],
        "without_attention": [[0], [1, 2]],
        "without_mlp": [[0]],
        "attention_scale": [0.1],
    }


def test_every_built_in_task_is_tested_here() -> None:
    assert {TestAddition.task.name, TestGPT2.task.name} == set(TASKS)


# The table


def test_there_are_tasks_and_each_is_found_by_its_name() -> None:
    assert len(TASKS) == 2
    for name, task in TASKS.items():
        assert task.name == name
        assert get_task(name) is task


def test_an_unknown_task_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(TaskError, match=r"no task 'subtraction'; there is: .*addition"):
        get_task("subtraction")
    with pytest.raises(TaskError, match=r"Did you mean addition\?"):
        get_task("adition")


def test_the_table_of_tasks_does_not_import_torch() -> None:
    """A space file is checked against the tasks, and that should not wait seconds for torch."""
    code = (
        "import sys\n"
        "from trainables.tasks import TASKS\n"
        "print(any(name in sys.modules for name in ('trainables.addition.task', 'trainables.gpt2.task')))\n"
        "from trainables.contract import parameter_count\n"
        "assert all(parameter_count(task, task.config_class()) > 0 for task in TASKS.values())\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


# The suite finds what is wrong


class Forgetful(AdditionWorkload):
    """Draws other problems whenever it is asked, and computes a loss that is no scalar."""

    def __init__(self, config: Any, device: torch.device) -> None:
        super().__init__(config, device)
        self.asked = 1

    def batch(self, step: int) -> Tensor:
        self.asked += 1
        return self.large_batch(self.asked)

    def loss(self, model: Any, batch: Tensor) -> Tensor:
        return super().loss(model, batch)[None]


class ForgetfulTask(type(TASKS["addition"])):  # type: ignore[misc]
    """Addition with a table of parameters that is one short, too."""

    def parameter_table(self, config: Any) -> dict[str, int]:
        return {**super().parameter_table(config), "forgotten": 1}

    def workload(self, config: Any, device: torch.device) -> Forgetful:
        return Forgetful(config, device)


def test_faults_are_found_and_listed_with_their_reasons() -> None:
    with pytest.raises(ContractError) as caught:
        check_task(ForgetfulTask(), other_values=TestAddition.other_values)
    said = str(caught.value)
    assert "the task addition fails" in said
    for fault in (
        "the table counts",
        "the loss has shape (1,); return a scalar",
        "batch sizes are",
        "step 2 has another batch if it is asked for first",
    ):
        assert fault in said
    assert "an unknown key is refused" not in said, "what is kept is no fault"


def test_a_task_that_is_hardly_one_is_told_what_it_lacks() -> None:
    with pytest.raises(ContractError, match="no field decides the size"):
        check_task(ScriptedTask())


@pytest.mark.parametrize(
    ("stated", "fault"),
    [
        ([5, 3], "data_changes_at must rise"),
        ([1], "has [1]; a change lies"),
        ([900_000], "has [900000]; a ch"),
    ],
)
def test_changes_of_the_data_that_cannot_be_are_found(stated: list[int], fault: str) -> None:
    class Changing(AdditionConfig):
        @property
        def data_changes_at(self) -> list[int]:
            return stated

    class Task(type(TASKS["addition"])):  # type: ignore[misc]
        config_class = Changing

    changing = TestAddition()
    changing.task = Task()
    with pytest.raises(AssertionError) as caught:
        changing.test_training_data_change_at_rising_steps_of_the_run()
    assert fault in str(caught.value)


def test_the_suite_does_not_need_pytest() -> None:
    code = "import sys, paretune.testing; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
