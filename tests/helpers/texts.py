"""Small texts for the GPT-2 task, and its configurations."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainables.gpt2.config import GPT2Config
from trainables.text.building import Document, build_dataset
from trainables.text.dataset import Dataset
from trainables.text.tokenizers import BytesTokenizer, CharsTokenizer

CPU = torch.device("cpu")


TINY: dict[str, Any] = {
    "n_layers": 2,
    "d_model": 32,
    "n_heads": 2,
    "d_ff": 64,
    "context": 16,
    "batch": 6,
    "steps": 12,
    "eval_every": 4,
    "val_tokens": 160,
}


def config_of(**changed: Any) -> GPT2Config:
    return GPT2Config.model_validate({**TINY, **changed})


def wrote(folder: Path, texts: list[str], *, chars: bool = False, shard_tokens: int = 300) -> Dataset:
    """Build a data set of texts, in several shards."""
    tokenizer = CharsTokenizer.of(texts) if chars else BytesTokenizer()
    documents = [Document(f"text {number}", text) for number, text in enumerate(texts)]
    return build_dataset(
        folder, documents, tokenizer, source="a test", val_share=0.3, shard_tokens=shard_tokens
    )


def counted(count: int) -> list[str]:
    """Return texts in which no window occurs twice: they count."""
    return [" ".join(f"{number:05d}" for number in range(9 * i, 9 * i + 9)) + "\n" for i in range(count)]


def split_of(data: Dataset, name: Any) -> list[int]:
    return data.read(name, 0, data.length(name)).tolist()


class Watching(nn.Module):
    """A model that notes what it reads, and says all tokens are equally likely."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.seen: list[list[int]] = []

    def losses(self, tokens: Tensor, mask: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
        self.seen += tokens.tolist()
        return torch.full(tokens.shape, math.log(self.vocabulary)), targets == 0
