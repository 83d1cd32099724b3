"""The code of the whole model: helper functions, layers, and the transformer around them."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.addition.adderboard.layers import attention, feed_forward
from trainables.addition.adderboard.norms import add_norm, norm_classes
from trainables.addition.adderboard.parts import Matrix, Part, module_code
from trainables.transformer.embeddings import initial_arc
from trainables.transformer.shape import TransformerShape


@dataclass(frozen=True)
class ModelCode:
    """The code of a model, and the source of each parameter."""

    functions: list[str]
    """Functions and classes, in their order in the file."""
    weights: dict[str, str]
    """Names of the model's parameters, and of the same tensors in the trained model's state."""
    needs_math: bool


def model_code(shape: TransformerShape, *, vocabulary: int, positions: int) -> ModelCode:
    """Return the code of a shape's model."""
    layers = (attention(shape), feed_forward(shape))
    model = _transformer(shape, vocabulary, positions, layers)
    code = [*_helpers(shape), *norm_classes(shape), *_layer_classes(shape, layers)]
    if shape.n_layers > 1:
        code.append(_block_class(shape))
    code.append(
        module_code(
            "Transformer",
            model,
            about=f"A causal transformer that predicts the next of {vocabulary} tokens.",
            forward="tokens",
            returns=f"Map tokens (B, T) to logits (B, T, {vocabulary}).",
            methods=_arc_table(shape, vocabulary) if shape.embedding == "arc" else [],
        )
    )
    return ModelCode(code, model.weights, needs_math=shape.position in ("rotary", "sinusoidal"))


def _transformer(shape: TransformerShape, vocabulary: int, positions: int, layers: tuple[Part, Part]) -> Part:
    part = Part()
    d = shape.d_model
    if shape.embedding == "arc":
        for name in shape.trained_of_arc:
            part.parameter(name, source=f"embedding.{name}")
        part.forward.append(f"table = self.table()  # ({vocabulary}, {d})")
    else:
        part.parameter("embedding", vocabulary, d, source="embedding.weight")
    table = "table" if shape.embedding == "arc" else "self.embedding"
    part.forward.append(f"x = F.embedding(tokens, {table})  # (B, T, {d})")
    _add_positions(part, shape, positions)
    if shape.norm_sharing == "all":
        add_norm(part, shape, "norm", source="blocks.0.attention_norm")
    if shape.n_layers == 1:
        _add_block(part, shape, layers, source="blocks.0.")
    else:
        blocks = f"Block() for _ in range({shape.n_layers})"
        part.init.append(f"self.blocks = nn.ModuleList({blocks})")
        for index in range(shape.n_layers):
            block = Part()
            _add_block(block, shape, layers, source=f"blocks.{index}.")
            part.weights |= {f"blocks.{index}.{name}": source for name, source in block.weights.items()}
        common = ", self.norm" if shape.norm_sharing == "all" else ""
        part.forward += ["for block in self.blocks:", f"    x = block(x{common})"]
    if shape.final_norm and shape.norm != "none":
        if shape.norm_sharing != "all":
            add_norm(part, shape, "final_norm", source="final_norm")
        part.forward.append(f"x = self.{'norm' if shape.norm_sharing == 'all' else 'final_norm'}(x)")
    if shape.tied_embeddings:
        part.forward.append(f"return F.linear(x, {table})  # the output head is the token embedding")
    else:
        part.parameter("head", vocabulary, d, source="head")
        part.forward.append("return F.linear(x, self.head)")
    return part


def _add_positions(part: Part, shape: TransformerShape, positions: int) -> None:
    """Add the positions that are added to token embeddings, if any."""
    if shape.position == "sinusoidal":
        part.forward.append("x = x + sinusoids(tokens.shape[1])")
    if shape.position != "learned":
        return
    table = Matrix(
        name="positions",
        rows=positions,
        columns=shape.d_model,
        rank=shape.position_rank,
        source="positions.weight",
        right_source="positions.second",
    )
    part.matrix(table)
    whole = table.value if table.rank is None else f"({table.value})"
    part.forward.append(f"x = x + {whole}[: tokens.shape[1]]")


def _add_block(part: Part, shape: TransformerShape, layers: tuple[Part, Part], *, source: str) -> None:
    """Add one block's layers and norms, in their order."""
    first, second = {
        "none": ("self.attention_norm", "self.ffn_norm"),
        "block": ("self.block_norm", "self.block_norm"),
        "all": ("self.norm" if shape.n_layers == 1 else "norm",) * 2,
    }[shape.norm_sharing]
    if shape.norm_sharing != "all":
        add_norm(part, shape, first.removeprefix("self."), source=f"{source}attention_norm")
    part.module("attention", "Attention()", layers[0].weights, source=f"{source}attention")
    if shape.norm_sharing == "none":
        add_norm(part, shape, second.removeprefix("self."), source=f"{source}ffn_norm")
    part.module("feed_forward", "FeedForward()", layers[1].weights, source=f"{source}feed_forward")
    angle = ", self.attention.key_angle" * shape.shared_angle
    for layer, norm, beside in (("attention", first, ""), ("feed_forward", second, angle)):
        normalised = "x" if shape.norm == "none" else f"{norm}(x)"
        part.forward.append(f"x = x + self.{layer}({normalised}{beside})")


def _layer_classes(shape: TransformerShape, layers: tuple[Part, Part]) -> list[str]:
    heads = "one head" if shape.n_heads == 1 else f"{shape.n_heads} heads"
    about = (
        f"Causal self-attention with {heads} of width {shape.width_of_head}.",
        f"The feed-forward layer, of width {shape.d_ff}.",
    )
    features = f"(B, T, {shape.d_model})"
    given = ("x", "x, angle" if shape.shared_angle else "x")
    return [
        module_code(
            name, layer, about=text, forward=inputs, returns=f"Map {features} to {features}.", methods=[]
        )
        for name, layer, text, inputs in zip(("Attention", "FeedForward"), layers, about, given, strict=True)
    ]


def _block_class(shape: TransformerShape) -> str:
    block = Part()
    _add_block(block, shape, (Part(), Part()), source="")
    block.forward.append("return x")
    features = f"(B, T, {shape.d_model})"
    return module_code(
        "Block",
        block,
        about="Attention and feed-forward, each added to the residual stream.",
        forward="x, norm" if shape.norm_sharing == "all" else "x",
        returns=f"Map {features} to {features}.",
        methods=[],
    )


def _arc_table(shape: TransformerShape, vocabulary: int) -> list[str]:
    """Return the method that computes the token embedding from its three numbers, of which some are fixed."""
    d, trained = shape.d_model, shape.trained_of_arc
    amplitude, start, stride = (
        f"self.{name}" if name in trained else repr(value)
        for name, value in initial_arc(shape, vocabulary).items()
    )
    # Whole numbers times a parameter have its type; times a constant they would have torch's default.
    typed = "" if "stride" in trained else f", dtype={start if 'start' in trained else amplitude}.dtype"
    text = f"Return the tokens' vectors ({vocabulary}, {d}): points on an arc of a circle"
    circle = f"{amplitude} * torch.stack([angle.cos(), angle.sin()], dim=1)"
    lines = [
        "def table(self):",
        f'    """{text}{", then zeros" if d > 2 else ""}."""',
        f"    angle = {start} + {stride} * torch.arange({vocabulary}{typed})",
    ]
    if d == 2:
        return [*lines, f"    return {circle}"]
    return [*lines, f"    circle = {circle}  # ({vocabulary}, 2)", f"    return F.pad(circle, (0, {d - 2}))"]


def _helpers(shape: TransformerShape) -> list[str]:
    """Return the functions that the layers call."""
    helpers = [_PARAMETER]
    if shape.n_heads > 1:
        helpers.append(_SPLIT.format(heads=shape.n_heads, width=shape.width_of_head))
    if shape.triangular != "none":
        rows, columns = shape.attention_width, shape.d_model
        helpers.append(_TRIANGULAR.format(rows=rows, columns=columns, lengths=shape.triangular_rows))
    if shape.position == "rotary" or shape.key_projection == "rotated_query" or shape.rotates_down:
        helpers.append(_TURN)
    if shape.position == "rotary":
        first = "" if shape.rope_period is None else f" * (2 * math.pi / {shape.rope_period!r})"
        helpers.append(
            _ROTARY.format(turning=shape.turning_features, theta=repr(shape.rope_theta), first=first)
        )
    if shape.position == "sinusoidal":
        d = shape.d_model
        helpers.append(_SINUSOIDS.format(width=d, cut=f"[:, :{d}]" if d % 2 else ""))
    return helpers


_PARAMETER = '''\
def parameter(*shape):
    """Return a parameter, whose numbers are in WEIGHTS."""
    return nn.Parameter(torch.empty(shape))'''

_SPLIT = '''\
def split(x):
    """Give each head its features: (B, T, {heads} * {width}) to (B, {heads}, T, {width})."""
    return x.unflatten(-1, ({heads}, {width})).transpose(1, 2)'''

_TRIANGULAR = '''\
def triangular(entries):
    """Return the matrix ({rows}, {columns}) of some entries, with zeros below the diagonal of each head."""
    rows = entries.split({lengths})
    return torch.stack([F.pad(row, ({columns} - len(row), 0)) for row in rows])'''

_TURN = '''\
def turn(x, angle):
    """Rotate features i and i + n of x by the i-th of n angles; features from 2 n on are unchanged."""
    n = angle.shape[-1]
    cos, sin = angle.cos(), angle.sin()
    first, second, rest = x[..., :n], x[..., n : 2 * n], x[..., 2 * n :]
    return torch.cat([first * cos - second * sin, second * cos + first * sin, rest], dim=-1)'''

_ROTARY = '''\
def rotary(x):
    """Rotate the features (..., T, width) of each token by angles that grow with its position."""
    frequency = torch.exp(torch.arange(0, {turning}, 2) * (-math.log({theta}) / {turning})){first}
    return turn(x, torch.arange(x.shape[-2])[:, None] * frequency)'''

_SINUSOIDS = '''\
def sinusoids(length):
    """Return fixed positions (length, {width}): sines in even columns, cosines in odd ones."""
    frequency = torch.exp(torch.arange(0, {width}, 2) * (-math.log(10000.0) / {width}))
    angle = torch.arange(length)[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1){cut}'''
