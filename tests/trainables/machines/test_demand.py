"""What a configuration needs, by formulas: compared with what PyTorch keeps and the training loop counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from trainables.config import TrainingConfig
from trainables.contract import Task, parameter_count
from trainables.gpt2.config import GPT2Config
from trainables.machines.demand import BYTES, StatesDemand, samples_together
from trainables.machines.memory import bytes_for_backward
from trainables.optim.optimization import Optimization
from trainables.tasks import TASKS

CPU = torch.device("cpu")
ADDITION = {"engine": "torch", "digits": 3, "batch": 64, "n_heads": 2, "d_model": 16, "d_ff": 64}
GPT2 = {"batch": 2, "n_layers": 2, "d_model": 64, "d_ff": 256, "context": 32}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("addition", {}),
    ("addition", {"n_layers": 3, "batch": 8, "activation": "swiglu"}),
    ("addition", {"n_layers": 2, "position": "rotary", "qk_norm": "separate"}),
    ("addition", {"n_layers": 2, "dropout": 0.1}),
    ("addition", {"n_layers": 2, "format": "base100", "digits": 8}),
    ("gpt2", {}),
    ("gpt2", {"n_layers": 4, "norm": "rms", "activation": "squared_relu", "position": "rotary"}),
    ("gpt2", {"qk_norm": True, "bias": False, "value_embeddings": "corrected", "attention_gates": True}),
    ("gpt2", {"parallel_blocks": True, "logit_cap": 15.0, "embedding_mixing": True}),
    ("gpt2", {"n_layers": 4, "without_attention": [1], "without_mlp": [2], "unet_skips": True}),
]


def task_and_config(name: str, **changed: Any) -> tuple[Task, TrainingConfig]:
    task = TASKS[name]
    stated = (ADDITION if name == "addition" else GPT2) | {"precision": "float32"} | changed
    return task, task.config_class.model_validate(stated)


def memory(name: str, **changed: Any) -> int:
    task, config = task_and_config(name, **changed)
    assert isinstance(task, StatesDemand)
    return task.demand(config).memory


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(inner)


@pytest.mark.parametrize(("name", "changed"), CASES)
def test_memory_is_what_pytorch_keeps_to_within_a_tenth(name: str, changed: dict[str, Any]):
    task, config = task_and_config(name, **changed)
    workload = task.workload(config, CPU)
    model = workload.build_model()
    kept = bytes_for_backward(workload, model, workload.batch(1))
    # Weights, gradients and AdamW's two averages.
    whole = 4 * BYTES * parameter_count(task, config)
    assert memory(name, **changed) - whole == pytest.approx(kept, rel=0.1)


def test_averages_of_muon_are_what_it_keeps():
    task, config = task_and_config("gpt2", optimizer="muon", attention_gates=True)
    workload = task.workload(config, CPU)
    model = workload.build_model()
    optimization = Optimization(workload.parameter_groups(model), config)
    optimization.differentiate([workload.loss(model, workload.batch(1))])
    optimization.step(number=1, rate=0.01, weight_decay=0.0)
    numbers = [tensor.numel() for tensor in tensors_in(optimization.state_dict()) if tensor.ndim > 0]
    by_adamw = memory("gpt2", attention_gates=True)
    fewer = BYTES * (2 * parameter_count(task, config) - sum(numbers))
    assert by_adamw - memory("gpt2", optimizer="muon", attention_gates=True) == fewer > 0


def test_grokfast_keeps_one_more_average():
    task, config = task_and_config("addition")
    more = memory("addition", grokfast_lamb=2.0) - memory("addition")
    assert more == BYTES * parameter_count(task, config)


@pytest.mark.parametrize(
    ("changed", "samples"),
    [
        ({"batch": 64}, 64),
        ({"batch": 64, "micro_batch": 16}, 16),
        ({"batch": 8, "micro_batch": 16}, 8),
        ({"batch": 64, "micro_batch": "auto"}, 1),
        ({"batch": 64, "second_pass": {"share": 0.5, "lr": 0.01, "batch": 128}}, 128),
    ],
)
def test_memory_is_that_of_the_largest_forward_pass(changed: dict[str, Any], samples: int):
    _, config = task_and_config("addition", **changed)
    assert samples_together(config) == samples
    plain = memory("addition", batch=samples)
    assert memory("addition", **changed) == plain


def test_memory_of_many_logits_is_bounded():
    """They are computed in parts, and once more in the backward pass."""
    few, many = (memory("gpt2", vocabulary=50_304, batch=batch, context=1024) for batch in (8, 16))
    stream = GPT2Config(**GPT2).kept_per_token * 8 * 1024  # type: ignore[arg-type]
    assert many - few == BYTES * stream


def test_operations_are_those_that_the_loop_divides_by_the_time():
    task, config = task_and_config("gpt2", window=[8, 16], steps=10)
    assert isinstance(task, StatesDemand)
    assert task.demand(config).flops_per_token == task.workload(config, CPU).flops_per_token(10)


def test_operations_of_an_adder_are_6_per_weight_and_12_per_attended_feature():
    task, config = task_and_config("addition", digits=10, d_model=7, n_heads=1, d_ff=14)
    assert isinstance(task, StatesDemand)
    weights = 4 * 7 * 7 + 2 * 7 * 14 + 14 * 7
    assert task.demand(config).flops_per_token == 6 * weights + 12 * 7 * 33
