"""The configuration of the GPT-2 task, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from trainables.config import STRICT, TrainingConfig
from trainables.gpt2.shape import LOGITS_AT_A_TIME, SIZE_FIELDS, GPT2Shape
from trainables.machines.demand import FIELDS, Demand, memory_of, samples_together

PYTHON = "python"
"""The data set that is built from the running Python on first use."""


class GPT2Config(GPT2Shape, TrainingConfig):
    """One configuration of the GPT-2 task: text, model, optimizers."""

    model_config = STRICT

    aliases: ClassVar[dict[str, str]] = {**TrainingConfig.aliases, "vocab_size": "vocabulary"}
    path_fields: ClassVar[frozenset[str]] = TrainingConfig.path_fields | {"data"}

    data: str = Field(
        PYTHON,
        min_length=1,
        description="A data set's folder, which `paretune data` makes; or `python`, the text that every "
        "Python brings along.",
    )
    order: Literal["random", "sequential"] = Field(
        "random",
        description="Sequences begin at random places, drawn by the seed; or in order through the text.",
    )
    steps: int = Field(500, ge=1, description="Optimizer steps: the horizon of the schedule.")
    batch: int = Field(12, ge=1, description="Sequences in one step.")
    lr: float = Field(
        0.001,
        gt=0,
        description="Peak learning rate with optimizer adamw; of the blocks' matrices with grouped_adamw.",
    )
    beta2: float = Field(0.99, ge=0, lt=1, description="AdamW's decay of the mean squared gradient.")
    optimizer: Literal["adamw", "grouped_adamw", "muon"] = Field(
        "adamw",
        description="AdamW for all; or Muon for the blocks' matrices and Adam, with `beta1` and `beta2`, for "
        "embeddings, head and scalars, each with its own rate; or the same groups and rates, with AdamW for "
        "the matrices too.",
    )
    muon_lr: float = Field(0.05, gt=0, description="With optimizer muon: peak rate of the blocks' matrices.")
    embedding_lr: float = Field(
        0.6, gt=0, description="Not with optimizer adamw: peak rate of all embeddings."
    )
    head_lr: float = Field(0.008, gt=0, description="Not with optimizer adamw: peak rate of an untied head.")
    scalar_lr: float = Field(
        0.04,
        gt=0,
        description="Not with optimizer adamw: peak rate of scalars, biases, norms and the smear gate.",
    )
    muon_momentum: float = Field(0.95, ge=0, lt=1, description="Muon's momentum after its warm-up.")
    momentum_start: float = Field(0.85, ge=0, lt=1, description="Muon's momentum at the first step.")
    momentum_warmup: int = Field(300, ge=0, description="Steps in which Muon's momentum rises.")
    weight_decay: float = Field(
        0.0, ge=0, description="Decoupled weight decay of matrices; with optimizer adamw of embeddings too."
    )
    document_mask: bool = Field(False, description="Limits attention to the token's document.")
    window: Annotated[tuple[int, int], Field(strict=False)] | None = Field(
        None,
        description="Tokens that attention reaches back at the first and the last step; it grows linearly.",
    )
    attention: Literal["auto", "sdpa", "flex"] = Field(
        "auto",
        description="PyTorch's scaled dot product, or its FlexAttention, which skips what a mask hides and "
        "needs a GPU. Auto takes flex on a GPU where there is more than the causal mask.",
    )
    val_tokens: int = Field(32_768, ge=2, description="Tokens of the validation text used for validation.")
    val_range: Literal["spread", "first"] = Field(
        "spread",
        description="Which: sequences spread evenly over the first half of the validation text, so that "
        "few show much of it; or its first ones, as in the published run.",
    )

    @property
    def against_sharing(self) -> list[str]:
        """A window too: it grows along with the steps."""
        return super().against_sharing + ["there is a window"] * (self.window is not None)

    @property
    def without_effect(self) -> dict[str, str]:
        """Rates and momentum of the optimizer that is not used too."""
        reasons = super().without_effect
        others = ["lr"]
        if self.optimizer != "muon":
            others = ["muon_lr", "muon_momentum", "momentum_start", "momentum_warmup"]
        if self.optimizer == "adamw":
            others += ["embedding_lr", "head_lr", "scalar_lr"]
        stated = f"optimizer is {self.optimizer}{self._if_default('optimizer')}"
        return reasons | dict.fromkeys(others, stated)

    @property
    def needs_gpu(self) -> str | None:
        """FlexAttention has no backward pass on a CPU."""
        if self.attention == "flex":
            return "attention: flex trains on a GPU only, auto and sdpa everywhere"
        return None

    @property
    def peak_lr(self) -> float:
        """The rate of which the groups' rates are multiples: that of the matrices."""
        return self.muon_lr if self.optimizer == "muon" else self.lr

    def with_absolute_paths(self) -> Self:
        """Return the same configuration, with absolute paths."""
        absolute = super().with_absolute_paths()
        if self.data == PYTHON:
            return absolute
        return absolute.model_copy(update={"data": str(Path(self.data).absolute())})

    @property
    def val_sequences(self) -> int:
        """Sequences used for validation."""
        return self.val_tokens // self.context

    def validation_begins(self, tokens: int) -> list[int]:
        """Return where each validation sequence begins in a validation text of ``tokens`` tokens."""
        apart = self.context
        if self.val_range == "spread":
            apart = (tokens - 1) // 2 // self.val_sequences
        return [index * apart for index in range(self.val_sequences)]

    def held_out_from(self, tokens: int) -> int:
        """Return the first token of a validation text that is reserved for test evaluations."""
        return (tokens - 1) // 2 if self.val_range == "spread" else self.val_sequences * self.context

    def window_at(self, step: int) -> int:
        """Return how many tokens attention reaches back at a step counted from 1, its own included."""
        if self.window is None:
            return self.context
        first, last = self.window
        if self.steps == 1:
            return last
        # In integers: a product of floats could be rounded to just above an integer, and up by a token.
        return last - (last - first) * (self.steps - step) // (self.steps - 1)

    def flops_per_token_at(self, step: int) -> float:
        """Return operations per token as PaLM counts them: 6 per weight, 12 per attended feature.

        Every token is assumed to attend to the step's whole window: positions hidden by the causal mask
        and documents count too.
        """
        reach = min(self.context, self.window_at(step))
        return 6 * self.active_parameters + 12 * len(self.attention_layers) * self.d_model * reach

    @property
    def demand(self) -> Demand:
        """Memory and operations that training needs; attention reaches furthest at the last step."""
        parameters = sum(self.parameter_table().values())
        by_muon = self.block_matrices if self.optimizer == "muon" else 0
        tokens = samples_together(self) * self.context
        # Parts of very many logits are computed once more in the backward pass.
        logits = min(tokens * self.vocabulary * (2 if self.logit_cap else 1), LOGITS_AT_A_TIME)
        # Weights of queries, keys and values are copied into one matrix.
        joined = len(self.attention_layers) * 3 * self.d_model**2
        return Demand(
            memory=memory_of(
                self,
                parameters=parameters,
                averages=2 * (parameters - by_muon) + by_muon,
                kept=tokens * self.kept_per_token + logits + joined,
            ),
            flops_per_token=self.flops_per_token_at(self.steps),
        )

    @model_validator(mode="after")
    def _nothing_to_replay(self) -> Self:
        if self.has_replay:
            raise ValueError("replay_share must be 0: a prediction of text is neither correct nor incorrect")
        return self

    @model_validator(mode="after")
    def _window_in_order(self) -> Self:
        if self.window is not None and not 1 <= self.window[0] <= self.window[1]:
            raise ValueError(f"1 <= first <= last must hold in window, but got {list(self.window)}")
        return self

    @model_validator(mode="after")
    def _window_limits(self) -> Self:
        if self.window is not None and self.window[0] >= self.context:
            raise ValueError(
                "window must begin below context, or it has no effect, but got "
                f"(window={list(self.window)}, context={self.context})"
            )
        return self

    @model_validator(mode="after")
    def _validation_has_a_sequence(self) -> Self:
        if self.val_tokens < self.context:
            raise ValueError(
                "val_tokens must be at least context, but got "
                f"(val_tokens={self.val_tokens}, context={self.context})"
            )
        return self


DEMAND_FIELDS = SIZE_FIELDS | FIELDS | {"optimizer", "window"}
"""Fields that memory and operations depend on."""
