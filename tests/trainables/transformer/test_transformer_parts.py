"""Every part of the transformer does what its name says: a second, slow implementation gives the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from helpers.transformer_shapes import shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.transformer.model import Transformer
from trainables.transformer.projections import rotary_tables, turn_pairs
from trainables.transformer.shape import TransformerShape

VOCABULARY, POSITIONS = 11, 9


def model_of(shape: TransformerShape) -> Transformer:
    """Return a model in double precision with weights far from their beginnings."""
    torch.manual_seed(7)
    model = Transformer(shape, vocabulary=VOCABULARY, positions=POSITIONS).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model


def tokens_of(batch: int, length: int) -> Tensor:
    return torch.randint(VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(5))


# A slow transformer, one sequence, one head and one position at a time


class Slow:
    """The transformer of a shape with the weights of a model, in plain formulas."""

    def __init__(self, shape: TransformerShape, model: Transformer) -> None:
        self.shape = shape
        self.weights = model.state_dict()

    def matrix(self, name: str) -> Tensor:
        first = self.weights.get(f"{name}.first")
        weight = self.weights[f"{name}.weight"]
        if weight.ndim == 1:
            matrix = torch.zeros(self.shape.attention_width, self.shape.d_model, dtype=torch.float64)
            entries = iter(weight.tolist())
            for row in range(len(matrix)):
                for column in range(row % self.shape.width_of_head, self.shape.d_model):
                    matrix[row, column] = next(entries)
            assert next(entries, None) is None
            return matrix
        return weight if first is None else weight @ first

    def logits(self, tokens: list[int]) -> Tensor:
        shape = self.shape
        table = torch.stack([self.embedded(token) for token in range(VOCABULARY)])
        x = torch.stack([table[token] for token in tokens])
        if shape.position in ("learned", "sinusoidal"):
            x = x + torch.stack([self.position(t) for t in range(len(tokens))])
        for layer in range(shape.n_layers):
            block = f"blocks.{layer}"
            x = x + self.attention(self.norm(x, f"{block}.attention_norm"), f"{block}.attention")
            x = x + self.feed_forward(self.norm(x, f"{block}.ffn_norm"), f"{block}.feed_forward")
        if shape.final_norm:
            x = self.norm(x, "final_norm")
        return x @ (table if shape.tied_embeddings else self.weights["head"]).T

    def embedded(self, token: int) -> Tensor:
        if self.shape.embedding == "table":
            return self.weights["embedding.weight"][token]
        amplitude, start, stride = (
            self.weights[f"embedding.{name}"].item() if f"embedding.{name}" in self.weights else value
            # Constants of the model were made in single precision.
            for name, value in zip(
                ("amplitude", "start", "stride"), torch.tensor([1.0, 0.0, math.pi / VOCABULARY]).tolist(),
                strict=True,
            )
        )  # fmt: skip
        vector = torch.zeros(self.shape.d_model, dtype=torch.float64)
        vector[0] = amplitude * math.cos(start + stride * token)
        vector[1] = amplitude * math.sin(start + stride * token)
        return vector

    def position(self, t: int) -> Tensor:
        d = self.shape.d_model
        if self.shape.position == "learned":
            row = self.weights["positions.weight"][t]
            return row if self.shape.position_rank is None else row @ self.weights["positions.second"]
        angles = [t / 10_000 ** ((column - column % 2) / d) for column in range(d)]
        # The model's table was made in single precision.
        rows = [math.cos(a) if column % 2 else math.sin(a) for column, a in enumerate(angles)]
        return torch.tensor(rows, dtype=torch.float64)

    def norm(self, x: Tensor, name: str) -> Tensor:
        kind = self.shape.norm
        if kind == "none":
            return x
        if kind == "layernorm":
            x = x - x.mean(-1, keepdim=True)
        scaled = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * self.weights.get(f"{name}.weight", 1)
        return scaled + self.weights[f"{name}.bias"] if kind == "layernorm" else scaled

    def attention(self, x: Tensor, name: str) -> Tensor:
        shape, width, length = self.shape, self.shape.width_of_head, len(x)
        query_matrix = self.matrix(f"{name}.query")
        if shape.output_projection == "full":
            output = self.matrix(f"{name}.output")
        else:
            output = self.matrix(f"{name}.{shape.output_projection.removesuffix('_transposed')}").T
        queries = x @ query_matrix.T
        keys = x @ self.matrix(f"{name}.key").T if shape.key_projection == "full" else queries
        if shape.key_projection == "scaled_query":
            keys = queries * self.weights[f"{name}.key_scale"]
        values = {"key": keys, "query": queries}.get(shape.value_projection)
        if values is None:
            values = x @ self.matrix(f"{name}.value").T
        read = torch.zeros(length, shape.attention_width, dtype=torch.float64)
        for head in range(shape.n_heads):
            part = slice(head * width, (head + 1) * width)
            q, k, v = queries[:, part], keys[:, part], values[:, part]
            if shape.key_projection == "rotated_query":
                rotation = rotation_matrix(width, self.weights[f"{name}.key_angle"].item())
                k = q @ rotation.T
                v = k if shape.value_projection == "key" else v
            if shape.qk_norm != "none":
                q = self.rms(q, f"{name}.query_norm")
                k = self.rms(k, f"{name}.{'key' if shape.qk_norm == 'separate' else 'query'}_norm")
            if shape.position == "rotary":
                q, k = self.rotated(q), self.rotated(k)
            for t in range(length):
                scores = torch.stack([q[t] @ k[s] / math.sqrt(width) for s in range(t + 1)])
                weights = (scores - scores.max()).exp()
                weights = weights / weights.sum()
                read[t, part] = sum(weights[s] * v[s] for s in range(t + 1))
        return read @ output.T

    def rms(self, x: Tensor, name: str) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * self.weights.get(f"{name}.weight", 1)

    def rotated(self, x: Tensor) -> Tensor:
        """Turn feature pairs as complex numbers; features without a partner stay."""
        turning = self.shape.rotary_width or self.shape.width_of_head - self.shape.width_of_head % 2
        pairs = turning // 2
        turned = x.clone()
        for t in range(len(x)):
            for pair in range(pairs):
                turn = 1.0 if self.shape.rope_period is None else 2 * math.pi / self.shape.rope_period
                angle = t * turn * self.shape.rope_theta ** (-2 * pair / turning)
                number = complex(x[t, pair], x[t, pair + pairs]) * complex(math.cos(angle), math.sin(angle))
                turned[t, pair], turned[t, pair + pairs] = number.real, number.imag
        return turned

    def feed_forward(self, x: Tensor, name: str) -> Tensor:
        shape = self.shape
        up_matrix = self.matrix(f"{name}.up")
        up = x @ up_matrix.T + self.bias(f"{name}.up_bias")
        if shape.activation == "swiglu":
            scale = self.weights.get(f"{name}.gate_scale", torch.ones(1, dtype=torch.float64))
            gate_matrix = scale.expand(shape.d_ff)[:, None] * up_matrix
            gate = up * scale
            if shape.gate_projection == "full":
                gate_matrix = self.matrix(f"{name}.gate")
                gate = x @ gate_matrix.T + self.bias(f"{name}.gate_bias")
            inner = gate / (1 + (-gate).exp()) * up
        else:
            values = [[activated(shape.activation, v) for v in row] for row in up.tolist()]
            inner = torch.tensor(values, dtype=torch.float64)
        down = self.matrix(f"{name}.down") if shape.down_projection == "full" else up_matrix.T
        if shape.down_projection == "gate_transposed":
            down = gate_matrix.T
        if shape.down_projection == "rotated_units":
            rotation = rotation_matrix(shape.d_ff, self.weights[f"{name}.down_angle"].item())
            down = down @ rotation.T
        added = inner @ down.T
        if shape.down_projection == "rotated_up":
            added = added @ rotation_matrix(shape.d_model, self.weights[f"{name}.down_angle"].item()).T
        return added + self.bias(f"{name}.down_bias")

    def bias(self, name: str) -> Tensor | float:
        return self.weights.get(name, 0.0)


def rotation_matrix(width: int, angle: float) -> Tensor:
    """Turn feature i with feature i + width // 2 by one angle; the last of an odd number stays."""
    rotation, pairs = torch.eye(width, dtype=torch.float64), width // 2
    for i in range(pairs):
        j = i + pairs
        rotation[i, i] = rotation[j, j] = math.cos(angle)
        rotation[j, i], rotation[i, j] = math.sin(angle), -math.sin(angle)
    return rotation


def activated(kind: str, x: float) -> float:
    if kind == "gelu":
        return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return max(x, 0.0) ** (2 if kind == "squared_relu" else 1)


@settings(max_examples=150)
@given(shape=shapes(), length=st.integers(1, POSITIONS))
def test_the_model_computes_what_the_slow_formulas_do(shape: TransformerShape, length: int) -> None:
    model, tokens = model_of(shape), tokens_of(1, length)
    # Sinusoids and rotary angles are tables in single precision.
    tolerance = 1e-9 if shape.position in ("learned", "none") else 1e-4
    with torch.no_grad():
        logits = model(tokens)[0]
        expected = Slow(shape, model).logits(tokens[0].tolist())
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(logits, expected, rtol=0, atol=tolerance * scale)


@settings(max_examples=100)
@given(shape=shapes())
def test_every_parameter_gets_a_gradient(shape: TransformerShape) -> None:
    model, tokens = model_of(shape), tokens_of(4, POSITIONS)
    torch.nn.functional.cross_entropy(
        model(tokens, last=3).flatten(0, 1), tokens[:, -3:].flatten()
    ).backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


# What is shared is one thing


def named(model: Transformer, *endings: str) -> list[Tensor]:
    return [t for name, t in model.named_parameters(remove_duplicate=False) if name.endswith(endings)]


def memories(tensors: list[Tensor]) -> int:
    return len({tensor.data_ptr() for tensor in tensors})


@pytest.mark.parametrize(("sharing", "vectors"), [("none", 5), ("block", 3), ("all", 1)])
def test_norms_share_as_many_vectors_as_they_are_asked_to(sharing: str, vectors: int) -> None:
    shape = TransformerShape(n_layers=2, norm="rmsnorm", norm_sharing=sharing)
    assert memories(named(model_of(shape), "norm.weight")) == vectors


def test_a_shared_first_factor_is_one_matrix() -> None:
    for shared, factors in ((True, 1), (False, 3)):
        shape = TransformerShape(qkv_rank=2, qkv_shared_factor=shared)
        assert memories(named(model_of(shape), ".first")) == factors


def test_a_shared_query_and_key_norm_is_one_vector() -> None:
    for kind, vectors in (("separate", 2), ("shared", 1), ("scalar", 1)):
        weights = named(model_of(TransformerShape(qk_norm=kind)), "query_norm.weight", "key_norm.weight")
        assert (len(weights), memories(weights)) == (2, vectors)


# Rotary positions


def shifted(x: Tensor, by: int, *, turning: int, theta: float) -> Tensor:
    cos, sin = rotary_tables(by + len(x), turning, theta)
    return turn_pairs(x, cos[by:].double(), sin[by:].double())


@pytest.mark.parametrize("width", [2, 4, 7])
def test_rotary_scores_depend_on_the_distance_alone(width: int) -> None:
    q, k = torch.randn(2, 6, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    turning = width // 2 * 2
    scores = [
        shifted(q, by, turning=turning, theta=3.0) @ shifted(k, by, turning=turning, theta=3.0).T
        for by in (0, 13)
    ]
    torch.testing.assert_close(scores[0], scores[1], rtol=0, atol=1e-5)
    assert (scores[0] - q @ k.T).abs().max() > 0.1, "turning should matter at all"


def test_theta_slows_all_pairs_but_the_first() -> None:
    slow, fast = (rotary_tables(2, 4, theta)[1][1] for theta in (10_000.0, 3.0))
    assert slow[0] == fast[0] == pytest.approx(math.sin(1))
    assert slow[1] == pytest.approx(math.sin(0.01))
    assert fast[1] == pytest.approx(math.sin(3**-0.5))


def test_fastest_pair_turns_once_in_a_period() -> None:
    cos, sin = rotary_tables(25, 4, 4.0, 12)
    assert (cos[12, 0].item(), sin[12, 0].item()) == pytest.approx((1, 0), abs=1e-5)
    assert (cos[24, 1].item(), sin[24, 1].item()) == pytest.approx((1, 0), abs=1e-5)
    assert sin[3, 0].item() == pytest.approx(1)


# Dropout


def answers(model: Transformer, times: int) -> Iterator[Tensor]:
    tokens = tokens_of(2, POSITIONS)
    return (model(tokens).detach() for _ in range(times))


def test_dropout_acts_in_training_and_never_in_evaluation() -> None:
    model = model_of(TransformerShape(dropout=0.5))
    first, second = answers(model, 2)
    assert torch.equal(first, second)
    model.train()
    third, fourth = answers(model, 2)
    assert not torch.equal(third, fourth)
    without = model_of(TransformerShape())
    assert torch.equal(next(answers(without, 1)), first), "dropout should add nothing but itself"
    without.train()
    assert torch.equal(next(answers(without, 1)), first)


# What a tie cannot lose: numbers that others can replace

SMALLEST = TransformerShape(
    d_model=3, d_ff=2, head_width=4, embedding="arc", position="rotary", rope_theta=3.0, norm="rmsnorm",
    norm_sharing="all", qk_norm="shared", key_projection="rotated_query", value_projection="query",
    output_projection="query_transposed", activation="swiglu", down_projection="rotated_units",
)  # fmt: skip
GATES: list[dict[str, Any]] = [{}, {"gate_projection": "scaled_up"}, {"gate_projection": "up"}]


def changed(model: Transformer, **change: Callable[[Tensor], Tensor]) -> Tensor:
    """Return logits after changes of numbers of the arc, of all matrices, or of the norm's gain, by name."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            kind = "matrices" if parameter.ndim == 2 else name.rsplit(".")[-1]
            if name.endswith("attention_norm.weight"):
                kind = "gain"
            if kind in change:
                parameter.copy_(change[kind](parameter))
        return model(tokens_of(3, POSITIONS))


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("gain", ["vector", "scalar"])
def test_with_a_gain_of_the_norm_the_amplitude_of_an_arc_is_redundant(
    gain: str, gate: dict[str, Any]
) -> None:
    model = model_of(TransformerShape.model_validate({**SMALLEST.model_dump(), "norm_gain": gain, **gate}))
    before = changed(model)
    after = changed(model, amplitude=lambda x: 3 * x, matrices=lambda x: 3 * x, gain=lambda x: x / 3)
    # Not quite: norms add a millionth to the mean square.
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
    assert (changed(model, amplitude=lambda x: 3 * x) - after).abs().max() > 0.1


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("gain", [{"norm_gain": "scalar"}, {"norm_gain": "none", "norm_sharing": "none"}])
def test_without_gains_by_feature_the_start_of_an_arc_is_redundant(
    gain: dict[str, str], gate: dict[str, Any]
) -> None:
    model = model_of(TransformerShape.model_validate({**SMALLEST.model_dump(), **gain, **gate}))
    before = changed(model)
    plane = torch.eye(3, dtype=torch.float64)
    plane[:2, :2] = rotation_matrix(2, 0.7)
    after = changed(model, start=lambda x: x + 0.7, matrices=lambda x: x @ plane.T)
    torch.testing.assert_close(after, before, rtol=1e-9, atol=1e-9)
    assert (changed(model, start=lambda x: x + 0.7) - after).abs().max() > 0.1


def test_a_head_of_two_features_loses_nothing_with_triangular_queries_and_values() -> None:
    """Turning a head's features turns queries and keys alike, and what values take in and give out."""
    full = TransformerShape.model_validate(
        {**SMALLEST.model_dump(), "head_width": 2, "qk_norm": "scalar", "value_projection": "full",
         "output_projection": "value_transposed"}
    )  # fmt: skip
    model = model_of(full)
    tied = model_of(full.model_copy(update={"triangular": "query_value"}))
    state = dict(model.state_dict())
    for name in ("query", "value"):
        matrix = state[f"blocks.0.attention.{name}.weight"]
        turned = rotation_matrix(2, -math.atan2(matrix[1, 0], matrix[0, 0])) @ matrix
        assert turned[1, 0].item() == pytest.approx(0, abs=1e-12)
        state[f"blocks.0.attention.{name}.weight"] = torch.cat([turned[0], turned[1, 1:]])
    tied.load_state_dict(state)
    with torch.no_grad():
        tokens = tokens_of(3, POSITIONS)
        torch.testing.assert_close(tied(tokens), model(tokens), rtol=1e-9, atol=1e-9)
