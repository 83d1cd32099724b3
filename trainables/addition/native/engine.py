"""The native engine: loss with gradients, and logits, of a PyTorch model by the compiled kernel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from trainables.addition.config import AdditionConfig
from trainables.addition.native.cache import library_for
from trainables.addition.native.compiler import Compiler
from trainables.addition.native.derivation import Derivation, NotRecordedError, derivation_of
from trainables.addition.native.kernel_shape import shape_header
from trainables.addition.native.library import KernelLibrary, Validation
from trainables.addition.native.weights import flattened, weights_of
from trainables.transformer.model import Transformer

ONE_BY_ONE = "PyTorch derives its weights and takes the steps"
"""What is different about an engine without a derivation."""


class NativeEngine:
    """Computes the same as a :class:`Transformer` of one shape, on a CPU.

    The model stays a PyTorch model, with parameters and gradients where an optimizer expects them.

    Args:
        config: the configuration of the models.
        compiler: compiles the kernel on first use.
        dtype: float32, or float64 to compare with PyTorch.

    Attributes:
        library: the compiled kernel.
        derivation: how its weights are computed from parameters; None if only PyTorch can do that.

    Raises:
        CompilerError: the kernel could not be compiled.
    """

    def __init__(
        self, config: AdditionConfig, compiler: Compiler, *, dtype: torch.dtype = torch.float32
    ) -> None:
        layout = config.layout
        self._length = layout.input_length
        self._logits_shape = (layout.answer_length, layout.vocabulary)
        scalar = "float" if dtype == torch.float32 else "double"
        path = library_for(shape_header(config), compiler, scalar=scalar)
        self.library = KernelLibrary(path, dtype, sequence_length=layout.length)
        self._flat = torch.empty(self.library.weight_count, dtype=dtype)
        self.derivation = _derivation(config)

    def loss(self, model: Transformer, sequences: Tensor) -> Tensor:
        """Return the mean cross-entropy of the answer tokens, a scalar with a backward pass.

        Args:
            model: a model of the engine's shape.
            sequences: int64 tensor of shape (n, length of a whole problem).
        """
        weights = weights_of(model, self._length)
        if not torch.is_grad_enabled():
            return self._flat.new_tensor(self.loss_and_gradient(weights, sequences, needs_gradient=False)[0])
        loss: Tensor = _KernelLoss.apply(self, sequences, *weights)  # type: ignore[no-untyped-call]
        return loss

    @torch.no_grad()
    def logits(self, model: Transformer, sequences: Tensor) -> Tensor:
        """Return the logits of every answer token, (n, answer_length, vocabulary), without a gradient."""
        flattened(weights_of(model, self._length), out=self._flat)
        logits = self._flat.new_empty(len(sequences), *self._logits_shape)
        self.library.logits(self._flat, sequences.contiguous(), logits)
        return logits

    @torch.no_grad()
    def validate(self, model: Transformer, sequences: Tensor) -> Validation:
        """Return how many answers and answer tokens are right, and the mean loss.

        Args:
            model: a model of the engine's shape.
            sequences: int64 tensor of shape (n, length of a whole problem).
        """
        flattened(weights_of(model, self._length), out=self._flat)
        return self.library.validate(self._flat, sequences.contiguous())

    def loss_and_gradient(
        self, weights: list[Tensor], sequences: Tensor, *, needs_gradient: bool
    ) -> tuple[float, Tensor | None]:
        """Return the loss, and its gradient for all weights as one flat tensor."""
        flattened(weights, out=self._flat)
        gradient = torch.empty_like(self._flat) if needs_gradient else None
        return self.library.loss(self._flat, sequences.contiguous(), gradient), gradient


def _derivation(config: AdditionConfig) -> Derivation | None:
    layout = config.layout
    with torch.random.fork_rng(devices=[]):  # a model's own initial values are none of its business
        model = Transformer(config, vocabulary=layout.vocabulary, positions=layout.positions)
    try:
        return derivation_of(model, layout.input_length)
    except NotRecordedError:
        return None


class _KernelLoss(torch.autograd.Function):
    """The kernel computes gradients together with the loss, so the backward pass only returns them."""

    @staticmethod
    def forward(ctx, engine: NativeEngine, sequences: Tensor, *weights: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        loss, ctx.gradient = engine.loss_and_gradient(list(weights), sequences, needs_gradient=True)
        ctx.shapes = [weight.shape for weight in weights]
        return weights[0].new_tensor(loss)

    @staticmethod
    @once_differentiable
    def backward(ctx, d_loss: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
        parts = (ctx.gradient * d_loss).split([shape.numel() for shape in ctx.shapes])
        return None, None, *(part.view(shape) for part, shape in zip(parts, ctx.shapes, strict=True))
