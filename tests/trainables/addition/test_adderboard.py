"""A trained adder as one file for the public challenge: the same model, readable, needing torch only."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.commands import run_cli
from helpers.transformer_shapes import FIXED_OF_ARCS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from paretune.cli.models.export import export
from paretune.errors import InputError
from trainables.addition.adderboard import submission as submission_module
from trainables.addition.adderboard import trial as trial_module
from trainables.addition.adderboard.submission import Submission, make_submission
from trainables.addition.adderboard.trial import EDGE_CASES, Trial, random_problems
from trainables.addition.adderboard.weights import number
from trainables.addition.answers import add
from trainables.addition.config import AdditionConfig
from trainables.addition.formats import MALFORMED, make_format
from trainables.checkpoints import make_snapshot, save
from trainables.contract import CheckpointError
from trainables.tasks import TASKS
from trainables.transformer.shape import TransformerShape

CPU = torch.device("cpu")
TASK = TASKS["addition"]

PICO = {"d_model": 7, "d_ff": 14}
SMALLEST: dict[str, Any] = {
    "format": "aligned", "d_model": 3, "head_width": 4, "d_ff": 2, "embedding": "arc",
    "position": "rotary", "rope_theta": 3.0, "norm": "rmsnorm", "norm_sharing": "all", "qk_norm": "shared",
    "key_projection": "rotated_query", "value_projection": "query", "output_projection": "query_transposed",
    "activation": "swiglu", "down_projection": "rotated_units",
}  # fmt: skip

MOST_TIED: dict[str, Any] = {
    **SMALLEST, "head_width": 2, "rope_period": 12.0, "value_projection": "full",
    "output_projection": "value_transposed", "triangular": "value", "norm_gain": "scalar",
    "qk_norm": "scalar", "arc_fixed": "amplitude_start", "arc_init": (2.5, -1.2, 0.29), "shared_angle": True,
}  # fmt: skip

VALUES: dict[str, tuple[Any, ...]] = {
    "n_layers": (1, 1, 2, 3), "d_model": (2, 3, 5, 6, 8), "d_ff": (1, 3, 8, 19), "n_heads": (1, 1, 2, 3),
    "head_width": (None, 1, 2, 4, 5), "embedding": ("table", "arc"),
    "arc_init": (None, (2.5, -1.2, 0.29)), "init_std": (None, 0.3), "arc_fixed": FIXED_OF_ARCS,
    "position": ("learned", "sinusoidal", "rotary", "none"), "position_rank": (None, 1, 2),
    "rope_theta": (10_000.0, 3.0, 7.25), "rope_period": (None, 12.0, 4.5), "rotary_width": (None, 2),
    "norm": ("layernorm", "rmsnorm", "none"),
    "norm_sharing": ("none", "block", "all"), "norm_gain": ("vector", "scalar", "none"),
    "final_norm": (True, False), "qk_norm": ("none", "separate", "shared", "scalar", "unit"),
    "key_projection": ("full", "scaled_query", "rotated_query", "query"),
    "value_projection": ("full", "key", "query"),
    "output_projection": ("full", "query_transposed", "value_transposed"),
    "triangular": ("none", "query", "value", "query_value"),
    "qkv_rank": (None, 1, 2), "qkv_shared_factor": (False, True), "output_rank": (None, 2),
    "activation": ("gelu", "relu", "squared_relu", "swiglu"), "ffn_bias": (False, True),
    "ffn_rank": (None, 1, 2), "gate_projection": ("full", "scaled_up", "scaled_units", "up"),
    "down_projection": ("full", "up_transposed", "rotated_up", "rotated_units", "gate_transposed"),
    "shared_angle": (False, True), "tied_embeddings": (True, False),
    "dropout": (0.0, 0.25),
    "format": ("delimited", "undelimited", "aligned", "characters", "base100"),
    "answer_order": ("reversed", "forward"), "answer_length": ("fixed", "variable"),
    "pad_token": (True, False), "position_rows": (None, 40),
}  # fmt: skip
"""Of every knob that decides what the model computes."""

FORMATS: list[dict[str, Any]] = [
    {"format": "delimited"},
    {"format": "delimited", "pad_token": False},
    {"format": "undelimited"},
    {"format": "aligned"},
    *(
        {"format": "characters", "answer_order": order, "answer_length": length}
        for order in VALUES["answer_order"]
        for length in VALUES["answer_length"]
    ),
    {"format": "base100"},
]


def drawn_configurations(count: int) -> list[AdditionConfig]:
    """Return so many valid configurations, every knob drawn on its own, if it can have an effect."""
    draw, found = random.Random(5), []
    while len(found) < count:
        values = {name: draw.choice(values) for name, values in VALUES.items()}
        rotated = (values["key_projection"], values["down_projection"].split("_")[0])
        for has_effect, *names in (
            (values["embedding"] == "arc", "arc_init", "arc_fixed"),
            (values["norm"] == "rmsnorm", "norm_gain"),
            (values["qkv_rank"] is None, "triangular"),
            (rotated == ("rotated_query", "rotated"), "shared_angle"),
        ):
            values = {name: value for name, value in values.items() if has_effect or name not in names}
        with contextlib.suppress(ValidationError):
            found.append(AdditionConfig(digits=10, **values))
    return found


DRAWN = [
    *drawn_configurations(90),
    *(AdditionConfig(digits=10, **shape) for shape in (PICO, SMALLEST, MOST_TIED)),
]


def some_model(config: AdditionConfig) -> nn.Module:
    """Return a model in which no weight is zero or one, as norms and biases are at first."""
    torch.manual_seed(3)
    model = TASK.workload(config, CPU).build_model().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def loaded(text: str) -> SimpleNamespace:
    """Return the names that a submission defines."""
    names: dict[str, Any] = {"__name__": "submission"}
    exec(compile(text, "submission.py", "exec"), names)
    return SimpleNamespace(**names)


def unique_parameters(model: nn.Module) -> int:
    return sum({p.data_ptr(): p.numel() for p in model.parameters()}.values())


def numbers_in(model: nn.Module) -> list[float]:
    return sorted(value for p in model.parameters() for value in p.detach().flatten().tolist())


def answer(model: nn.Module, a: int, b: int, config: AdditionConfig) -> int:
    """Return what the trained model says, as a submission would say it."""
    said = add(model, a, b, make_format(config.layout))
    return MALFORMED if said is None else said


def code_of(text: str) -> str:
    """Return a submission without its weights, its docstrings and what it says of itself."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            body[0] = ast.Pass()
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("WEIGHTS", "METADATA"))
    ]
    return ast.unparse(tree)


# The same model


def test_the_configurations_drawn_have_every_value_of_every_knob() -> None:
    """Also those of knobs that come later: they would have to be written out too."""
    known = set(TransformerShape.model_fields) | {
        "format", "answer_order", "answer_length", "pad_token", "position_rows"
    }  # fmt: skip
    assert set(VALUES) == known
    for name, values in VALUES.items():
        assert {getattr(config, name) for config in DRAWN} >= set(values), name
    for form in FORMATS:
        assert any(form.items() <= config.model_dump().items() for config in DRAWN), form


@pytest.mark.parametrize("index", range(len(DRAWN)))
def test_a_submission_is_the_trained_model(index: int) -> None:
    config = DRAWN[index]
    model = some_model(config)
    submission = make_submission(config, model)
    file = loaded(submission.text)
    built, metadata = file.build_model()

    tokens = torch.randint(config.layout.vocabulary, (3, config.layout.input_length))
    for a, b in EDGE_CASES[:5]:
        assert file.add(built, a, b) == answer(model, a, b, config)

    # In float64, in which the two orders of sums do not matter; last, because it stays so. The model's
    # constants are rounded to float32, which large logits show.
    with torch.no_grad():
        expected = model.double()(tokens)
        rounding = max(1e-5, 1e-6 * expected.abs().max().item())
        torch.testing.assert_close(built.double()(tokens), expected, rtol=1e-5, atol=rounding)

    counted = sum(TASK.parameter_table(config).values())
    assert metadata["params"] == submission.parameters == counted
    assert unique_parameters(built) == sum(p.numel() for p in built.parameters()) == counted
    assert not any(buffer.is_floating_point() for buffer in built.buffers())
    assert numbers_in(built) == numbers_in(model)


# Problems as tokens


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: "-".join(map(str, form.values())))
def test_problems_and_answers_are_written_as_in_training(form: dict[str, Any]) -> None:
    config = AdditionConfig(digits=10, **form)
    layout, known = config.layout, make_format(config.layout)
    file = loaded(make_submission(config, some_model(config)).text)
    for a, b in [*EDGE_CASES, *random_problems(50)]:
        first, second = torch.tensor([a]), torch.tensor([b])
        assert file.prompt(a, b) == known.encode_prompt(first, second)[0].tolist()
        right = known.encode_answer(first + second)[0].tolist()
        assert len(right) == layout.answer_length
        assert file.read(right) == a + b
    for tokens in broken_answers(known.encode_answer(torch.tensor([49, 0, 10**10 - 1])), layout.vocabulary):
        assert file.read(tokens.tolist()) == int(known.decode(tokens[None])), tokens


def broken_answers(right: Tensor, vocabulary: int) -> Iterator[Tensor]:
    """Give right answers with any token in any place, and answers of any tokens."""
    for row in right:
        for place in range(len(row)):
            for token in range(vocabulary):
                yield torch.cat([row[:place], torch.tensor([token]), row[place + 1 :]])
    yield from torch.randint(vocabulary, (300, right.shape[1]), generator=torch.Generator().manual_seed(1))
    yield from (torch.full((right.shape[1],), token) for token in range(vocabulary))


def test_malformed_answers_are_among_those_compared_and_read_as_minus_one() -> None:
    config = AdditionConfig(digits=10, **PICO)
    file = loaded(make_submission(config, some_model(config)).text)
    assert file.read([9, 4, *[0] * 9, file.EOS]) == 49
    assert file.read([9, file.PLUS, *[0] * 9, file.EOS]) == -1
    assert file.read([9, 4, *[0] * 10]) == -1


# The weights


@settings(max_examples=500)
@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(value=-0.0)
@example(value=3.4028234663852886e38)
@example(value=1.401298464324817e-45)
@example(value=16777216.0)
@example(value=0.10000000149011612)
def test_a_float32_comes_back_bit_for_bit_from_its_shortest_decimal(value: float) -> None:
    text = number(value)
    again = torch.tensor([ast.literal_eval(text)])
    assert again.dtype == torch.float32
    assert struct.pack("f", again.item()) == struct.pack("f", value)
    # The digits that single precision needs are never more than nine.
    digits = text.lstrip("-").split("e")[0].replace(".", "").strip("0")
    assert len(digits) <= 9


def test_a_tenth_is_written_as_a_person_would() -> None:
    assert number(float(torch.tensor(0.1))) == "0.1"
    assert number(1.0) == "1.0"


def test_weights_come_back_bit_for_bit() -> None:
    config = AdditionConfig(digits=10, **PICO)
    model = some_model(config)
    with torch.no_grad():
        bits = torch.randint(-(2**31), 2**31, (14, 7), dtype=torch.int32)
        strange = bits.view(torch.float32).nan_to_num(nan=-0.0, posinf=1e-45, neginf=-3.4e38)
        model.get_parameter("embedding.weight").copy_(strange)
    built, _ = loaded(make_submission(config, model).text).build_model()
    assert torch.equal(built.embedding.view(torch.int32), strange.view(torch.int32))


def test_weights_that_are_no_numbers_are_refused() -> None:
    config = AdditionConfig(digits=10, **PICO)
    model = some_model(config)
    with torch.no_grad():
        model.get_parameter("embedding.weight")[3, 4] = torch.nan
    with pytest.raises(CheckpointError, match="not finite numbers, in embedding"):
        make_submission(config, model)


# What a referee reads


def is_rotated(config: AdditionConfig) -> bool:
    """Return whether the down projection is rotated."""
    return config.down_projection in ("rotated_up", "rotated_units")


TRACES: dict[str, Callable[[AdditionConfig], bool]] = {
    "rotary": lambda c: c.position == "rotary",
    "sinusoids": lambda c: c.position == "sinusoidal",
    "positions": lambda c: c.position == "learned" and c.position_rank is None,
    "positions_right": lambda c: c.position_rank is not None,
    "math": lambda c: c.position in ("rotary", "sinusoidal"),
    "turn": lambda c: (
        c.position == "rotary" or c.key_projection == "rotated_query" or is_rotated(c)
    ),
    "LayerNorm": lambda c: c.norm == "layernorm",
    "RMSNorm": lambda c: (
        (c.norm == "rmsnorm" and c.norm_gain != "scalar") or c.qk_norm not in ("none", "scalar")
    ),
    "ScalarRMSNorm": lambda c: "scalar" in (c.norm_gain, c.qk_norm),
    "final_norm": lambda c: c.final_norm and c.norm != "none" and c.norm_sharing != "all",
    "attention_norm": lambda c: c.norm != "none" and c.norm_sharing == "none",
    "block_norm": lambda c: c.norm_sharing == "block",
    "qk_norm": lambda c: c.qk_norm in ("shared", "scalar", "unit"),
    "key_norm": lambda c: c.qk_norm == "separate",
    "triangular": lambda c: c.triangular != "none",
    "split": lambda c: c.n_heads > 1 or c.triangular != "none",
    "Block": lambda c: c.n_layers > 1,
    "table": lambda c: c.embedding == "arc",
    "amplitude": lambda c: c.embedding == "arc" and "amplitude" not in c.arc_fixed,
    "start": lambda c: c.embedding == "arc" and "start" not in c.arc_fixed,
    "stride": lambda c: c.embedding == "arc" and "stride" not in c.arc_fixed,
    "head": lambda c: not c.tied_embeddings,
    "key_angle": lambda c: c.key_projection == "rotated_query",
    "key_scale": lambda c: c.key_projection == "scaled_query",
    "key": lambda c: c.key_projection == "full" and c.qkv_rank is None,
    "value": lambda c: c.value_projection == "full" and c.qkv_rank is None,
    "output": lambda c: c.output_projection == "full" and c.output_rank is None,
    "output_right": lambda c: c.output_rank is not None,
    "query_left": lambda c: c.qkv_rank is not None,
    "shared_right": lambda c: (
        c.qkv_shared_factor and "full" in (c.key_projection, c.value_projection)
    ),
    "up_right": lambda c: c.ffn_rank is not None,
    "gelu": lambda c: c.activation == "gelu",
    "relu": lambda c: c.activation in ("relu", "squared_relu"),
    "square": lambda c: c.activation == "squared_relu",
    "silu": lambda c: c.activation == "swiglu",
    "gate": lambda c: c.activation == "swiglu",
    "gate_scale": lambda c: c.gate_projection in ("scaled_up", "scaled_units"),
    "gate_bias": lambda c: c.ffn_bias and c.activation == "swiglu" and c.gate_projection == "full",
    "down_angle": lambda c: is_rotated(c) and not c.shared_angle,
    "up_bias": lambda c: c.ffn_bias,
    "down_bias": lambda c: c.ffn_bias,
    "EOS": lambda c: c.format == "delimited",
    "END": lambda c: c.answer_length == "variable",
    "PLUS": lambda c: c.format in ("delimited", "characters", "base100"),
    "pairs_of": lambda c: c.format == "base100",
    "digits_of": lambda c: c.format != "base100",
    "dropout": lambda c: False,
    "Dropout": lambda c: False,
}  # fmt: skip
"""Names that must be in the code of a configuration, or must not."""


def names_in(code: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
    return names


def test_the_code_holds_what_the_configuration_uses_and_nothing_else() -> None:
    for config in DRAWN:
        names = names_in(code_of(make_submission(config, some_model(config)).text))
        for name, is_used in TRACES.items():
            assert (name in names) == is_used(config), (name, config)


def test_the_code_needs_nothing_but_torch_and_has_nothing_to_choose() -> None:
    for config in DRAWN:
        text = make_submission(config, some_model(config)).text
        tree = ast.parse(text)
        imported = {
            ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert imported - {"import math"} == {
            "import torch", "import torch.nn.functional as F", "from torch import nn"
        }  # fmt: skip
        for kind in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            inside = list(ast.walk(kind))
            assert not any(isinstance(node, ast.If | ast.IfExp | ast.While | ast.ListComp) for node in inside)
            loops = [ast.unparse(node.iter) for node in inside if isinstance(node, ast.For)]
            assert loops == (["self.blocks"] if config.n_layers > 1 and kind.name == "Transformer" else [])


def test_every_function_and_constant_of_the_code_is_used() -> None:
    for config in DRAWN:
        code = code_of(make_submission(config, some_model(config)).text)
        tree = ast.parse(code)
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        for name in defined - {"build_model", "add"}:
            assert len(code.split(name)) > 2, name


def test_the_code_is_as_ruff_formats_it(tmp_path: Path) -> None:
    for index, config in enumerate(DRAWN):
        text = make_submission(
            config, some_model(config), name='A "tiny" adder', author="O'Neill \\ Søren 'and \"others\""
        ).text
        (tmp_path / f"adder_{index}.py").write_text(text, encoding="utf-8")
    options = ("--isolated", "--line-length", "110", "--no-cache", str(tmp_path))
    for command in (
        ("check", "--select", "E,F,W,I,B,D1", "--ignore", "D100,D105,D107"),
        ("format", "--check"),
    ):
        try:
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, *options],
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            pytest.skip("there is no ruff")
        if "No module named ruff" in done.stderr:
            pytest.skip("there is no ruff")
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_file_says_what_it_is() -> None:
    config = AdditionConfig(digits=10, **SMALLEST, finish="cma_es", finish_above=0.995)
    submission = make_submission(config, some_model(config), author="Ada")
    _, metadata = loaded(submission.text).build_model()
    assert metadata == {
        "name": "paretune-36",
        "author": "Ada",
        "params": 36,
        "architecture": submission.architecture,
        "tricks": submission.tricks,
    }
    assert submission.architecture == (
        "A decoder-only transformer of one pre-norm block: 3 features, one attention head of width 4, "
        "SwiGLU feed-forward of width 2, RMSNorm, rotary positions, tied output head."
    )
    assert {
        "digits on a circular arc",
        "rotary positions, theta 3",
        "keys are the queries turned by one angle",
        "values are the queries",
        "CMA-ES in the end, once 99.5 % of answers are correct",
    } <= set(submission.tricks)
    assert "paretune wrote it" in ast.get_docstring(ast.parse(submission.text), clean=False)


def test_names_are_kept_whatever_quotes_they_have() -> None:
    config = AdditionConfig(digits=10, **SMALLEST)
    for name in ('"', "'", '""" + 1', "\\", "'\"", '\\\'""', "Søren", "{name}"):
        _, metadata = loaded(
            make_submission(config, some_model(config), name=name, author=name).text
        ).build_model()
        assert metadata["name"] == metadata["author"] == name


# The command


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("checkpoint"), digits=10, **SMALLEST)


def saved(folder: Path, **values: Any) -> Path:
    """Save the checkpoint of a configuration's model."""
    config = AdditionConfig(**values)
    path = folder / "checkpoint.pt"
    snapshot = make_snapshot(
        TASK,
        config,
        step=1,
        model=some_model(config).state_dict(),
        optimizer={},
        progress={},
        metrics={},
        notes={},
    )
    save(snapshot, path)
    return path


PROTOCOL = """
import importlib.util, json, sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        refused = "{refused}".split()
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"refused: {{name}}")

sys.meta_path.insert(0, Refusing())
spec = importlib.util.spec_from_file_location("submission", sys.argv[1])
submission = importlib.util.module_from_spec(spec)
spec.loader.exec_module(submission)
model, metadata = submission.build_model()
answers = [submission.add(model, a, b) for a, b in json.load(sys.stdin)]
refused = [name for name in sys.modules if name.partition(".")[0] in "{refused}".split()]
json.dump({{"metadata": metadata, "answers": answers, "refused": refused}}, sys.stdout)
""".format(
    refused="paretune trainables search_spaces analysis pydantic ray optuna pandas scipy numpy typer rich"
)


def test_the_file_written_keeps_the_protocol_of_the_challenge(checkpoint: Path, tmp_path: Path) -> None:
    file, empty = tmp_path / "adder.py", tmp_path / "empty"
    empty.mkdir()
    done = run_cli("export", checkpoint, "--adderboard", file, "--author", "Ada Lovelace")
    assert (done.code, done.err) == (0, "")
    size = f"{file.stat().st_size:,}"
    assert done.out.splitlines()[:2] == [
        f"written: {file} (36 parameters, {size} bytes)",
        "run by itself: 111 of 111 answers are the checkpoint's",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adder.py", "empty"]

    problems = [*EDGE_CASES, *random_problems(20)]
    by_itself = subprocess.run(
        [sys.executable, "-I", "-c", PROTOCOL, str(file)],
        input=json.dumps(problems), capture_output=True, text=True, cwd=empty, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    said = json.loads(by_itself.stdout)
    config = AdditionConfig(digits=10, **SMALLEST)
    model = some_model(config)
    assert said["answers"] == [answer(model, a, b, config) for a, b in problems]
    assert said["refused"] == []
    assert (said["metadata"]["params"], said["metadata"]["author"]) == (36, "Ada Lovelace")


def test_a_file_is_replaced_when_asked_to_and_described_in_json(checkpoint: Path, tmp_path: Path) -> None:
    file = tmp_path / "adder.py"
    file.write_text("mine")
    refused = run_cli("export", checkpoint, "--adderboard", file)
    assert refused.code == 2
    assert "exists; replace it with --force" in refused.err
    assert file.read_text() == "mine"

    done = run_cli("export", checkpoint, "--adderboard", file, "--force", "--json", "--name", "tiny")
    assert done.code == 0
    told = json.loads(done.out)
    assert (told["name"], told["author"], told["parameters"]) == ("tiny", "unknown", 36)
    assert (told["problems"], told["agreeing"], told["written"]) == (111, 111, str(file))
    assert told["bytes"] == file.stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["adder.py"]


def test_an_export_that_does_not_say_of_what_kind_names_those_there_are(checkpoint: Path) -> None:
    done = run_cli("export", checkpoint)
    assert done.code == 2
    assert "--adderboard FILE" in done.err


def test_a_model_of_other_digits_is_refused_with_both_numbers(tmp_path: Path) -> None:
    path = saved(tmp_path, digits=3, d_model=4, d_ff=4)
    with pytest.raises(InputError, match=r"operands of 10 digits, but .* digits=3"):
        export(path, adderboard=tmp_path / "adder.py")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize(
    ("place", "options", "says"),
    [
        ("nowhere/adder.py", {}, "no folder .*nowhere"),
        ("adder.txt", {}, "must end in .py"),
        ("folder.py", {"force": True}, "is a folder"),
        ("adder.py", {"name": ""}, "--name must be a line"),
        ("adder.py", {"author": "two\nlines"}, "--author must be a line"),
    ],
)
def test_what_cannot_be_written_is_refused(
    checkpoint: Path, tmp_path: Path, place: str, options: dict[str, Any], says: str
) -> None:
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(InputError, match=says):
        export(checkpoint, adderboard=tmp_path / place, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.py"]


def test_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        export(tmp_path / "missing.pt", adderboard=tmp_path / "adder.py")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", ["answer", "parameters"])
def test_a_file_that_is_not_the_model_takes_no_place(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrong: str,
) -> None:
    def another(path: Path, problems: Any, *_: Any) -> Trial:
        assert path.parent == tmp_path
        assert path.exists()
        returned = [1, *[0] * (len(problems) - 1)] if wrong == "answer" else [0] * len(problems)
        return Trial(
            problems=problems,
            returned=returned,
            expected=[0] * len(problems),
            parameters=37 if wrong == "parameters" else 36,
        )

    monkeypatch.setattr(trial_module, "try_out", another)
    file = tmp_path / "adder.py"
    file.write_text("mine")
    assert export(checkpoint, adderboard=file, force=True, as_json=True) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["written"] is None
    expected = "110 of 111 answers agree" if wrong == "answer" else "has 37 of 36 parameters"
    assert expected in said.err
    assert file.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["adder.py"]


def test_a_file_that_does_not_run_leaves_nothing_behind(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Submission:
        return Submission(
            name="", author="", parameters=0, architecture="", tricks=[], text="raise SystemExit('broken')"
        )

    monkeypatch.setattr(submission_module, "make_submission", broken)
    with pytest.raises(RuntimeError, match="fails: broken"):
        export(checkpoint, adderboard=tmp_path / "adder.py")
    assert list(tmp_path.iterdir()) == []


def test_a_trial_counts_what_agrees_and_what_is_right() -> None:
    trial = Trial(problems=[(1, 2), (3, 4), (5, 6)], returned=[3, -1, 12], expected=[3, -1, 11], parameters=1)
    assert (trial.agreeing, trial.right) == (2, 1)
