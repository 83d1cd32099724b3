"""``paretune generate``: let a trained language model continue a text."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from paretune.cli.exits import OK
from paretune.cli.grouping import grouped
from paretune.cli.models.evaluate import Checkpoint
from paretune.cli.options import DEFAULT_RESULTS, AllowTaskCode, AsJson, Device, Results
from paretune.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What is continued, and how its tokens are drawn."""

    prompt: Annotated[str, typer.Option("--prompt", help="The text to continue.")] = ""
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="Tokens to generate, at most.")] = 200
    temperature: Annotated[
        float, typer.Option("--temperature", min=0.0, help="Divides the logits; 0 is greedy.")
    ] = 1.0
    top_k: Annotated[
        int | None, typer.Option("--top-k", min=1, help="Choose among so many likeliest tokens only.")
    ] = None
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draws.")] = 0


@grouped
def generate(
    checkpoint: Checkpoint,
    draws: Draws,
    device: Device = "auto",
    results: Results = DEFAULT_RESULTS,
    allow_task_code: AllowTaskCode = False,
    as_json: AsJson = False,
) -> int:
    """Let a trained language model continue a text.

    It runs on a CPU or a GPU, and the text appears as it is made. A lower temperature makes it likelier and
    duller; 0 takes the likeliest token always. It ends after --tokens, or where the model ends the document.
    CHECKPOINT is a file, or the name of a search that has been retrained.

    \b
    Examples:
      paretune generate gpt2-laptop --prompt "def main("
      paretune generate checkpoint.pt --prompt "ROMEO:" --tokens 500 --temperature 0.8 --top-k 40
    """
    from analysis.text import visible
    from paretune.confirm.finding import find_checkpoint
    from paretune.devices import pick_device
    from paretune.terminal.printing import print_json
    from trainables.abilities import ability
    from trainables.checkpoints import load_model

    if not math.isfinite(draws.temperature):
        raise InputError(f"--temperature must be a number, but got {draws.temperature}")
    path = find_checkpoint(checkpoint, results)
    loaded = load_model(path, pick_device(device), allow_task_code=allow_task_code)
    pieces = ability(loaded, "generate")(loaded, **asdict(draws))
    if as_json:
        text = "".join(pieces)
        print_json({"checkpoint": str(path), "prompt": draws.prompt, "text": text, "seed": draws.seed})
        return OK
    # A model of someone else can say anything, also what a terminal would obey.
    shown = visible if sys.stdout.isatty() else str
    sys.stdout.write(draws.prompt)
    for piece in pieces:
        sys.stdout.write(shown(piece))
        sys.stdout.flush()
    sys.stdout.write("\n")
    return OK
