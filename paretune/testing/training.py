"""What is checked of a task in training and evaluation: batches, the loss, reports, checkpoints."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from paretune.testing.base import CPU, Checks, same, samples_in
from trainables.checkpoints import load, save


class TrainingChecks(Checks):
    """Checks of a task that is trained for some steps."""

    # Training

    def test_a_step_always_has_the_same_batch_and_other_steps_and_seeds_have_others(self) -> None:
        """A resumed run sees what it would have seen."""
        first, second = self._workload(), self._workload()
        one, two = first.batch(1), first.batch(2)
        assert same(second.batch(2), two), "step 2 has another batch if it is asked for first"
        assert same(second.batch(1), one), "step 1 has another batch in another workload"
        assert same(first.batch(1), one), "step 1 has another batch the second time"
        assert not same(one, two), "steps 1 and 2 have the same batch"
        other = self._workload(seed=self._configured().seed + 1)
        assert not same(other.batch(1), one), "another seed has the same batches"

    def test_a_large_batch_is_of_training_data_that_no_step_has(self) -> None:
        """And always the same, as a batch is."""
        config, workload = self._configured(), self._workload()
        large = workload.large_batch(config.batch)
        assert same(large, self._workload().large_batch(config.batch)), "it is another the second time"
        assert not same(large, workload.batch(1)), "it is the batch of step 1"
        loss = workload.loss(workload.build_model(), large).item()
        assert math.isfinite(loss), f"its loss is {loss}"

    def test_a_large_batch_has_as_many_samples_as_asked_for_and_teaches(self) -> None:
        """A finish asks for thousands."""
        workload = self._workload()
        for samples in (1, 7, 3000):
            got = samples_in(workload.large_batch(samples))
            assert got == samples, f"{samples} samples were asked for, {got} came"
        torch.manual_seed(0)
        model = workload.build_model()
        workload.loss(model, workload.large_batch(64)).backward()  # type: ignore[no-untyped-call]
        for name, weight in model.named_parameters():
            assert weight.grad is not None and bool(weight.grad.any()), f"{name} has no gradient"  # noqa: PT018

    def test_every_step_has_the_batch_and_the_decay_of_its_pass(self) -> None:
        """A second pass may have other ones."""
        second = {"share": 0.25, "lr": 0.1, "batch": 5, "weight_decay": 0.5}
        config = self._configured(steps=8, batch=3, second_pass=second)
        workload = self.task.workload(config, CPU)
        batches = [samples_in(workload.batch(step)) for step in range(1, 9)]
        assert batches == [3] * 6 + [5] * 2, f"batch sizes are {batches}; go by config.batch_at(step)"
        assert batches == [config.batch_at(step) for step in range(1, 9)], "batch_at says another size"
        decays = [config.weight_decay_at(step) for step in range(1, 9)]
        assert decays == [config.weight_decay] * 6 + [0.5] * 2, f"weight decays are {decays}"

    def test_the_last_step_has_a_batch(self) -> None:
        """Data that end must not end before training does."""
        self._workload().batch(self._configured().steps)

    def test_the_loss_is_a_finite_scalar_that_teaches_every_parameter(self) -> None:
        """A parameter without a gradient is counted, and learns nothing."""
        torch.manual_seed(0)
        workload = self._workload()
        model = workload.build_model()
        loss = workload.loss(model, workload.batch(1))
        assert loss.shape == (), f"the loss has shape {tuple(loss.shape)}; return a scalar"
        assert math.isfinite(loss.item()), f"the loss of an untrained model is {loss.item()}"
        loss.backward()  # type: ignore[no-untyped-call]
        for name, weight in model.named_parameters():
            assert weight.requires_grad, f"{name} is not trained"
            assert weight.grad is not None, f"{name} has no gradient"
            assert bool(weight.grad.isfinite().all()), f"{name} has a gradient that is not finite"
            assert bool(weight.grad.any()), f"{name} has a gradient of zero only"

    def test_the_loss_is_in_float32_even_if_the_model_computes_in_bf16(self) -> None:
        """Mixed precision is the loop's."""
        workload = self._workload()
        model = workload.build_model()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = workload.loss(model, workload.batch(1))
        exact = workload.loss(model, workload.batch(1)).item()
        assert loss.dtype == torch.float32, f"the loss is in {loss.dtype}; give it the logits as .float()"
        assert math.isclose(loss.item(), exact, rel_tol=0.1), f"it is {loss.item()} in bf16, and {exact}"

    def test_every_report_has_the_tasks_metrics_in_a_finish_too(self) -> None:
        """Tables have no holes."""
        always = -1e9 if self.task.metrics[0].direction == "max" else 1e9
        finish = {"finish": "lbfgs", "finish_above": always, "finish_steps": 2, "finish_batch": 16}
        reports, _ = self._trained(self._configured(steps=5, eval_every=2, batch=4, **finish))
        assert [report.step for report in reports] == [2, 3, 4], "it reports at other steps"
        for report in reports:
            lacking = {metric.name for metric in self.task.metrics} - set(report.metrics)
            assert not lacking, f"the report of step {report.step} lacks {sorted(lacking)}"
            assert all(math.isfinite(value) for value in report.metrics.values()), "a metric is not finite"

    def test_a_run_resumed_from_a_file_ends_as_one_that_was_not_interrupted(self) -> None:
        """Searches are interrupted, and checkpoints are plain values and tensors."""
        config = self._configured(steps=4, eval_every=2, batch=4)
        reports, snapshots = self._trained(config)
        with TemporaryDirectory(prefix="paretune-") as folder:
            path = Path(folder) / "checkpoint.pt"
            save(snapshots[0], path)
            resumed, _ = self._trained(config, resume=load(path))
        for metric in self.task.metrics:
            through, again = reports[-1].metrics[metric.name], resumed[-1].metrics[metric.name]
            assert math.isclose(through, again, rel_tol=1e-4, abs_tol=1e-6), (
                f"{metric.name} is {again} after resuming at step 2, and {through} without"
            )

    def test_torchs_seed_decides_the_initial_weights(self) -> None:
        """A trial can be repeated."""
        workload = self._workload()
        states = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            states.append(dict(workload.build_model().state_dict()))
        assert same(states[0], states[1]), "the same seed gives other weights"
        assert not same(states[0], states[2]), "another seed gives the same weights"

    # Evaluation

    def test_an_evaluation_counts_successes_among_the_problems_asked_for(self) -> None:
        """From which an interval can be computed."""
        torch.manual_seed(0)
        workload = self._workload()
        model = workload.build_model()
        found = workload.evaluate(model, problems=64, seed=3)
        assert found == workload.evaluate(model, problems=64, seed=3), "the same seed gives another result"
        assert found.metric in {metric.name for metric in self.task.metrics}, f"{found.metric} is no metric"
        assert found.problems == 64, f"64 problems were asked for, {found.problems} evaluated"
        if found.successes is None:
            assert found.mean is not None and math.isfinite(found.mean), "the mean is not finite"  # noqa: PT018
            assert found.standard_error is not None, "the mean has no standard error"
            assert found.standard_error > 0, "its standard error is 0"
        else:
            assert 0 <= found.successes <= 64, f"{found.successes} of 64 are correct"
        assert found.drawn_from, "it does not say what the problems were drawn from"
        for table in found.tables:
            assert table.title, "a table has no title"
            assert all(len(row) == len(table.columns) for row in table.rows), f"{table.title} is ragged"

    def test_abilities_are_functions(self) -> None:
        """A command calls them."""
        for name, ability in self.task.abilities.items():
            assert callable(ability), f"the ability {name} is {ability!r}, not a function"
