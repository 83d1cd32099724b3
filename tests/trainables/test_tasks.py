"""How a task is found, and that code which nobody allowed does not run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.own_tasks import EXAMPLE, install_example

from trainables import tasks
from trainables.abilities import AbilityError, ability
from trainables.base import BaseTask, BaseWorkload
from trainables.checkpoints import load, load_model, make_snapshot, save
from trainables.contract import CheckpointError, parameter_count
from trainables.tasks import TaskError, absolute_reference, get_task, known_tasks, reference_of, task_names
from trainables.trusted import is_trusted, trust, trusted_files, trusted_list

CPU = torch.device("cpu")
PARITY = (EXAMPLE / "parity.py").read_text()


@pytest.fixture(autouse=True)
def of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes what this machine's user trusts."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.delenv(tasks.ALLOW_VARIABLE, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A task that leaves a mark when its code runs."""
    path = tmp_path / "task" / "parity.py"
    path.parent.mkdir()
    mark = f"\n__import__('pathlib').Path({str(tmp_path / 'ran')!r}).touch()\n"
    path.write_text(PARITY + mark)
    return path


def has_run(tmp_path: Path) -> bool:
    return (tmp_path / "ran").exists()


# Permission


def test_code_does_not_run_unless_it_is_allowed(file: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"would run the code of the file .*parity.py.*--allow-task-code"):
        get_task(f"{file}:Parity")
    assert not has_run(tmp_path)
    assert get_task(f"{file}:Parity", allow_code=True).name == "parity"
    assert has_run(tmp_path)
    with pytest.raises(TaskError, match="not allowed"):
        get_task(f"{file}:Parity")


def test_a_module_needs_permission_too(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.rename(file.parent / "some_parity_module.py")
    monkeypatch.syspath_prepend(file.parent)
    with pytest.raises(TaskError, match="would run the code of the module some_parity_module"):
        get_task("some_parity_module:Parity")
    assert not has_run(tmp_path)
    assert get_task("some_parity_module:Parity", allow_code=True).name == "parity"


@pytest.mark.parametrize(("value", "allows"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_the_environment_can_allow_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, value: str, allows: bool
) -> None:
    monkeypatch.setenv(tasks.ALLOW_VARIABLE, value)
    if allows:
        assert get_task(f"{file}:Parity").name == "parity"
    else:
        with pytest.raises(TaskError, match="not allowed"):
            get_task(f"{file}:Parity")


def test_a_file_that_the_user_made_is_trusted_where_it_lies_and_when_it_is_edited(
    file: Path, tmp_path: Path
) -> None:
    trust(file)
    trust(file)
    assert trusted_files() == [file.resolve()]
    assert trusted_list().is_relative_to(tmp_path)
    assert get_task(f"{file}:Parity").name == "parity"
    file.write_text(PARITY.replace('name = "parity"', 'name = "changed"'))
    assert get_task(f"{file}:Parity").name == "changed"
    elsewhere = tmp_path / "parity.py"
    file.rename(elsewhere)
    assert not is_trusted(elsewhere)
    with pytest.raises(TaskError, match="not allowed"):
        get_task(f"{elsewhere}:Parity")


def test_a_link_to_a_trusted_file_is_that_file_and_a_link_to_another_is_not(
    file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.py"
    other.write_text(PARITY)
    trust(file)
    (tmp_path / "link.py").symlink_to(file)
    assert is_trusted(tmp_path / "link.py")
    file.unlink()
    file.symlink_to(other)
    assert not is_trusted(file)


def test_a_damaged_list_trusts_nothing(file: Path) -> None:
    trust(file)
    trusted_list().write_bytes(b"\xff\xfe")
    assert trusted_files() == []


def test_a_checkpoint_of_a_stranger_runs_no_code(file: Path, tmp_path: Path) -> None:
    task = get_task(f"{file}:Parity", allow_code=True)
    config = task.config_class()
    model = task.workload(config, CPU).build_model()
    snapshot = make_snapshot(
        task, config, step=1, model=model.state_dict(), optimizer={}, progress={}, metrics={}, notes={}
    )
    path = tmp_path / "checkpoint.pt"
    save(snapshot, path)
    assert load(path)["task"] == f"{file}:Parity" == reference_of(task)
    (tmp_path / "ran").unlink()
    with pytest.raises(CheckpointError, match="cannot be used here: task Parity would run the code"):
        load_model(path, CPU)
    assert not has_run(tmp_path)
    loaded = load_model(path, CPU, allow_task_code=True)
    assert loaded.task is task
    with pytest.raises(AbilityError, match="does not offer add; it offers: nothing but an evaluation"):
        ability(loaded, "add")


# Packages


def test_an_installed_package_offers_a_task_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_example(tmp_path / "site", name="installed-parity")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert "installed-parity" in task_names()
    task = get_task("installed-parity")
    assert (task.name, reference_of(task)) == ("parity", "installed-parity")
    listed = {known.reference: known.origin for known in known_tasks()}
    assert listed["installed-parity"] == "the package parity-package"


def test_a_package_cannot_take_a_built_in_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_example(tmp_path / "site", name="addition")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert get_task("addition") is tasks.TASKS["addition"]
    assert task_names() == ["addition", "gpt2"]


def test_a_package_that_does_not_load_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_example(tmp_path / "site", name="broken-parity")
    (tmp_path / "site" / "parity_package.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "parity_package", raising=False)
    with pytest.raises(TaskError, match=r"of the package parity-package .*needs the package no_such_package"):
        get_task("broken-parity")
    (problem,) = [known.problem for known in known_tasks() if known.reference == "broken-parity"]
    assert "no_such_package" in str(problem)


# What cannot be had


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_package\n", "needs the package no_such_package, which is not installed here"),
        ("\n\nclass Parity(\n", "line 3: "),
        ("x = 1\ny = x / 0\n", "line 2: ZeroDivisionError"),
        ("class Odd: pass\n", r"has no Parity$"),
        ("class Parity: pass\n", "is not a task: it lacks name, config_class"),
        (PARITY.replace("class Parity(BaseTask)", "class Odd(BaseTask)"), "has no Parity; it has: .*Odd"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(TaskError, match=said):
        get_task(f"{path}:Parity", allow_code=True)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("nowhere/parity.py:Parity", "there is no file nowhere/parity.py.*Put it there.*paretune.tasks"),
        ("no_such_package.tasks:Parity", "needs the package no_such_package, which is not installed here"),
        ("parity.py:", "write path/to/file.py:ClassName"),
        (":Parity", "write path/to/file.py:ClassName"),
        ("parity.py:2", "write path/to/file.py:ClassName"),
    ],
)
def test_what_is_not_here_is_named(reference: str, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        get_task(reference, allow_code=True)


def test_a_file_is_found_from_any_folder_once_its_reference_is_absolute(tmp_path: Path) -> None:
    assert absolute_reference("../a/parity.py:Parity", tmp_path / "b") == f"{tmp_path / 'a'}/parity.py:Parity"
    for unchanged in ("addition", "package.module:Class", ":Class", f"{tmp_path}/parity.py:Parity"):
        assert absolute_reference(unchanged, tmp_path / "b") == unchanged


def test_what_lies_beside_a_task_can_be_imported_by_it(tmp_path: Path) -> None:
    (tmp_path / "parity_parts.py").write_text("NAME = 'from beside'\n")
    path = tmp_path / "mine.py"
    path.write_text("from parity_parts import NAME\n" + PARITY.replace('name = "parity"', "name = NAME"))
    try:
        assert get_task(f"{path}:Parity", allow_code=True).name == "from beside"
    finally:
        sys.path.remove(str(tmp_path))


# The defaults of a task


@pytest.fixture
def task(file: Path) -> BaseTask:
    found = get_task(f"{file}:Parity", allow_code=True)
    assert isinstance(found, BaseTask)
    return found


def test_parameters_are_counted_by_part_without_memory_and_only_once_for_a_size(task: BaseTask) -> None:
    config = task.config_class.model_validate({"bits": 12, "width": 10})
    assert task.parameter_table(config) == {"0 Linear": 130, "2 Linear": 11}
    assert task.size_fields == {"bits", "relevant", "width"}
    # A model of four terabytes: only its size is asked for.
    huge = task.config_class.model_validate({"bits": 12, "width": 80_000_000_000})
    assert parameter_count(task, huge) == 14 * 80_000_000_000 + 1
    state = torch.get_rng_state()
    task.parameter_table(task.config_class.model_validate({"width": 11}))
    assert torch.equal(torch.get_rng_state(), state), "counting draws nothing"


def test_what_a_workload_has_to_write_is_said() -> None:
    workload = BaseWorkload(tasks.TASKS["addition"].config_class(), CPU)
    for attempt, said in (
        (workload.build_model, "needs a method model"),
        (lambda: workload.batch(1), "needs a method draw"),
        (lambda: workload.loss(torch.nn.Linear(1, 1), None), "needs a method loss"),
        (lambda: workload.measure(torch.nn.Linear(1, 1), None), "needs a method measure"),
    ):
        with pytest.raises(NotImplementedError, match=said):
            attempt()


class Regression(BaseWorkload):
    """A workload whose metric is a number rather than correct or not."""

    validation_samples, samples_together = 100, 32

    def model(self) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Dropout(0.5))

    def draw(self, split: str, samples: int, generator: torch.Generator) -> torch.Tensor:
        return torch.rand(samples, 2, generator=generator)

    def loss(self, model: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return self.measure(model, batch).mean()

    def measure(self, model: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return (model(batch)[:, 0] - batch.sum(1)) ** 2


def test_a_metric_that_is_a_number_has_a_mean_and_a_standard_error() -> None:
    workload = Regression(tasks.TASKS["addition"].config_class(), CPU, "error")
    model = workload.build_model().train()
    measured = workload.validate(model)
    assert measured["error"] == pytest.approx(measured["val_loss"], rel=1e-6), "batches of 32 count by size"
    assert workload.validate(model) == measured, "without dropout"
    assert model.training, "the model is as it was"
    found = workload.evaluate(model, problems=70, seed=1)
    assert (found.metric, found.problems, found.successes) == ("error", 70, None)
    values = torch.cat(
        [workload.measure(model.eval(), batch).detach() for batch in workload._batches("test", 70, "test 1")]
    )
    assert found.mean == pytest.approx(values.double().mean().item())
    assert found.standard_error == pytest.approx(values.double().std().item() / 70**0.5)
    assert workload.evaluate(model, problems=1, seed=1).standard_error is None


def test_the_measure_must_have_a_value_for_each_sample() -> None:
    workload = Regression(tasks.TASKS["addition"].config_class(), CPU, "error")
    workload.measure = lambda model, batch: torch.tensor(1.0)  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"one value per sample, shape \(samples,\), but got \(\)"):
        workload.validate(workload.build_model())


# No test of ours fails for a task of a user's own


def test_none_of_our_tests_fails_where_a_task_of_ones_own_is_installed_and_another_is_trusted(
    file: Path, tmp_path: Path
) -> None:
    """Those of the schema and of the page that documents the columns of results; all go by the same table."""
    install_example(tmp_path / "site", name="installed-parity")
    trust(file)
    site = str(tmp_path / "site")
    ours = ["tests/paretune/plan/test_schema.py", "tests/pages/test_docs.py"]
    ours += ["-k", "schema or describes_every_column"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *ours],
        capture_output=True, text=True, cwd=EXAMPLE.parents[1], env={**os.environ, "PYTHONPATH": site},
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    counted = "from trainables.tasks import TASKS, task_names; print(sorted(TASKS), task_names())"
    seen = subprocess.run(
        [sys.executable, "-c", counted],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": site}, check=True,
    )  # fmt: skip
    assert seen.stdout == "['addition', 'gpt2'] ['addition', 'gpt2', 'installed-parity']\n"
