"""GPT-2 written out plainly: one sequence, one head, one token at a time, in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from trainables.gpt2.shape import GPT2Shape

MayLook = Callable[[int, int], bool]
"""Whether a query at one place may look at a key at another, which is not after it."""


class Reference:
    """The model of a shape with the weights of a state dict, in double precision."""

    def __init__(self, shape: GPT2Shape, weights: Mapping[str, Tensor]) -> None:
        self.shape = shape
        self.weights = {name: weight.double() for name, weight in weights.items()}

    def logits(self, tokens: list[int], may_look: MayLook = lambda query, key: True) -> Tensor:
        """Return the logits of one sequence, (T, vocabulary)."""
        shape, weights, last = self.shape, self.weights, self.shape.n_layers - 1
        x = [weights["embedding.weight"][token] for token in tokens]
        if shape.position == "learned":
            x = [vector + weights["positions"][place] for place, vector in enumerate(x)]
        if shape.smear_gate != "none":
            x = [x[0], *(self.smeared(x[place], x[place - 1]) for place in range(1, len(x)))]
        if shape.embedding_norm:
            x = [self.norm(vector, "embedding_norm") for vector in x]
        embedding, after = x, []
        for layer in range(shape.n_layers):
            # The middle block of an odd number has no partner.
            if shape.unet_skips and layer > last - layer:
                skip = weights["skips"][last - layer]
                x = [vector + skip * before for vector, before in zip(x, after[last - layer], strict=True)]
            if shape.embedding_mixing:
                own, first = weights[f"blocks.{layer}.mixing"]
                x = [own * vector + first * begun for vector, begun in zip(x, embedding, strict=True)]
            x = self.block(layer, x, self.value_stream(layer, tokens), may_look)
            after.append(x)
        if shape.backout:
            seen = after[math.floor(shape.n_layers * 2 / 3)]
            x = [vector - weights["backout"] * before for vector, before in zip(x, seen, strict=True)]
        head = weights["embedding.weight" if shape.tied_head else "head.weight"]
        logits = torch.stack([head @ self.norm(vector, "final_norm") for vector in x])
        return shape.logit_cap * torch.tanh(logits / shape.logit_cap) if shape.logit_cap else logits

    def smeared(self, vector: Tensor, before: Tensor) -> Tensor:
        gate = torch.sigmoid(self.weights["smear_gate.weight"][0] @ vector[: min(12, len(vector))])
        return vector + self.weights["smear"] * gate * before

    def norm(self, vector: Tensor, name: str) -> Tensor:
        if self.shape.norm == "rms":
            return rms(vector)
        centred = vector - vector.mean()
        scaled = centred / ((centred**2).mean() + 1e-5).sqrt() * self.weights[f"{name}.weight"]
        return scaled + self.weights[f"{name}.bias"] if self.shape.bias else scaled

    def linear(self, vector: Tensor, name: str) -> Tensor:
        result = self.weights[f"{name}.weight"] @ vector
        return result + self.weights[f"{name}.bias"] if self.shape.bias else result

    def value_stream(self, layer: int, tokens: list[int]) -> list[Tensor] | None:
        """Return the value embeddings of the tokens, if the block has them."""
        shape = self.shape
        if shape.value_embeddings == "none":
            return None
        table = 0
        if shape.value_embeddings == "corrected":
            pairs = min(3, shape.n_layers // 2)
            wanted = {}
            for pair in range(pairs):
                for end in (pair, shape.n_layers - pairs + pair):
                    if end not in shape.without_attention:
                        wanted[end] = pair
            if layer not in wanted:
                return None
            table = sorted(set(wanted.values())).index(wanted[layer])
        return [self.weights[f"value_embeddings.{table}.weight"][token] for token in tokens]

    def block(
        self, layer: int, x: list[Tensor], stream: list[Tensor] | None, may_look: MayLook
    ) -> list[Tensor]:
        shape, name = self.shape, f"blocks.{layer}"
        has_attention, has_mlp = layer not in shape.without_attention, layer not in shape.without_mlp
        given = x
        if has_attention:
            normed = [self.norm(vector, f"{name}.attention_norm") for vector in x]
            attended = self.attention(f"{name}.attention", normed, stream, may_look)
            x = [vector + more for vector, more in zip(x, attended, strict=True)]
        if has_mlp:
            # In parallel both read what the block was given, through one norm.
            shared = shape.parallel_blocks and has_attention
            norm = f"{name}.attention_norm" if shared else f"{name}.mlp_norm"
            read = [self.norm(vector, norm) for vector in (given if shared else x)]
            x = [
                vector + self.feed_forward(f"{name}.feed_forward", r)
                for vector, r in zip(x, read, strict=True)
            ]
        return x

    def attention(
        self, name: str, x: list[Tensor], stream: list[Tensor] | None, may_look: MayLook
    ) -> list[Tensor]:
        shape = self.shape
        width = shape.d_model // shape.n_heads
        scale = shape.attention_scale if shape.attention_scale is not None else 1 / math.sqrt(width)
        values = [self.linear(vector, f"{name}.value") for vector in x]
        if stream is not None:
            share = self.weights[f"{name}.value_share"]
            values = [(1 - share) * value + share * more for value, more in zip(values, stream, strict=True)]
        outputs = []
        for place, vector in enumerate(x):
            heads = []
            for head in range(shape.n_heads):
                part = slice(head * width, (head + 1) * width)
                query = self.turned(self.linear(vector, f"{name}.query")[part], place)
                seen = [key for key in range(place + 1) if may_look(place, key)]
                products = torch.stack(
                    [query @ self.turned(self.linear(x[key], f"{name}.key")[part], key) for key in seen]
                )
                shares = torch.softmax(scale * products, 0)
                read = sum((s * values[key][part] for s, key in zip(shares, seen, strict=True)), 0 * query)
                if shape.attention_gates:
                    gate = self.weights[f"{name}.gate.weight"][head] @ vector[: min(12, len(vector))]
                    read = read * torch.sigmoid(gate)
                heads.append(read)
            outputs.append(self.linear(torch.cat(heads), f"{name}.output"))
        return outputs

    def turned(self, vector: Tensor, place: int) -> Tensor:
        """Return a head's query or key, normed and turned by its place."""
        shape = self.shape
        if shape.qk_norm:
            vector = rms(vector)
        if shape.position == "learned":
            return vector
        pairs = len(vector) // 2
        turning = pairs if shape.position == "rotary" else pairs // 2
        turned = vector.clone()
        for pair in range(turning):
            angle = place / 10_000 ** (pair / turning)
            a, b = vector[pair], vector[pair + pairs]
            turned[pair] = a * math.cos(angle) + b * math.sin(angle)
            turned[pair + pairs] = b * math.cos(angle) - a * math.sin(angle)
        return turned

    def feed_forward(self, name: str, vector: Tensor) -> Tensor:
        hidden = self.linear(vector, f"{name}.up")
        if self.shape.activation == "gelu":
            inner = math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)
            hidden = 0.5 * hidden * (1 + torch.tanh(inner))
        else:
            hidden = hidden.clamp(min=0) ** (2 if self.shape.activation == "squared_relu" else 1)
        return self.linear(hidden, f"{name}.down")


def rms(vector: Tensor) -> Tensor:
    return vector / (vector**2).mean().sqrt()
