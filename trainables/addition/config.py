"""The configuration of the addition task, without torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from trainables.addition.layout import FormatName, Layout, Padding, layout_of
from trainables.config import STRICT, TrainingConfig
from trainables.machines.demand import FIELDS, Demand, memory_of, samples_together
from trainables.transformer.counting import count_parameters
from trainables.transformer.demand import flops_per_token, kept_per_sample
from trainables.transformer.shape import TransformerShape

MAX_DIGITS = 18
"""Largest operands whose sum still fits a signed 64-bit integer."""

MAX_CMA_PARAMETERS = 2000
"""Largest model that CMA-ES can finish: its covariance has this many rows and columns."""

VALIDATION_PROBLEMS = {1: 4, 2: 1000, 3: 99_892}
"""Problems that can be validated on, by their digits; of more digits, a fortieth of all."""

Share = Annotated[float, Field(ge=0, le=1)]


class Phase(BaseModel):
    """A phase of the curriculum: the operand lengths that are drawn, and its share of the steps."""

    model_config = STRICT

    digits: Annotated[
        tuple[int, int],
        Field(strict=False, description="Fewest and most digits; a length in between is drawn per problem."),
    ]
    share: float = Field(
        gt=0,
        description="Relative length: shares 2000, 5000, 20000 divide 27,000 steps in exactly these parts.",
    )
    weight_decay: float | None = Field(
        None, ge=0, description="Weight decay in this phase; by default the configuration's."
    )

    @model_validator(mode="after")
    def _digits_in_order(self) -> Self:
        low, high = self.digits
        if not 1 <= low <= high:
            raise ValueError(f"1 <= fewest <= most must hold in digits, but got [{low}, {high}]")
        return self


class AdditionConfig(TransformerShape, TrainingConfig):
    """One configuration of the addition task: problem, transformer, training."""

    model_config = STRICT

    digits: int = Field(
        3, ge=1, le=MAX_DIGITS, description="Digits of each operand; shorter ones are padded with zeros."
    )
    format: FormatName = Field("delimited", description="How a problem is written as tokens.")
    answer_order: Literal["reversed", "forward"] = Field(
        "reversed", description="Format characters: the answer's least or most significant digit first."
    )
    answer_length: Literal["fixed", "variable"] = Field(
        "fixed", description="Format characters: the answer padded with zeros, or without leading zeros."
    )
    pad_token: bool = Field(
        True, description="Format delimited: a PAD token in the vocabulary, which never occurs, as published."
    )
    padding: Padding = Field(
        "none",
        description="Format base100: numbers with leading zeros and no padding; or without, padded to 32 "
        "tokens which all have a loss from the answer on, as published; or with a loss on the answer only.",
    )
    position_rows: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Rows of a learned table of positions; by default as in the format's origin.",
    )
    curriculum: Annotated[tuple[Phase, ...], Field(strict=False)] = Field(
        (),
        description="Phases of operand lengths, in order; none means full-length operands only.",
    )
    carries: Literal["uniform", "balanced"] = Field(
        "uniform",
        description="Training problems: uniform, or with each number of carries equally often.",
    )
    chain_share: float = Field(
        0.0, ge=0, le=1, description="Share of training problems made to have a long chain of carries."
    )
    chain_fade: Annotated[tuple[Share, Share], Field(strict=False)] = Field(
        (0.1, 0.8), description="Shares of the steps between which `chain_share` falls linearly to 0."
    )
    train_problems: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        description="Number of distinct training problems, which are repeated; none always draws new ones.",
    )
    engine: Literal["auto", "native", "torch"] = Field(
        "auto",
        description="What computes the steps: C++, compiled for the model's shape, or PyTorch. Auto takes "
        "native on a CPU with a C++ compiler, for models that it can do and that are small.",
    )
    val_problems: int = Field(2000, ge=1, description="Validation problems in every evaluation.")

    @property
    def against_sharing(self) -> list[str]:
        """Problems change along the steps too."""
        reasons = super().against_sharing + ["there is a curriculum"] * bool(self.curriculum)
        return reasons + ["chain_share is above 0"] * bool(self.chain_share)

    @property
    def without_effect(self) -> dict[str, str]:
        """More problems than there are, and how a share of problems fades that is 0."""
        reasons = super().without_effect
        there = VALIDATION_PROBLEMS.get(self.digits, 100**self.digits // 40)
        if self.val_problems > there:
            reasons["val_problems"] = (
                f"got {self.val_problems:,}, but with digits {self.digits} there are only {there:,} "
                "problems to validate on"
            )
        if self.chain_share == 0:
            reasons["chain_fade"] = f"chain_share is 0{self._if_default('chain_share')}"
        return reasons

    @property
    def layout(self) -> Layout:
        """Lengths, vocabulary and positions of the configuration's format."""
        return layout_of(
            self.format,
            self.digits,
            forward=self.answer_order == "forward",
            variable=self.answer_length == "variable",
            pad_token=self.pad_token,
            padding=self.padding,
            position_rows=self.position_rows,
        )

    @model_validator(mode="after")
    def _format_has_the_knobs(self) -> Self:
        fields = type(self).model_fields
        for name, needed in (
            ("answer_order", "characters"),
            ("answer_length", "characters"),
            ("pad_token", "delimited"),
            ("padding", "base100"),
        ):
            value = getattr(self, name)
            if self.format != needed and value != fields[name].default:
                raise ValueError(f"{name}={value} needs format {needed}, but got format={self.format}")
        needed_rows = self.layout.input_length
        if self.position_rows is not None and self.position_rows < needed_rows:
            raise ValueError(
                f"position_rows must be at least {needed_rows}, the tokens read with format {self.format} "
                f"and digits={self.digits}, but got {self.position_rows}"
            )
        return self

    @model_validator(mode="after")
    def _curriculum_fits(self) -> Self:
        for phase in self.curriculum:
            if phase.digits[1] > self.digits:
                raise ValueError(
                    f"curriculum digits must be at most digits={self.digits}, but got {list(phase.digits)}"
                )
        return self

    @model_validator(mode="after")
    def _problems_can_be_drawn(self) -> Self:
        if self.chain_fade[0] > self.chain_fade[1]:
            raise ValueError(f"chain_fade must be in order, but got {list(self.chain_fade)}")
        if self.train_problems is not None:
            if self.curriculum:
                raise ValueError("train_problems and curriculum exclude each other, but got both")
            if self.chain_share > 0:
                raise ValueError("train_problems and chain_share exclude each other, but got both")
            most = 100**self.digits // 4
            if self.train_problems > most:
                raise ValueError(
                    f"train_problems must be at most {most:,}, a quarter of all with digits={self.digits}, "
                    f"but got {self.train_problems:,}"
                )
        return self

    @model_validator(mode="after")
    def _finish_fits(self) -> Self:
        if self.finish != "cma_es":
            return self
        params = sum(self.parameter_table().values())
        if params > MAX_CMA_PARAMETERS:
            raise ValueError(
                f"finish cma_es holds a matrix of parameters by parameters, so there must be at most "
                f"{MAX_CMA_PARAMETERS:,}, but got {params:,}"
            )
        return self

    @model_validator(mode="after")
    def _engine_can_do_it(self) -> Self:
        if self.engine == "native" and (reason := why_torch(self)) is not None:
            raise ValueError(f"engine native cannot be used: {reason}")
        return self

    def parameter_table(self) -> dict[str, int]:
        """Return the exact number of unique parameters by component."""
        layout = self.layout
        return count_parameters(self, vocabulary=layout.vocabulary, positions=layout.positions)

    @property
    def demand(self) -> Demand:
        """Memory and operations that training needs, as PyTorch computes; the native engine keeps less."""
        layout, samples = self.layout, samples_together(self)
        parameters = sum(self.parameter_table().values())
        kept = kept_per_sample(
            self,
            vocabulary=layout.vocabulary,
            read=layout.input_length,
            answered=layout.target_length,
            looks_up=samples > layout.vocabulary and self.dropout == 0,
        )
        return Demand(
            memory=memory_of(self, parameters=parameters, averages=2 * parameters, kept=samples * kept),
            flops_per_token=flops_per_token(self, vocabulary=layout.vocabulary, read=layout.input_length),
        )

    def phases(self) -> list[tuple[int, tuple[int, int]]]:
        """Return (last step, (fewest digits, most digits)) of each phase, in order.

        The last phase ends at ``steps``. Phases for which the budget is too short have no
        steps: they end where the previous one ends.
        """
        if not self.curriculum:
            return [(self.steps, (self.digits, self.digits))]
        total = sum(phase.share for phase in self.curriculum)
        ends, so_far = [], 0.0
        for phase in self.curriculum:
            so_far += phase.share
            ends.append((round(self.steps * so_far / total), phase.digits))
        return ends

    @property
    def data_changes_at(self) -> list[int]:
        """The first steps of phases whose operands have other lengths than those before."""
        changes = []
        before, last = 0, None
        for end, digits in self.phases():
            if end == before:
                continue
            if last is not None and digits != last:
                changes.append(before + 1)
            before, last = end, digits
        return changes

    def weight_decay_at(self, step: int) -> float:
        """Return the weight decay of a step counted from 1: the phase's own, if it has one."""
        for phase, (end, _) in zip(self.curriculum, self.phases(), strict=False):
            if step <= end:
                return super().weight_decay_at(step) if phase.weight_decay is None else phase.weight_decay
        return super().weight_decay_at(step)

    def chain_share_at(self, step: int) -> float:
        """Return the share of problems with a long chain of carries at a step counted from 1."""
        begin, end = (share * self.steps for share in self.chain_fade)
        if step <= begin:
            return self.chain_share
        return self.chain_share * max(0.0, (end - step) / (end - begin)) if end > begin else 0.0


def why_torch(config: AdditionConfig) -> str | None:
    """Return what in a configuration the native engine does not support on any machine; None if nothing."""
    if config.dropout > 0:
        return f"dropout is {config.dropout:g}, which only PyTorch supports"
    if config.padding != "none":
        return f"padding is {config.padding}, which only PyTorch supports"
    if config.precision == "bf16":
        return "precision is bf16, which only PyTorch supports"
    if config.compile == "on":
        return "compile is on, which needs PyTorch"
    return None


SIZE_FIELDS: frozenset[str] = frozenset(
    {
        *TransformerShape.model_fields,
        *("digits", "format", "answer_order", "answer_length", "pad_token", "padding", "position_rows"),
        *("curriculum", "train_problems", "chain_share", "chain_fade", "finish"),
        *("engine", "precision", "compile"),
    }
)
"""Fields that the parameter count, or the configuration's validity, depends on."""

DEMAND_FIELDS = SIZE_FIELDS | FIELDS
"""Fields that memory and operations depend on."""
