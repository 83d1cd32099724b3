"""``paretune generate``: let a trained language model go on with a text."""

from __future__ import annotations

import math
import sys
from typing import Annotated

import typer

from paretune.cli.exits import OK
from paretune.cli.models.evaluate import CheckpointPath
from paretune.cli.options import AsJson, Device
from paretune.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("generate", help=_HELP, short_help=_SHORT)(generate)


_SHORT = "Let a trained language model go on with a text."
_HELP = """Let a trained language model go on with a text, on a CPU or a GPU.

The text appears as it is made. A lower temperature makes it likelier and duller; 0 takes the
likeliest token always. It ends after --tokens, or where the model ends the document.

\b
Examples:
  paretune generate checkpoint.pt --prompt "def main("
  paretune generate checkpoint.pt --prompt "ROMEO:" --tokens 500 --temperature 0.8 --top-k 40
"""


def generate(
    checkpoint: CheckpointPath,
    prompt: Annotated[str, typer.Option("--prompt", help="The text to go on with.")] = "",
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="Tokens to generate, at most.")] = 200,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0.0, help="Divides the logits; 0 is greedy.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option("--top-k", min=1, help="Choose among so many likeliest tokens only.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draws.")] = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> int:
    """Generate text; see the help text."""
    from paretune.devices import pick_device
    from paretune.terminal.printing import print_json
    from trainables.checkpoints import load_model
    from trainables.gpt2.config import GPT2Config
    from trainables.gpt2.generation import generate as generate_with
    from trainables.gpt2.generation import tokenizer_of
    from trainables.gpt2.model import GPT2

    if not math.isfinite(temperature):
        raise InputError(f"--temperature must be a number, but got {temperature}")
    loaded = load_model(checkpoint, pick_device(device))
    if not isinstance(loaded.config, GPT2Config) or not isinstance(loaded.model, GPT2):
        raise InputError(f"{checkpoint} was trained on {loaded.task.name}, not on text")
    pieces = generate_with(
        loaded.model,
        loaded.config,
        tokenizer_of(loaded.notes),
        prompt,
        count=tokens,
        temperature=temperature,
        top_k=top_k,
        seed=seed,
    )
    if as_json:
        print_json({"checkpoint": str(checkpoint), "prompt": prompt, "text": "".join(pieces), "seed": seed})
        return OK
    sys.stdout.write(prompt)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return OK
