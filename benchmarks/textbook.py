"""The transformer as textbooks write it in PyTorch: what the engines' speed is compared with.

Standard modules, every position answered, the loss masked to the answer, AdamW with its defaults, and
attention by hand or by ``scaled_dot_product_attention``. It computes the same loss as
:mod:`trainables.transformer`; ``benchmarks/adder_step.py`` checks that.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.addition.config import AdditionConfig
from trainables.transformer.embeddings import ArcEmbedding, sinusoids
from trainables.transformer.projections import rotary_tables

_IGNORED = -100


class TextbookTransformer(nn.Module):
    """A decoder-only transformer for sequences of one length; call it for the loss of their answers.

    Args:
        config: its shape.
        fused_attention: attention by PyTorch's ``scaled_dot_product_attention``, instead of by hand.
    """

    def __init__(self, config: AdditionConfig, *, fused_attention: bool = False) -> None:
        super().__init__()
        assert config.norm in ("layernorm", "rmsnorm"), config.norm
        assert config.activation in ("gelu", "swiglu"), config.activation
        derived = (config.key_projection, config.gate_projection, config.down_projection)
        assert derived == ("full",) * 3, derived
        layout, d = config.layout, config.d_model
        self.prompt, length = layout.prompt_length, layout.input_length
        self.arc = ArcEmbedding(layout.vocabulary, d) if config.embedding == "arc" else None
        self.tokens = None if self.arc else nn.Embedding(layout.vocabulary, d)
        self.positions = nn.Embedding(layout.positions, d) if config.position == "learned" else None
        if config.position == "sinusoidal":
            self.register_buffer("fixed", sinusoids(layout.positions, d))
        self.blocks = nn.ModuleList(
            TextbookBlock(config, length, fused_attention=fused_attention) for _ in range(config.n_layers)
        )
        self.norm = _norm(config, d) if config.final_norm else nn.Identity()
        self.head = None if config.tied_embeddings else nn.Linear(d, layout.vocabulary, bias=False)

    def forward(self, sequences: Tensor) -> Tensor:
        """Return the mean cross-entropy of the answer tokens of whole problems, int64 (batch, length)."""
        tokens, targets = sequences[:, :-1], sequences[:, 1:].clone()
        targets[:, : self.prompt - 1] = _IGNORED
        table = self.arc() if self.tokens is None else self.tokens.weight
        x = F.embedding(tokens, table)
        if self.positions is not None:
            x = x + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        elif hasattr(self, "fixed"):
            x = x + self.fixed[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), table if self.head is None else self.head.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=_IGNORED)


class TextbookBlock(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, config: AdditionConfig, length: int, *, fused_attention: bool) -> None:
        super().__init__()
        self.fused_attention = fused_attention
        d, width = config.d_model, config.attention_width
        self.heads, self.width = config.n_heads, config.width_of_head
        self.norm1, self.norm2 = _norm(config, d), _norm(config, d)
        self.query = nn.Linear(d, width, bias=False)
        self.key = nn.Linear(d, width, bias=False)
        self.value = nn.Linear(d, width, bias=False) if config.value_projection == "full" else self.query
        own_output = config.output_projection == "full"
        self.output = nn.Linear(width, d, bias=False) if own_output else None
        has_qk_norm = config.qk_norm != "none"
        self.query_norm = nn.RMSNorm(self.width, eps=1e-6) if has_qk_norm else nn.Identity()
        self.key_norm = nn.RMSNorm(self.width, eps=1e-6) if has_qk_norm else nn.Identity()
        self.turns = config.position == "rotary"
        if self.turns:
            cos, sin = rotary_tables(length, config.turning_features, config.rope_theta)
            self.register_buffer("cos", cos)
            self.register_buffer("sin", sin)
        self.register_buffer("mask", torch.ones(length, length).tril().bool())
        self.up = nn.Linear(d, config.d_ff, bias=config.ffn_bias)
        gated = config.activation == "swiglu"
        self.gate = nn.Linear(d, config.d_ff, bias=config.ffn_bias) if gated else None
        self.down = nn.Linear(config.d_ff, d, bias=config.ffn_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, length, d) to the same."""
        normed = self.norm1(x)
        query, key, value = (self._heads(part(normed)) for part in (self.query, self.key, self.value))
        query, key = self._turn(self.query_norm(query)), self._turn(self.key_norm(key))
        read = self._attend(query, key, value).transpose(1, 2).flatten(2)
        x = x + (F.linear(read, self.query.weight.T) if self.output is None else self.output(read))
        normed = self.norm2(x)
        up = self.up(normed)
        inner = F.gelu(up, approximate="tanh") if self.gate is None else F.silu(self.gate(normed)) * up
        return x + self.down(inner)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if self.fused_attention:
            return F.scaled_dot_product_attention(query, key, value, is_causal=True)
        scores = query @ key.transpose(-2, -1) / math.sqrt(self.width)
        return F.softmax(scores.masked_fill(~self.mask, float("-inf")), dim=-1) @ value

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, self.width).transpose(1, 2)

    def _turn(self, x: Tensor) -> Tensor:
        if not self.turns:
            return x
        first, second = x.chunk(2, dim=-1)
        return torch.cat([first * self.cos - second * self.sin, second * self.cos + first * self.sin], dim=-1)


def _norm(config: AdditionConfig, width: int) -> nn.Module:
    return nn.LayerNorm(width, eps=1e-6) if config.norm == "layernorm" else nn.RMSNorm(width, eps=1e-6)
