"""Text from a trained model, token by token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from trainables.contract import CheckpointError
from trainables.gpt2.config import GPT2Config
from trainables.gpt2.masks import attend_dense, dense_mask
from trainables.gpt2.model import GPT2
from trainables.text.tokenizers import REPLACEMENT, Tokenizer, tokenizer_from_json


def tokenizer_of(notes: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer described in a checkpoint's notes.

    Raises:
        CheckpointError: the notes have no tokenizer.
        DataError: it is not available on this machine.
    """
    if "tokenizer" not in notes:
        raise CheckpointError("the checkpoint has no tokenizer; train the model again")
    return tokenizer_from_json(notes["tokenizer"])


def generate(
    model: GPT2,
    config: GPT2Config,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    count: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """Yield the text that follows a prompt in pieces, as it is generated; each is whole characters.

    The model reads the last ``config.context`` tokens for each new one; nothing is cached. It ends
    after ``count`` tokens, or when the model ends the document.

    Args:
        model: a trained model, on any device.
        config: its configuration.
        tokenizer: its tokenizer.
        prompt: the beginning of a document; may be empty.
        count: most tokens to generate.
        temperature: divides the logits; 0 always takes the most likely token.
        top_k: samples from this many most likely tokens; None from all.
        seed: of the draws.

    Raises:
        DataError: the prompt cannot be encoded.
    """
    # Before the first piece is requested: an invalid prompt is refused at once.
    tokens = [tokenizer.document_start, *tokenizer.encode(prompt).tolist()]
    return _pieces(model, config, tokenizer, tokens, count, temperature, top_k, seed)


@torch.no_grad()
def _pieces(
    model: GPT2,
    config: GPT2Config,
    tokenizer: Tokenizer,
    tokens: list[int],
    count: int,
    temperature: float,
    top_k: int | None,
    seed: int,
) -> Iterator[str]:
    """Yield pieces of text, and append their tokens."""
    model.eval()
    # FlexAttention would be recompiled for each length.
    model.attend_by(attend_dense)
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    begin, said = len(tokens), ""
    for _ in range(count):
        read = torch.tensor([tokens[-config.context :]], device=device)
        window = None
        if config.window is not None:
            window = torch.tensor([config.window[1]], device=device)
        logits = model.next_logits(read, dense_mask(read.shape[1], None, window, device))[0].float().cpu()
        # A padded table has rows without a token.
        token = _draw(logits[: tokenizer.vocabulary], temperature, top_k, generator)
        if token == tokenizer.document_start:
            break
        tokens.append(token)
        text = tokenizer.decode(tokens[begin:])
        # Invalid bytes can be the beginning of a character whose last bytes are still to come.
        whole = text.rstrip(REPLACEMENT)
        if whole.startswith(said) and len(whole) > len(said):
            yield whole[len(said) :]
            said = whole
    rest = tokenizer.decode(tokens[begin:])[len(said) :]
    if rest:
        yield rest


def _draw(logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator) -> int:
    """Draw a token from logits of shape (vocabulary,)."""
    if temperature == 0:
        return int(logits.argmax())
    if top_k is not None and top_k < len(logits):
        kept = logits.topk(top_k)
        logits = torch.full_like(logits, -torch.inf).scatter(0, kept.indices, kept.values)
    # At any temperature the most likely token stays at 0, and inf - inf does not occur.
    chances = torch.softmax((logits - logits.max()).double() / temperature, dim=0)
    return int(torch.multinomial(chances, 1, generator=generator))
