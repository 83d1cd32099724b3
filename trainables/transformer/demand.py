"""What training a transformer's shape keeps in memory and computes, by formulas, without torch."""

from __future__ import annotations

from trainables.transformer.shape import TransformerShape


def flops_per_token(shape: TransformerShape, *, vocabulary: int, read: int) -> float:
    """Return operations per token as PaLM counts them: 6 per weight, 12 per attended feature.

    Weights are those of all matrices that are multiplied with, derived ones included. As if every position
    were computed in every block, and attended to all.

    Args:
        shape: the transformer's shape.
        vocabulary: number of different tokens.
        read: tokens of a sample that the model reads.
    """
    d, width = shape.d_model, shape.attention_width
    feed_forward = (3 if shape.activation == "swiglu" else 2) * d * shape.d_ff
    weights = shape.n_layers * (4 * d * width + feed_forward) + vocabulary * d
    return 6 * weights + 12 * shape.n_layers * width * read


def kept_per_sample(
    shape: TransformerShape, *, vocabulary: int, read: int, answered: int, looks_up: bool
) -> int:
    """Return the numbers of a sample that PyTorch's forward pass keeps for the backward pass.

    Args:
        shape: the transformer's shape.
        vocabulary: number of different tokens.
        read: tokens of a sample that the model reads.
        answered: tokens that it predicts, for which alone the last block computes queries and more.
        looks_up: whether the input of the first block is looked up, and so not kept for each sample.
    """
    d, f, width = shape.d_model, shape.d_ff, shape.attention_width
    dropped = shape.dropout > 0
    numbers = 2 * d * answered + vocabulary * answered + dropped * d * read
    for layer in range(shape.n_layers):
        wanted = answered if layer == shape.n_layers - 1 else read
        if layer or not looks_up:
            numbers += 2 * d * read + (d * wanted if wanted < read else 0)
            # Norms of queries and keys keep what they normalise, of keys in one piece with the values, and
            # what they made of it.
            numbers += width * (2 * wanted + 3 * read) if shape.qk_norm != "none" else 0
        weights = shape.n_heads * wanted * read
        numbers += width * (2 * wanted + 2 * read) + (3 if dropped else 1) * weights  # with mask and result
        # Those of the feed-forward layer: swiglu keeps both products, the gate and what it multiplies.
        numbers += (4 if dropped else 2) * d * wanted + (
            4 if shape.activation == "swiglu" else 2
        ) * f * wanted
    return numbers
