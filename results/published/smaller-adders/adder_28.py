"""A transformer of 28 parameters that adds two numbers of ten digits.

A decoder-only transformer of one pre-norm block: 3 features, one attention head of width 2, SwiGLU
feed-forward of width 2, RMSNorm, rotary positions, tied output head.

It reads a problem as tokens and continues them one by one, each time with the most likely token:
    0 2400000000 00 7000000000 0
continues with
    94000000000
if it adds 42 and 7 correctly. In comments, B is the number of sequences and T that of their tokens.

This file needs Python and torch 2.4 or newer. paretune wrote it, with the weights that were trained.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


def parameter(*shape):
    """Return a parameter, whose numbers are in WEIGHTS."""
    return nn.Parameter(torch.empty(shape))


def triangular(entries):
    """Return the matrix (2, 3) of some entries, with zeros below the diagonal of each head."""
    rows = entries.split([3, 2])
    return torch.stack([F.pad(row, (3 - len(row), 0)) for row in rows])


def turn(x, angle):
    """Rotate features i and i + n of x by the i-th of n angles; features from 2 n on are unchanged."""
    n = angle.shape[-1]
    cos, sin = angle.cos(), angle.sin()
    first, second, rest = x[..., :n], x[..., n : 2 * n], x[..., 2 * n :]
    return torch.cat([first * cos - second * sin, second * cos + first * sin, rest], dim=-1)


def rotary(x):
    """Rotate the features (..., T, width) of each token by angles that grow with its position."""
    frequency = torch.exp(torch.arange(0, 2, 2) * (-math.log(10000.0) / 2)) * (2 * math.pi / 12.0)
    return turn(x, torch.arange(x.shape[-2])[:, None] * frequency)


class ScalarRMSNorm(nn.Module):
    """RMSNorm with one gain for all features."""

    def __init__(self):
        super().__init__()
        self.weight = parameter()

    def forward(self, x):
        """Map (..., width) to (..., width)."""
        return self.weight * F.rms_norm(x, x.shape[-1:], eps=1e-06)


class Attention(nn.Module):
    """Causal self-attention with one head of width 2."""

    def __init__(self):
        super().__init__()
        self.query = parameter(5)
        self.value = parameter(5)
        self.key_angle = parameter()
        self.qk_norm = ScalarRMSNorm()

    def forward(self, x):
        """Map (B, T, 3) to (B, T, 3)."""
        q = F.linear(x, triangular(self.query))  # (B, T, 2)
        k = turn(q, self.key_angle.expand(1))  # keys are the queries turned
        v = F.linear(x, triangular(self.value))
        q, k = self.qk_norm(q), self.qk_norm(k)
        q, k = rotary(q), rotary(k)
        scores = q @ k.transpose(-1, -2) * 2**-0.5  # (B, T, T)
        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)  # later tokens are masked
        weights = scores.masked_fill(later, float("-inf")).softmax(-1)
        read = weights @ v  # (B, T, 2)
        return F.linear(read, triangular(self.value).T)  # values transposed


class FeedForward(nn.Module):
    """The feed-forward layer, of width 2."""

    def __init__(self):
        super().__init__()
        self.up = parameter(2, 3)
        self.gate = parameter(2, 3)
        self.down_angle = parameter()

    def forward(self, x):
        """Map (B, T, 3) to (B, T, 3)."""
        up = F.linear(x, self.up)  # (B, T, 2)
        gate = F.linear(x, self.gate)
        inner = F.silu(gate) * up
        down = F.linear(inner, self.up.T)  # up transposed
        return turn(down, self.down_angle.expand(1))  # and turned


class Transformer(nn.Module):
    """A causal transformer that predicts the next of 10 tokens."""

    def __init__(self):
        super().__init__()
        self.amplitude = parameter()
        self.stride = parameter()
        self.norm = ScalarRMSNorm()
        self.attention = Attention()
        self.feed_forward = FeedForward()

    def table(self):
        """Return the tokens' vectors (10, 3): points on an arc of a circle, then zeros."""
        angle = 0.0 + self.stride * torch.arange(10)
        circle = self.amplitude * torch.stack([angle.cos(), angle.sin()], dim=1)  # (10, 2)
        return F.pad(circle, (0, 1))

    def forward(self, tokens):
        """Map tokens (B, T) to logits (B, T, 10)."""
        table = self.table()  # (10, 3)
        x = F.embedding(tokens, table)  # (B, T, 3)
        x = x + self.attention(self.norm(x))
        x = x + self.feed_forward(self.norm(x))
        x = self.norm(x)
        return F.linear(x, table)  # the output head is the token embedding


# fmt: off
WEIGHTS = {
    "amplitude": 19.965963,
    "stride": 0.13742615,
    "norm.weight": 55.836014,
    "attention.query": [8.449069, -1.4548537, -1.278016e-11, -0.0076824157, -1.8755114e-11],
    "attention.value": [-1.1414993, 0.5954418, -1.6943867, 0.8823083, -2.0003908],
    "attention.key_angle": -0.90049547,
    "attention.qk_norm.weight": 5.1560016,
    "feed_forward.up": [  # (2, 3)
        [2.5716193, 0.48409614, -1.7073073],
        [1.1768188, -2.6004715, 2.816535],
    ],
    "feed_forward.gate": [  # (2, 3)
        [-0.013998098, 0.13999157, 0.3076386],
        [-0.019927181, 0.08161601, 0.09871532],
    ],
    "feed_forward.down_angle": 1.0631927,
}
# fmt: on


METADATA = {
    "name": "paretune 28",
    "author": "the paretune authors",
    "params": 28,
    "architecture": (
        "A decoder-only transformer of one pre-norm block: 3 features, one attention head of width 2, "
        "SwiGLU feed-forward of width 2, RMSNorm, rotary positions, tied output head."
    ),
    "tricks": [
        "operands and answers least significant digit first, digits of one place always equally far apart",
        "digits on a circular arc, its start fixed",
        "output head tied to the embedding",
        "rotary positions, theta 10000, period 12",
        "attention of width 2 on 3 features",
        "keys are the queries turned by one angle",
        "output projection is the transposed value projection",
        "zeros below the diagonal of queries and values",
        "SwiGLU",
        "the down projection is the transposed up projection, its output turned by one angle",
        "RMSNorm",
        "norms with one gain for all features",
        "one norm for the whole model",
        "RMSNorm on queries and keys, one gain for all features of both",
        "curriculum of operand lengths",
        "passes with fresh schedules, the last 25 % of the steps",
        "begun again with another seed where the loss was above 0.6 early on",
    ],
}


def build_model():
    """Return the model with its trained weights, and its metadata."""
    model = Transformer()
    model.load_state_dict({name: torch.tensor(values) for name, values in WEIGHTS.items()})
    return model.eval(), METADATA


def digits_of(number):
    """Return the 10 digits of a number, the most significant first."""
    return [int(digit) for digit in f"{number:010d}"]


def prompt(a, b):
    """Write a problem as tokens: the operands' digits, the last ones first, with zeros around them."""
    return [0, *reversed(digits_of(a)), 0, 0, *reversed(digits_of(b)), 0]


def read(tokens):
    """Return the number of an answer, 11 digits, the last one first."""
    return int("".join(map(str, reversed(tokens))))


@torch.no_grad()
def continued(model, tokens, count):
    """Return the greedy continuation of some tokens: count times the most likely next one."""
    said = []
    for _ in range(count):
        logits = model(torch.tensor([tokens + said]))
        said.append(int(logits[0, -1].argmax()))
    return said


def add(model, a: int, b: int) -> int:
    """Return the model's answer to a + b, or -1 if it is not a number."""
    return read(continued(model, prompt(a, b), 11))
