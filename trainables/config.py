"""The part of a configuration that the training loop reads, shared by every task."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from trainables.passes import STRICT, AdaptiveDecay, Pass, Restarts, Schedule, check_stretches

__all__ = ["STRICT", "AdaptiveDecay", "Pass", "Restarts", "TrainingConfig"]


class TrainingConfig(BaseModel):
    """Optimizer, schedule, budget and seed of one training run.

    Frozen, checked at construction, without extra keys. A task's configuration
    derives from it and adds its own fields.
    """

    model_config = STRICT

    aliases: ClassVar[dict[str, str]] = {
        "learning_rate": "lr",
        "batch_size": "batch",
        # Names of earlier versions, in stored plans, rows and checkpoints.
        "slow_gradient_gain": "grokfast_lamb",
        "slow_gradient_decay": "grokfast_alpha",
    }
    """Other names under which a field is accepted, each with the field's own."""

    path_fields: ClassVar[frozenset[str]] = frozenset({"start_from"})
    """Fields that name a file or a folder."""

    steps: int = Field(2000, ge=1, description="Optimizer steps of a full run: the budget of a trial.")
    batch: int = Field(256, ge=1, description="Samples in one step.")
    micro_batch: Annotated[int, Field(ge=1)] | Literal["auto"] | None = Field(
        None,
        description="Samples per forward pass; a step accumulates their gradients. Auto takes as many as fit "
        "into the free memory; by default all of a step's.",
    )
    lr: float = Field(0.01, gt=0, description="Peak learning rate of AdamW.")
    schedule: Schedule = Field(
        "warmup_cosine",
        description="Linear warm-up then cosine down to `final_lr`; or warm-up, the peak rate, then linearly "
        "down to `final_lr`; or the peak rate from the first step on.",
    )
    warmup: float = Field(
        0.05, ge=0, lt=1, description="Share of the steps in which the rate rises linearly; not for constant."
    )
    cooldown: float = Field(
        0.4, gt=0, le=1, description="Share of the steps, at the end, in which constant_linear falls."
    )
    final_lr: float = Field(0.1, ge=0, le=1, description="Rate at the last step, as a share of the peak.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's decoupled weight decay, on every parameter.")
    adaptive_decay: AdaptiveDecay | None = Field(
        None, description="Weight decay that fades while the validation loss falls, as last evaluated."
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="AdamW's decay of the mean gradient.")
    beta2: float = Field(0.999, ge=0, lt=1, description="AdamW's decay of the mean squared gradient.")
    grad_clip: float = Field(
        1.0, ge=0, description="Largest norm of the whole gradient; 0 turns clipping off."
    )
    grokfast_lamb: float = Field(
        0.0, ge=0, description="Grokfast: adds this multiple of the gradient's slow part; 0 is off."
    )
    grokfast_alpha: float = Field(
        0.98, ge=0, lt=1, description="Grokfast: decay of the exponential average, the gradient's slow part."
    )
    replay_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Largest share of a batch that are samples which the model answered incorrectly.",
    )
    replay_every: int = Field(1000, ge=1, description="Steps after which they are looked for again.")
    replay_pool: int = Field(
        2048, ge=1, description="Fresh training samples looked at each time; also the most that are kept."
    )
    replay_from: float = Field(0.0, ge=0, lt=1, description="Share of the steps after which replay begins.")
    second_pass: Pass | None = Field(
        None, description="Last steps with a fresh optimizer and schedule, from the weights reached."
    )
    passes: Annotated[tuple[Pass, ...], Field(strict=False)] = Field(
        (), description="Several of them, in order, after the first steps; `second_pass` is a list of one."
    )
    restarts: Restarts | None = Field(
        None, description="Begins again, with other weights and data, where the loss has not fallen early."
    )
    start_from: str | None = Field(
        None,
        description="A checkpoint to take the initial weights from; optimizer and schedule are fresh.",
    )
    finish: Literal["none", "lbfgs", "cma_es"] = Field(
        "none",
        description="Optimizer for the last errors, on one large batch, used after AdamW.",
    )
    finish_above: float = Field(
        0.9, description="Value of the task's first metric in validation at which the finish begins."
    )
    finish_steps: int = Field(20, ge=1, description="Steps of the finish, at most; the run ends with them.")
    finish_batch: int = Field(8192, ge=1, description="Samples of the finish's one batch.")
    patience: int | None = Field(
        None,
        ge=1,
        description="Ends the run after this many evaluations without a better validation loss; none: never.",
    )
    min_delta: float = Field(
        0.0, ge=0, description="Decrease of the validation loss that counts as better, for `patience`."
    )
    eval_every: int = Field(
        100, ge=1, description="Steps between two evaluations, each of which is a report."
    )
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto",
        description="Of training's forward pass; weights, validation and answers are in float32. Auto takes "
        "bf16 from a million parameters on, on a GPU that has it.",
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether torch.compile is used; auto tries it on a GPU, and does without if it fails.",
    )
    seed: int = Field(0, ge=0, description="Seed of the initial weights and of the training data.")

    @model_validator(mode="before")
    @classmethod
    def _by_own_names(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        fields = cls.model_fields  # a property, not cheap
        if content.keys() <= fields.keys():
            return content
        named: dict[Any, Any] = {}
        for name, value in content.items():
            # A task may have a field of its own that is called so.
            own = name if name in fields else cls.aliases.get(name, name)
            if own in named:
                raise ValueError(f"{name} is another name of {own}; state one of them")
            named[own] = value
        return named

    @model_validator(mode="after")
    def _stretches_fit(self) -> Self:
        check_stretches(self)
        return self

    @model_validator(mode="after")
    def _passes_have_steps(self) -> Self:
        if self.second_pass is not None and self.passes:
            raise ValueError("second_pass is a list of one in passes; state one of them")
        if all(begin < end for begin, end in pairwise([0, *self.pass_ends])):
            return self
        if self.second_pass is not None:
            raise ValueError(
                f"second_pass must leave steps to both passes, but got (share={self.second_pass.share}, "
                f"steps={self.steps})"
            )
        raise ValueError(
            "passes must leave steps to each of them and to those before, but got "
            f"(shares={[one.share for one in self.passes]}, steps={self.steps})"
        )

    @property
    def further_passes(self) -> tuple[Pass, ...]:
        """The passes after the first."""
        return self.passes if self.second_pass is None else (self.second_pass,)

    @property
    def pass_ends(self) -> list[int]:
        """The last step of each pass, the first pass's first."""
        shares = [one.share for one in self.further_passes]
        begins = [self.steps - round(self.steps * sum(shares[index:])) for index in range(len(shares))]
        return [*begins, self.steps]

    @property
    def judged_after(self) -> int:
        """Steps after which an attempt is judged, and before which none reports; 0 without restarts."""
        return 0 if self.restarts is None else self.restarts.judged_after(self.steps)

    def pass_at(self, step: int) -> Pass | None:
        """Return the further pass that a step counted from 1 is in; None for the first pass."""
        further = self.further_passes
        index = bisect_left(self.pass_ends, step) if further else 0
        return further[min(index, len(further)) - 1] if index else None

    @property
    def prefix_steps(self) -> int:
        """Number of first steps that do not depend on ``steps``, less than all; 0 if there are none."""
        if self.against_sharing:
            return 0
        # The last step has the last rate, however short the cooldown.
        return self.steps - max(1, round(self.cooldown * self.steps))

    @property
    def against_sharing(self) -> list[str]:
        """Why the first steps depend on their number, in words."""
        reasons = []
        if self.schedule != "constant_linear":
            reasons.append(f"schedule is {self.schedule}{self._if_default('schedule')}")
        if self.warmup:
            reasons.append(f"warmup is {self.warmup:g}{self._if_default('warmup')}")
        if self.further_passes:
            reasons.append("there is a second_pass" if self.second_pass else "there are passes")
        if self.restarts is not None:
            reasons.append("there are restarts")
        if self.has_replay:
            reasons.append("there is replay")
        if self.start_from is not None:  # the file could change before a longer run begins
            reasons.append("start_from is stated")
        return reasons

    def _if_default(self, field: str) -> str:
        return "" if field in self.model_fields_set else " (its default)"

    @property
    def without_effect(self) -> dict[str, str]:
        """Fields that do nothing beside the values of others, each with the reason, in words."""
        reasons: dict[str, str] = {}
        for names, other, off in (
            (("warmup", "final_lr"), "schedule", self.schedule == "constant"),
            (("cooldown",), "schedule", self.schedule != "constant_linear"),
            (("grokfast_alpha",), "grokfast_lamb", not self.has_slow_gradients),
            (("replay_every", "replay_pool", "replay_from"), "replay_share", not self.has_replay),
            (("min_delta",), "patience", self.patience is None),
            (("finish_above", "finish_steps", "finish_batch"), "finish", self.finish == "none"),
        ):
            if off:
                value = getattr(self, other)
                stated = f"{other} is {'none' if value is None else value}{self._if_default(other)}"
                reasons |= dict.fromkeys(names, stated)
        return reasons

    @property
    def needs_gpu(self) -> str | None:
        """What in this configuration trains on a GPU only, with alternatives; None if nothing does."""
        return None

    @property
    def data_changes_at(self) -> Sequence[int]:
        """Steps, counted from 1 and rising, from which on other training data are drawn; none by default.

        These are the first steps of the phases of a curriculum, without the first phase. Before the last of
        them a model has not been trained on what validation measures.
        """
        return ()

    @property
    def peak_lr(self) -> float:
        """The peak rate of which the rates of parameter groups are multiples."""
        return self.lr

    def with_absolute_paths(self) -> Self:
        """Return the same configuration, with absolute paths."""
        if self.start_from is None:
            return self
        return self.model_copy(update={"start_from": str(Path(self.start_from).absolute())})

    def batch_at(self, step: int) -> int:
        """Return the samples of a step counted from 1."""
        own = self.pass_at(step)
        return self.batch if own is None or own.batch is None else own.batch

    def samples_before(self, step: int) -> int:
        """Return the samples of all steps before a step counted from 1."""
        ends = [0, *self.pass_ends]
        return sum(max(0, min(end, step - 1) - begin) * self.batch_at(end) for begin, end in pairwise(ends))

    def weight_decay_at(self, step: int) -> float:
        """Return the weight decay of a step counted from 1."""
        own = self.pass_at(step)
        return self.weight_decay if own is None or own.weight_decay is None else own.weight_decay

    def grokfast_lamb_at(self, step: int) -> float:
        """Return Grokfast's multiple at a step counted from 1."""
        own = self.pass_at(step)
        return self.grokfast_lamb if own is None or own.grokfast_lamb is None else own.grokfast_lamb

    def replay_share_at(self, step: int) -> float:
        """Return the largest share of replayed samples at a step counted from 1."""
        if step <= self.replay_from * self.steps:
            return 0.0
        own = self.pass_at(step)
        return self.replay_share if own is None or own.replay_share is None else own.replay_share

    @property
    def has_replay(self) -> bool:
        """Whether any pass replays samples."""
        return any(self.replay_share_at(end) > 0 for end in self.pass_ends)

    @property
    def has_slow_gradients(self) -> bool:
        """Whether any pass uses Grokfast."""
        return any(self.grokfast_lamb_at(end) > 0 for end in self.pass_ends)
