"""Text from a model: greedy, drawn, cropped, whole in its characters; and ``paretune generate``."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.commands import run_cli
from torch import Tensor

from trainables.checkpoints import load_model, save
from trainables.gpt2.block_attention import attend_in_blocks
from trainables.gpt2.config import GPT2Config
from trainables.gpt2.generation import generate, tokenizer_of
from trainables.gpt2.masks import Mask, attend_dense
from trainables.gpt2.model import GPT2
from trainables.loop import train
from trainables.tasks import TASKS
from trainables.text.building import Document, build_dataset
from trainables.text.errors import DataError
from trainables.text.tokenizers import REPLACEMENT, BytesTokenizer, CharsTokenizer

CPU = torch.device("cpu")
BYTES = BytesTokenizer()
TINY: dict[str, Any] = {"d_model": 16, "n_heads": 2, "n_layers": 1, "d_ff": 32, "context": 16}
EURO = "\u20ac"


def model_of(**values: Any) -> tuple[GPT2, GPT2Config]:
    """Return a model of random weights that are large enough to have opinions."""
    config = GPT2Config(**TINY | values)
    torch.manual_seed(3)
    model = GPT2(config, attend_dense)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5)
    return model, config


class Script(GPT2):
    """A model that says given tokens, and remembers what it was shown."""

    def __init__(self, config: GPT2Config, said: Sequence[int]) -> None:
        super().__init__(config, attend_dense)
        self.said = list(said)
        self.shown: list[list[int]] = []

    def next_logits(self, tokens: Tensor, mask: Mask) -> Tensor:
        logits = torch.zeros(1, self.shape.vocabulary)
        logits[0, self.said[len(self.shown)]] = 50.0
        self.shown.append(tokens[0].tolist())
        return logits


def spoken(
    text: bytes, count: int | None = None, prompt: str = "", **values: Any
) -> tuple[list[str], Script]:
    config = GPT2Config(**TINY | values)
    script = Script(config, list(text))
    pieces = list(generate(script, config, BYTES, prompt, count=len(text) if count is None else count))
    return pieces, script


# Choosing tokens


def test_greedy_takes_the_likeliest_token_at_every_step() -> None:
    model, config = model_of()
    said = "".join(generate(model, config, BYTES, "ab", count=12, temperature=0))
    tokens = [0, *b"ab"]
    with torch.no_grad():
        for _ in range(12):
            tokens.append(int(model(torch.tensor([tokens[-16:]]), None)[0, -1].argmax()))
            if tokens[-1] == 0:
                break
    assert said == BYTES.decode(tokens[3:])


def test_hardly_any_temperature_is_greedy_and_no_error() -> None:
    model, config = model_of()
    greedy = list(generate(model, config, BYTES, "x", count=8, temperature=0))
    for temperature in (1e-6, 1e-30, 1e-320):
        assert list(generate(model, config, BYTES, "x", count=8, temperature=temperature)) == greedy


def test_the_same_seed_says_the_same_and_another_something_else() -> None:
    model, config = model_of()
    first, again, other = (
        "".join(generate(model, config, BYTES, "x", count=20, temperature=2.0, seed=seed))
        for seed in (5, 5, 6)
    )
    assert first == again != other


def test_top_k_draws_among_the_likeliest_only() -> None:
    """40 draws among 2 tokens; a token outside would be seen with a chance of nearly 1."""
    model, config = model_of()
    with torch.no_grad():
        likeliest = model(torch.tensor([[0]]), None)[0, -1].topk(2).indices.tolist()
    seen = {
        "".join(generate(model, config, BYTES, "", count=1, temperature=50.0, top_k=2, seed=seed))
        for seed in range(40)
    }
    assert seen == {BYTES.decode([token]) for token in likeliest}


def test_top_1_is_greedy_and_more_than_there_are_is_all() -> None:
    model, config = model_of()

    def said(**how: Any) -> list[str]:
        return list(generate(model, config, BYTES, "x", count=8, **how))

    assert said(top_k=1, temperature=3.0) == said(temperature=0)
    assert said(top_k=1000) == said(top_k=256) == said()


def test_rows_that_stand_for_no_token_are_never_drawn() -> None:
    config = GPT2Config(**TINY, vocabulary=300)
    script = Script(config, [299] * 50)
    "".join(generate(script, config, BYTES, "", count=50, temperature=1.0))
    assert all(token < 256 for shown in script.shown for token in shown)


# What the model is shown


def test_the_model_reads_the_mark_and_the_prompt_and_then_the_last_tokens() -> None:
    _, script = spoken(b"defghijkl", prompt="abc", context=5)
    assert script.shown[0] == [0, *b"abc"]
    assert script.shown[1] == [0, *b"abcd"]
    assert script.shown[2] == list(b"abcde")
    assert script.shown[-1] == list(b"ghijk")


def test_a_prompt_longer_than_the_context_is_read_from_its_end() -> None:
    _, script = spoken(b"x", prompt="a long prompt", context=6)
    assert script.shown == [list(b"prompt")]


def test_attention_reaches_back_as_far_as_at_the_last_step() -> None:
    model, config = model_of(window=[2, 3], position="rotary")
    near, far = (
        list(generate(model, config, BYTES, begin + "abc", count=1, temperature=0)) for begin in ("", "zzz")
    )
    assert near == far, "one layer that reaches back three tokens sees the same"


def test_a_model_made_for_blocks_generates_on_a_cpu() -> None:
    model, config = model_of(attention="flex", document_mask=True)
    dense = list(generate(model, config, BYTES, "x", count=6))
    model.attend_by(attend_in_blocks(torch.device("cpu")))
    assert list(generate(model, config, BYTES, "x", count=6)) == dense


# Pieces of text


def test_characters_of_several_bytes_stay_whole() -> None:
    text = f"1{EURO} \U0001f600."
    pieces, _ = spoken(text.encode())
    assert pieces == ["1", EURO, " ", "\U0001f600", "."]


def test_broken_characters_are_said_once_it_is_clear_that_they_are() -> None:
    pieces, _ = spoken(b"a\xe2\x82b")
    assert "".join(pieces) == f"a{REPLACEMENT}b"
    assert pieces[0] == "a"


def test_half_a_character_at_the_end_is_said_as_what_it_is() -> None:
    pieces, _ = spoken(EURO.encode()[:2])
    assert "".join(pieces) == REPLACEMENT


def test_a_character_that_says_broken_is_said_too() -> None:
    pieces, _ = spoken(f"a{REPLACEMENT}b{REPLACEMENT}".encode())
    assert "".join(pieces) == f"a{REPLACEMENT}b{REPLACEMENT}"


def test_marks_that_are_written_apart_stay_apart() -> None:
    text = unicodedata.normalize("NFD", "\u00e9t\u00e9")
    assert "".join(spoken(text.encode())[0]) == text


def test_the_document_ends_with_the_mark_of_the_next() -> None:
    pieces, script = spoken(b"end\0more")
    assert pieces == ["e", "n", "d"]
    assert len(script.shown) == 4
    assert spoken(b"\0")[0] == []


def test_so_many_tokens_are_generated_and_no_more() -> None:
    pieces, script = spoken(b"abcdef", count=4)
    assert "".join(pieces) == "abcd"
    assert len(script.shown) == 4


def test_a_character_without_a_token_is_refused_before_anything_is_said() -> None:
    model, config = model_of(vocabulary=4)
    with pytest.raises(DataError, match="'d'"):
        generate(model, config, CharsTokenizer("abc"), "abcd", count=5)


# The command


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints of models that were trained for a moment: of text, in characters, and of addition."""
    folder = tmp_path_factory.mktemp("checkpoints")
    documents = [Document(f"{number}", f"caf\u00e9 number {number}. " * 9) for number in range(20)]
    tokenizer = CharsTokenizer.of(document.text for document in documents)
    data = build_dataset(folder / "data", documents, tokenizer, source="a test")
    text = TINY | {"data": str(folder / "data"), "steps": 3, "batch": 2, "val_tokens": 64, "eval_every": 3}
    configs = {
        "text": TASKS["gpt2"].config_class(**text, vocabulary=data.vocabulary + 3),
        "addition": TASKS["addition"].config_class(steps=1, batch=4, val_problems=10, engine="torch"),
    }
    paths = {name: folder / f"{name}.pt" for name in configs}
    for name, config in configs.items():
        task = TASKS["gpt2" if name == "text" else name]
        train(task, config, device=CPU, report=lambda _, snapshot, to=paths[name]: save(snapshot(), to))
    # A trained model must not need its text.
    (folder / "data").rename(folder / "elsewhere")
    return paths


def test_the_command_says_what_the_function_says(checkpoints: dict[str, Path]) -> None:
    done = run_cli(
        "generate", checkpoints["text"], "--prompt", "caf", "--tokens", "20", "--seed", "7", "--top-k", "5",
        "--device", "cpu", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    loaded = load_model(checkpoints["text"], CPU)
    assert isinstance(loaded.model, GPT2)
    assert isinstance(loaded.config, GPT2Config)
    tokenizer = tokenizer_of(loaded.notes)
    pieces = generate(loaded.model, loaded.config, tokenizer, "caf", count=20, top_k=5, seed=7)
    content = json.loads(done.out)
    assert content["text"] == "".join(pieces)
    assert (content["prompt"], content["seed"]) == ("caf", 7)
    assert content["checkpoint"] == str(checkpoints["text"])


def test_without_json_prompt_and_text_follow_each_other(checkpoints: dict[str, Path]) -> None:
    arguments = (
        "generate",
        checkpoints["text"],
        "--prompt",
        "number ",
        "--tokens",
        "5",
        "--temperature",
        "0",
    )
    plain, content = run_cli(*arguments), json.loads(run_cli(*arguments, "--json").out)
    assert plain.code == 0, plain.err
    assert plain.out == "number " + content["text"] + "\n"


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("addition", (), "of the task addition does not offer generate; it offers: add, adderboard"),
        ("text", ("--prompt", "caf\u00e9!"), "'!'"),
        ("text", ("--temperature", "inf"), "--temperature must be a number"),
        ("text", ("--temperature", "-1"), "--temperature"),
        ("text", ("--top-k", "0"), "--top-k"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused(
    checkpoints: dict[str, Path], name: str, options: tuple[str, ...], said: str
) -> None:
    done = run_cli("generate", checkpoints[name], *options)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


def test_a_checkpoint_without_a_tokenizer_is_refused(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    content = torch.load(checkpoints["text"], weights_only=True)
    torch.save({**content, "notes": {}}, tmp_path / "old.pt")
    done = run_cli("generate", tmp_path / "old.pt")
    assert done.code == 2
    assert "has no tokenizer; train the model again" in done.err
