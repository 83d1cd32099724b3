"""The GPT-2 task, as :class:`trainables.contract.Task` describes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from trainables.base import BaseTask
from trainables.config import TrainingConfig
from trainables.contract import VALIDATION_LOSS, Diagnosis, Metric
from trainables.gpt2.config import DEMAND_FIELDS, GPT2Config
from trainables.gpt2.shape import SIZE_FIELDS
from trainables.machines.demand import Demand

if TYPE_CHECKING:
    import torch

    from trainables.checkpoints import LoadedModel
    from trainables.gpt2.workload import GPT2Workload


def _generate(
    loaded: LoadedModel, prompt: str, *, tokens: int, temperature: float, top_k: int | None, seed: int
) -> Iterator[str]:
    from trainables.gpt2.generation import generate, tokenizer_of
    from trainables.gpt2.model import GPT2

    return generate(
        cast("GPT2", loaded.model),
        cast("GPT2Config", loaded.config),
        tokenizer_of(loaded.notes),
        prompt,
        count=tokens,
        temperature=temperature,
        top_k=top_k,
        seed=seed,
    )


class GPT2Task(BaseTask):
    """Language modelling: the next token of real text."""

    name = "gpt2"
    config_class: type[TrainingConfig] = GPT2Config
    size_fields = SIZE_FIELDS
    demand_fields = DEMAND_FIELDS
    abilities: Mapping[str, Callable[..., Any]] = {"generate": _generate}
    metrics: tuple[Metric, ...] = (
        Metric(
            name=VALIDATION_LOSS,
            direction="min",
            unit="nats/token",
            description="mean cross-entropy of the next token, on a part of the validation text",
            best=0.0,
            worst=20.0,  # guessing among 50,304 tokens gives 10.83
        ),
        Metric(
            name="bits_per_byte",
            direction="min",
            unit="bits/byte",
            description="the same loss per byte of text in UTF-8, by which tokenizers can be compared",
            best=0.0,
            worst=30.0,
        ),
    )

    def parameter_table(self, config: TrainingConfig) -> dict[str, int]:
        """Return the exact number of unique parameters by component."""
        return cast("GPT2Config", config).parameter_table()

    def demand(self, config: TrainingConfig) -> Demand:
        """Return what training a configuration needs."""
        return cast("GPT2Config", config).demand

    def prepare(self, config: TrainingConfig) -> None:
        """Check the data set, every token of it, or build it if it is that of Python."""
        from trainables.gpt2.checking import check_data

        check_data(cast("GPT2Config", config))

    def missing(self, config: TrainingConfig) -> str | None:
        """Check the data set if it is here."""
        from trainables.gpt2.checking import missing_data

        return missing_data(cast("GPT2Config", config))

    def diagnose(self) -> Sequence[Diagnosis]:
        """Say which text there is without a network."""
        from trainables.gpt2.checking import diagnose

        return diagnose()

    def workload(self, config: TrainingConfig, device: torch.device) -> GPT2Workload:
        """Return the configuration's model, batches, loss and measurements on ``device``."""
        # Imported here so that a space file can be checked without waiting for torch.
        from trainables.gpt2.workload import GPT2Workload

        return GPT2Workload(cast("GPT2Config", config), device)
