"""The GPT-2 model with its switches."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from trainables.gpt2.masks import Attend, Mask
from trainables.gpt2.shape import LOGITS_AT_A_TIME, GPT2Shape
from trainables.transformer.activations import gelu_

ROTARY_BASE = 10_000.0


def rms_norm(x: Tensor) -> Tensor:
    """Scale vectors to a root mean square of 1, without parameters."""
    return F.rms_norm(x, (x.shape[-1],))


class RMSNorm(nn.Module):
    """:func:`rms_norm` as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension."""
        return rms_norm(x)


class Rotary(nn.Module):
    """Rotates pairs of a head's features by angles that grow with the position (Su et al., 2021).

    Half rotary leaves the slower half of the pairs unchanged.
    """

    cosines: Tensor
    sines: Tensor

    def __init__(self, positions: int, width: int, *, half: bool) -> None:
        super().__init__()
        turning = width // 4 if half else width // 2
        speeds = ROTARY_BASE ** -torch.linspace(0, 1, turning + 1)[:-1]
        angles = torch.arange(positions)[:, None] * F.pad(speeds, (0, width // 2 - turning))
        self.register_buffer("cosines", angles.cos(), persistent=False)
        self.register_buffer("sines", angles.sin(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Rotate queries or keys of shape (B, heads, T, width)."""
        length = x.shape[2]
        cosines, sines = self.cosines[:length].to(x.dtype), self.sines[:length].to(x.dtype)
        first, second = x.chunk(2, dim=-1)
        return torch.cat([first * cosines + second * sines, second * cosines - first * sines], dim=-1)


class Attention(nn.Module):
    """Causal attention of several heads, with the shape's switches."""

    def __init__(self, shape: GPT2Shape, attend: Attend, *, mixes_values: bool) -> None:
        super().__init__()
        d = shape.d_model
        self.heads, self.width = shape.n_heads, shape.head_width
        self.scale = shape.attention_scale or self.width**-0.5
        self.qk_norm = shape.qk_norm
        self.attend = attend
        self.query, self.key, self.value, self.output = (nn.Linear(d, d, bias=shape.bias) for _ in range(4))
        self.rotary = (
            None
            if shape.position == "learned"
            else Rotary(shape.context, self.width, half=shape.position == "half_rotary")
        )
        self.gate_width = shape.gate_width
        self.gate = nn.Linear(self.gate_width, self.heads, bias=False) if shape.attention_gates else None
        self.value_share = nn.Parameter(torch.tensor(0.5)) if mixes_values else None

    def forward(self, x: Tensor, values: Tensor | None, mask: Mask) -> Tensor:
        """Attend; ``x`` and ``values``, the value stream if there is one, are of shape (B, T, d)."""
        # One product instead of three: copying the weights costs less.
        layers = (self.query, self.key, self.value)
        bias = None if self.query.bias is None else torch.cat([layer.bias for layer in layers])
        joined = F.linear(x, torch.cat([layer.weight for layer in layers]), bias)
        query, key, value = joined.chunk(3, dim=-1)
        query, key = self._split(query), self._split(key)
        if self.value_share is not None:
            assert values is not None
            value = torch.lerp(value, values.to(value.dtype), self.value_share.to(value.dtype))
        if self.qk_norm:
            query, key = rms_norm(query), rms_norm(key)
        if self.rotary is not None:
            query, key = self.rotary(query), self.rotary(key)
        attended = self.attend(query, key, self._split(value), mask, self.scale).transpose(1, 2)
        if self.gate is not None:
            attended = attended * torch.sigmoid(self.gate(x[..., : self.gate_width]))[..., None]
        output: Tensor = self.output(attended.flatten(2))
        return output

    def _split(self, x: Tensor) -> Tensor:
        """Return (B, heads, T, width)."""
        return x.view(*x.shape[:2], self.heads, self.width).transpose(1, 2)


class FeedForward(nn.Module):
    """Up, activation, down."""

    def __init__(self, shape: GPT2Shape) -> None:
        super().__init__()
        self.up = nn.Linear(shape.d_model, shape.d_ff, bias=shape.bias)
        self.down = nn.Linear(shape.d_ff, shape.d_model, bias=shape.bias)
        self.activation = shape.activation

    def forward(self, x: Tensor) -> Tensor:
        """Transform each token of shape (B, T, d)."""
        hidden = self.up(x)
        if self.activation == "gelu":
            hidden = gelu_(hidden)
        else:
            hidden = F.relu(hidden)
            if self.activation == "squared_relu":
                hidden = hidden * hidden
        output: Tensor = self.down(hidden)
        return output


class Block(nn.Module):
    """Attention and feed-forward layer, either of which can be missing, on the residual stream."""

    def __init__(self, shape: GPT2Shape, layer: int, attend: Attend) -> None:
        super().__init__()
        self.mixing = nn.Parameter(torch.tensor([1.0, 0.0])) if shape.embedding_mixing else None
        has_attention = layer in shape.attention_layers
        has_mlp = layer not in shape.without_mlp
        self.parallel = shape.parallel_blocks
        self.attention = (
            Attention(shape, attend, mixes_values=layer in shape.value_table_of) if has_attention else None
        )
        self.attention_norm = make_norm(shape) if has_attention else None
        self.feed_forward = FeedForward(shape) if has_mlp else None
        shares = self.parallel and has_attention
        self.mlp_norm = make_norm(shape) if has_mlp and not shares else None

    def forward(self, x: Tensor, embedding: Tensor, values: Tensor | None, mask: Mask) -> Tensor:
        """Return the stream after the block; all of shape (B, T, d)."""
        if self.mixing is not None:
            weight = self.mixing.to(x.dtype)
            x = weight[0] * x + weight[1] * embedding
        normed = x
        if self.attention is not None:
            assert self.attention_norm is not None
            normed = self.attention_norm(x)
            attended = self.attention(normed, values, mask)
            x = x + attended
            if self.parallel and self.feed_forward is not None:
                parallel: Tensor = x + self.feed_forward(normed)
                return parallel
        if self.feed_forward is not None:
            assert self.mlp_norm is not None
            x = x + self.feed_forward(self.mlp_norm(x))
        return x


class GPT2(nn.Module):
    """A decoder-only language model.

    Args:
        shape: the architecture.
        attend: the attention function; see :mod:`trainables.gpt2.masks`.
    """

    def __init__(self, shape: GPT2Shape, attend: Attend) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.d_model)
        self.positions = (
            nn.Parameter(torch.empty(shape.context, shape.d_model)) if shape.position == "learned" else None
        )
        self.embedding_norm = make_norm(shape) if shape.embedding_norm else None
        self.smear_gate: nn.Linear | None = None
        self.smear: nn.Parameter | None = None
        if shape.smear_gate != "none":
            self.smear_gate = nn.Linear(shape.gate_width, 1, bias=False)
            self.smear = nn.Parameter(torch.zeros(()))
            # In the published run it is in no optimizer.
            self.smear_gate.requires_grad_(shape.smear_gate == "corrected")
        self.value_embeddings = nn.ModuleList(
            nn.Embedding(shape.vocabulary, shape.d_model) for _ in range(shape.value_tables)
        )
        self._table_of = shape.value_table_of
        self.blocks = nn.ModuleList(Block(shape, layer, attend) for layer in range(shape.n_layers))
        self.skips = nn.Parameter(torch.ones(shape.n_layers // 2)) if shape.unet_skips else None
        self.backout = nn.Parameter(torch.tensor(0.5)) if shape.backout else None
        self.final_norm = make_norm(shape)
        self.head = None if shape.tied_head else nn.Linear(shape.d_model, shape.vocabulary, bias=False)
        initialise(self)

    def attend_by(self, attend: Attend) -> None:
        """Use another attention function from now on."""
        for module in self.modules():
            if isinstance(module, Attention):
                module.attend = attend

    def forward(self, tokens: Tensor, mask: Mask, targets: Tensor | None = None) -> Tensor:
        """Return logits of shape (B, T, vocabulary), or with ``targets`` the mean cross-entropy.

        Logits of long sequences and a large vocabulary would fill a GPU. With targets and more than 2**26
        logits they are computed in parts, and recomputed in the backward pass.

        Args:
            tokens: of shape (B, T), at most ``context`` of them.
            mask: the attention mask.
            targets: the tokens to predict, of shape (B, T).
        """
        x = self._stream(tokens, mask)
        if targets is None:
            return self._logits(x)
        parts = self._parts(x, targets)
        if len(parts) == 1:
            return self._nats(*parts[0]) / targets.numel()
        nats = [checkpoint(self._nats, *part, use_reentrant=False) for part in parts]
        return torch.stack(nats).sum() / targets.numel()

    def losses(self, tokens: Tensor, mask: Mask, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return each target's cross-entropy in float32 and whether it was the most likely, both (B, T).

        Logits are computed in parts, as in :meth:`forward`; for use without gradients.
        """
        nats, likeliest = [], []
        for x, part in self._parts(self._stream(tokens, mask), targets):
            logits = self._logits(x).float()
            nats.append(F.cross_entropy(logits, part, reduction="none"))
            likeliest.append(logits.argmax(-1) == part)
        return torch.cat(nats).view_as(targets), torch.cat(likeliest).view_as(targets)

    def next_logits(self, tokens: Tensor, mask: Mask) -> Tensor:
        """Return the logits of the next token, shape (B, vocabulary)."""
        return self._logits(self._stream(tokens, mask)[:, -1])

    def _parts(self, x: Tensor, targets: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Divide a stream (B, T, d) and targets (B, T) into parts by number of logits, flat over B and T."""
        at_a_time = max(1, LOGITS_AT_A_TIME // self.shape.vocabulary)
        hidden = torch.split(x.flatten(0, 1), at_a_time)
        return list(zip(hidden, torch.split(targets.flatten(), at_a_time), strict=True))

    def _nats(self, x: Tensor, targets: Tensor) -> Tensor:
        """Return the sum of cross-entropies in float32, of stream (n, d) and targets (n,)."""
        return F.cross_entropy(self._logits(x).float(), targets, reduction="sum")

    def _logits(self, x: Tensor) -> Tensor:
        """Return logits of the stream after its last norm, float32 where they are capped."""
        logits = F.linear(x, self.embedding.weight) if self.head is None else self.head(x)
        cap = self.shape.logit_cap
        return cap * torch.tanh(logits.float() / cap) if cap else logits

    def _stream(self, tokens: Tensor, mask: Mask) -> Tensor:
        """Return the normed stream after the last block, (B, T, d)."""
        shape = self.shape
        x: Tensor = self.embedding(tokens)
        if self.positions is not None:
            x = x + self.positions[: tokens.shape[1]]
        if self.smear_gate is not None:
            assert self.smear is not None
            gate = self.smear * torch.sigmoid(self.smear_gate(x[:, 1:, : shape.gate_width]))
            x = torch.cat([x[:, :1], x[:, 1:] + gate * x[:, :-1]], dim=1)
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
        embedding, backed_out = x, x
        values = {table: self.value_embeddings[table](tokens) for table in set(self._table_of.values())}
        halfway: list[Tensor] = []
        for layer, block in enumerate(self.blocks):
            if self.skips is not None:
                mirrored = shape.n_layers - 1 - layer
                if mirrored < len(self.skips) and mirrored < layer:
                    x = x + self.skips[mirrored] * halfway[mirrored]
            table = self._table_of.get(layer)
            x = block(x, embedding, None if table is None else values[table], mask)
            halfway.append(x)
            if layer == shape.backout_layer:
                backed_out = x
        if self.backout is not None:
            x = x - self.backout * backed_out
        normed: Tensor = self.final_norm(x)
        return normed


def make_norm(shape: GPT2Shape) -> nn.Module:
    """Return a norm of the residual stream."""
    return RMSNorm() if shape.norm == "rms" else nn.LayerNorm(shape.d_model, bias=shape.bias)


@torch.no_grad()
def initialise(model: GPT2) -> None:
    """Initialise a model from torch's global generator."""
    shape = model.shape
    published = shape.initialisation == "fan_in"
    for name, parameter in model.named_parameters():
        kind = _kind_of(name, parameter)
        if kind == "embedding":
            # A tied table of unit size would make logits as large as the square root of the width.
            tied = shape.tied_head and name.startswith("embedding.")
            unit = shape.d_model**-0.5 if tied else 1.0
            parameter.normal_(std=unit if published else 0.02)
        elif kind == "gate" or kind == "bias":
            parameter.zero_()
        elif kind == "matrix":
            _initialise_matrix(name, parameter, shape)


def _initialise_matrix(name: str, weight: Tensor, shape: GPT2Shape) -> None:
    into_stream = name.endswith(("attention.output.weight", "feed_forward.down.weight"))
    if shape.zero_init and (into_stream or name == "head.weight"):
        weight.zero_()
    elif shape.initialisation == "fan_in":
        bound = math.sqrt(3) * 0.5 / math.sqrt(weight.shape[1])
        weight.uniform_(-bound, bound)
    else:
        # Radford et al., 2019: the stream sums two contributions of every block.
        weight.normal_(std=0.02 / (math.sqrt(2 * shape.n_layers) if into_stream else 1.0))


def _kind_of(name: str, parameter: Tensor) -> str:
    """Return a parameter's kind: embedding, gate, bias, matrix; or other, which is already initialised."""
    if name.startswith(("embedding.", "value_embeddings.")) or name == "positions":
        return "embedding"
    if name.endswith("gate.weight"):
        return "gate"
    if name.endswith("bias") and "norm" not in name:
        return "bias"
    return "matrix" if parameter.ndim == 2 else "other"


def grouped_parameters(model: GPT2) -> Mapping[str, list[nn.Parameter]]:
    """Return the trained parameters as embeddings, head, matrices (of the blocks, gates too) and scalars."""
    groups: dict[str, list[nn.Parameter]] = {"embeddings": [], "head": [], "matrices": [], "scalars": []}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if _kind_of(name, parameter) == "embedding":
            groups["embeddings"].append(parameter)
        elif name.startswith("head."):
            groups["head"].append(parameter)
        elif name.startswith("blocks.") and parameter.ndim == 2:
            groups["matrices"].append(parameter)
        else:
            groups["scalars"].append(parameter)
    return groups
