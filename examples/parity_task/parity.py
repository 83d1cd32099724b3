"""parity: is the number of ones among some bits odd? A task to start from; change what you like."""

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from paretune import BaseTask, BaseWorkload, Metric, TrainingConfig


class ParityConfig(TrainingConfig):
    """What a space file may set for this task. Steps, batch, learning rate and the like are inherited."""

    bits: int = Field(12, ge=8, le=48, description="Bits of a string.")
    relevant: int = Field(3, ge=1, le=8, description="Bits whose parity is asked for: the first ones.")
    width: int = Field(16, ge=1, description="Features of the hidden layer.")


class ParityWorkload(BaseWorkload[ParityConfig]):
    """One configuration's model and data."""

    drawn_from = "strings of the test split, a fifth of all"

    def model(self) -> nn.Module:
        """Return a new model; torch's seed decides its weights."""
        width = self.config.width
        return nn.Sequential(nn.Linear(self.config.bits, width), nn.ReLU(), nn.Linear(width, 1))

    def draw(self, split: str, samples: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return random strings, (samples, bits), and whether they are odd, (samples,).

        A string, read as a number, is in the split that its remainder by 5 says, so that no string is in two.
        """
        most = 2**self.config.bits // 5
        fifths = torch.randint(most, (samples,), generator=generator)
        if split == "train":
            remainders = torch.randint(3, (samples,), generator=generator)
        else:
            remainders = torch.full((samples,), 3 if split == "validation" else 4)
        strings = (5 * fifths + remainders)[:, None] >> torch.arange(self.config.bits) & 1
        return strings.float(), strings[:, : self.config.relevant].sum(1) % 2

    def loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean loss of a batch, in float32."""
        strings, odd = batch
        return F.binary_cross_entropy_with_logits(model(strings)[:, 0].float(), odd.float())

    def measure(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return for each sample whether the model is correct."""
        strings, odd = batch
        return (model(strings)[:, 0] > 0) == (odd == 1)


class Parity(BaseTask):
    """The task: how it is called, and what its parts are."""

    name = "parity"
    config_class = ParityConfig
    workload_class = ParityWorkload
    metric = Metric(
        name="accuracy",
        direction="max",
        unit="share",
        description="share of validation strings whose parity is told correctly",
        best=1.0,
    )
