"""Training GPT-2 on real text: it learns, goes on after a stop, fits into memory, and says true numbers."""

from __future__ import annotations

import logging
import math
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.gpt2_shapes import CORRECTED_SWITCHES, PUBLISHED_SWITCHES
from helpers.texts import CPU, Watching, config_of, counted, split_of, wrote
from helpers.training import same_tensors, trained_with_checkpoints, without_times
from torch import Tensor, nn

from trainables.checkpoints import Snapshot, load_model
from trainables.contract import Report, Target
from trainables.gpt2.config import GPT2Config
from trainables.gpt2.locating import locate
from trainables.gpt2.masks import dense_mask, documents_of
from trainables.gpt2.stream import TextStream
from trainables.gpt2.workload import GPT2Workload
from trainables.loop import train
from trainables.machines import memory
from trainables.machines.memory import bytes_for_backward, micro_batch_of, split
from trainables.optim.muon import describe
from trainables.tasks import get_task
from trainables.text.dataset import Dataset
from trainables.text.errors import DataError
from trainables.text.shards import HEADER_BYTES, open_shard, write_shard

MUON = {**CORRECTED_SWITCHES, "optimizer": "muon", "n_layers": 4}


def trained(config: GPT2Config, folder: Path, **options: Any) -> tuple[list[Report], dict[int, Snapshot]]:
    """Train, and return the reports and every report's checkpoint as read from its file."""
    ending, reports, snapshots = trained_with_checkpoints(get_task("gpt2"), config, folder, **options)
    assert ending in ("finished", "solved")
    return reports, snapshots


# Learning


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"lr": 0.005, "weight_decay": 0.1}, id="plain-adamw"),
        pytest.param({**PUBLISHED_SWITCHES, "optimizer": "muon", "n_layers": 4}, id="published-muon"),
        pytest.param({**MUON, "window": [8, 32], "document_mask": True}, id="corrected-muon-masked"),
    ],
)
def test_training_on_the_default_text_learns_more_than_how_frequent_bytes_are(
    changed: dict[str, Any],
) -> None:
    config = config_of(
        **{"context": 32, "batch": 32, "steps": 120, "eval_every": 60, "val_tokens": 8192, **changed}
    )
    data = locate("python")
    counts = np.bincount(data.read("train", 0, 1_000_000), minlength=256) + 1
    expected = -np.log(counts / counts.sum())
    by_frequency = expected[data.read("val", 1, 8192)].mean()
    reports: list[Report] = []
    train(get_task("gpt2"), config, device=CPU, report=lambda row, _: reports.append(row))
    losses = [report.metrics["val_loss"] for report in reports]
    assert losses[1] < losses[0]
    assert losses[1] < by_frequency - 0.2


# Stopped and gone on


@pytest.mark.parametrize("middle", [4, 7])
@pytest.mark.parametrize("order", ["random", "sequential"])
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({}, id="adamw"),
        pytest.param({**MUON, "window": [2, 16], "momentum_warmup": 9}, id="muon"),
        pytest.param({"second_pass": {"share": 0.5, "lr": 0.003, "batch": 4}}, id="second-pass"),
        pytest.param(
            {**MUON, "second_pass": {"share": 0.4, "lr": 0.01, "batch": 3}, "micro_batch": 2},
            id="muon-second-pass",
        ),
    ],
)
def test_going_on_from_a_checkpoint_equals_never_having_stopped(
    changed: dict[str, Any], order: str, middle: int, tmp_path: Path
) -> None:
    config = config_of(**changed, order=order)
    reports, snapshots = trained(config, tmp_path, report_at=(7,))
    resumed, resumed_snapshots = trained(config, tmp_path, report_at=(7,), resume=snapshots[middle])
    later = [report for report in reports if report.step > middle]
    assert [report.step for report in resumed] == [report.step for report in later] != []
    for again, before in zip(resumed, later, strict=True):
        assert without_times(again.metrics) == without_times(before.metrics)
    for part in ("model", "optimizer"):
        assert same_tensors(resumed_snapshots[12][part], snapshots[12][part]), f"the {part} differs"
    assert not same_tensors(snapshots[12]["model"], snapshots[middle]["model"])


@pytest.mark.parametrize("order", ["random", "sequential"])
def test_a_steps_tokens_do_not_depend_on_which_steps_were_read_before(order: str) -> None:
    config, data = config_of(order=order), locate("python")
    first = TextStream(config, data, CPU)
    batches = [first(step).tokens for step in range(1, 13)]
    for step in (12, 3, 8):
        assert torch.equal(TextStream(config, data, CPU)(step).tokens, batches[step - 1])
    assert len({tuple(batch.flatten().tolist()) for batch in batches}) == 12


# The order of reading


@pytest.mark.parametrize("length", [16, 11])
@pytest.mark.parametrize("second", [None, {"share": 0.5, "lr": 0.01, "batch": 3}])
def test_sequential_order_reads_the_text_in_order_and_begins_again_at_its_end(
    second: dict[str, Any] | None, length: int, tmp_path: Path
) -> None:
    data = wrote(tmp_path / "text", counted(30))
    text = split_of(data, "train")
    assert (len(text) % length == 0) == (length == 11), "a last sequence without its last target too"
    steps = 2 * (len(text) // (length * 3))
    config = config_of(
        data=str(data.folder),
        order="sequential",
        context=length,
        batch=5,
        steps=steps,
        second_pass=second,
    )
    stream = TextStream(config, data, CPU)
    sequences = [row for step in range(1, steps + 1) for row in stream(step).tokens.tolist()]
    assert len(sequences) == sum(config.batch_at(step) for step in range(1, steps + 1))
    whole = (len(text) - 1) // length
    assert len(sequences) > whole, "it wraps"
    for number, sequence in enumerate(sequences):
        begin = number % whole * length
        assert sequence == text[begin : begin + length + 1]


def test_random_order_begins_anywhere_and_differs_by_seed(tmp_path: Path) -> None:
    data = wrote(tmp_path / "text", counted(12))
    text = split_of(data, "train")
    place = {tuple(text[begin : begin + 17]): begin for begin in range(len(text) - 16)}
    assert len(place) == len(text) - 16, "no window occurs twice"

    def begins(seed: int) -> list[int]:
        config = config_of(data=str(data.folder), seed=seed, batch=300)
        stream = TextStream(config, data, CPU)
        return [place[tuple(row)] for step in range(1, 13) for row in stream(step).tokens.tolist()]

    first = begins(0)
    assert set(first) == set(range(len(text) - 16)), "the first and the last window are among them"
    assert begins(1) != first == begins(0)


def test_the_same_place_is_not_read_by_different_steps_of_a_pass_in_order(tmp_path: Path) -> None:
    data = wrote(tmp_path / "text", counted(30))
    config = config_of(data=str(data.folder), order="sequential", batch=2, steps=20)
    stream = TextStream(config, data, CPU)
    inputs = [tuple(row[:-1]) for step in range(1, 21) for row in stream(step).tokens.tolist()]
    assert len(set(inputs)) == len(inputs) == 40


# What is validated and evaluated on


def test_validation_reads_the_same_beginning_for_every_seed_and_evaluation_what_is_after_it(
    tmp_path: Path,
) -> None:
    data = wrote(tmp_path / "text", counted(60))
    text, length = split_of(data, "val"), 16
    config = config_of(data=str(data.folder), val_tokens=170, val_range="first")
    for seed in (0, 7):
        model = Watching(256)
        GPT2Workload(config.model_copy(update={"seed": seed}), CPU).validate(model)
        assert model.seen == [text[16 * i : 16 * i + 16] for i in range(10)]
    places = {tuple(text[begin : begin + length]): begin for begin in range(len(text) - length)}
    available = (len(text) - 1 - 160) // length
    drawn = []
    for seed in (0, 1):
        model = Watching(256)
        evaluation = GPT2Workload(config, CPU).evaluate(model, problems=5, seed=seed)
        begins = [places[tuple(row)] for row in model.seen]
        assert all(begin >= 160 for begin in begins), "nothing that was validated on"
        assert all(begin % length == 0 for begin in begins), "windows do not overlap"
        assert len(set(begins)) == evaluation.problems == 5
        drawn.append(begins)
    assert drawn[0] != drawn[1]
    model = Watching(256)
    assert GPT2Workload(config, CPU).evaluate(model, problems=10_000, seed=0).problems == available
    assert len(model.seen) == available > 5


def test_few_validated_sequences_are_spread_over_the_first_half_and_evaluation_has_the_second(
    tmp_path: Path,
) -> None:
    data = wrote(tmp_path / "text", counted(60))
    text, length = split_of(data, "val"), 16
    config = config_of(data=str(data.folder), val_tokens=96)
    model = Watching(256)
    GPT2Workload(config, CPU).validate(model)
    half = (len(text) - 1) // 2
    begins = [index * (half // 6) for index in range(6)]
    assert model.seen == [text[begin : begin + length] for begin in begins]
    assert half // 6 > 4 * length, "apart from each other"
    assert begins[-1] + length <= half
    places = {tuple(text[begin : begin + length]): begin for begin in range(len(text) - length)}
    watching = Watching(256)
    found = GPT2Workload(config, CPU).evaluate(watching, problems=10_000, seed=0)
    assert found.problems == (len(text) - 1 - half) // length
    assert all(places[tuple(row)] >= half for row in watching.seen)


def test_an_evaluations_mean_and_error_are_those_of_its_windows(tmp_path: Path) -> None:
    # One document: of several, the error would be over documents, as test_held_out_text.py has it.
    data = wrote(tmp_path / "text", ["".join(counted(60))])
    config = config_of(data=str(data.folder))
    workload = GPT2Workload(config, CPU)
    torch.manual_seed(0)
    model = workload.build_model()
    evaluation = workload.evaluate(model, problems=9, seed=3)
    watching = Watching(256)
    workload.evaluate(watching, problems=9, seed=3)
    text = split_of(data, "val")
    means = []
    for inputs in watching.seen:
        begin = next(i for i in range(len(text)) if text[i : i + 16] == inputs)
        logits = model(torch.tensor([inputs]), None)[0].double()
        targets = torch.tensor(text[begin + 1 : begin + 17])
        means.append(nn.functional.cross_entropy(logits, targets).item())
    assert evaluation.mean == pytest.approx(np.mean(means), rel=1e-5)
    assert evaluation.standard_error == pytest.approx(np.std(means, ddof=1) / 3, rel=1e-4)


@pytest.mark.parametrize("chars", [False, True], ids=["bytes", "chars"])
def test_bits_per_byte_are_the_bits_of_all_tokens_by_the_bytes_of_their_text(
    chars: bool, tmp_path: Path
) -> None:
    """Guessing among all tokens, in text whose characters have one to four bytes."""
    texts = [f"{number} größer 漢字 😀 ≤ {number * 7}\n" for number in range(60)]
    data = wrote(tmp_path / "text", texts, chars=chars)
    vocabulary = data.vocabulary + 3
    config = config_of(data=str(data.folder), vocabulary=vocabulary, val_tokens=200, val_range="first")
    measured = GPT2Workload(config, CPU).validate(Watching(vocabulary))
    assert measured["val_loss"] == pytest.approx(math.log(vocabulary))
    targets = [token for token in split_of(data, "val")[1 : 1 + 192] if token != data.document_start]
    size = len(data.tokenizer.decode(targets).encode("utf-8", errors="ignore"))
    if not chars:
        size = len(targets)
    assert (size > len(targets)) == chars
    assert measured["bits_per_byte"] == pytest.approx(192 * math.log2(vocabulary) / size)
    evaluation = GPT2Workload(config, CPU).evaluate(Watching(vocabulary), problems=4, seed=0)
    (title, bits), (_, right), (_, tokens) = evaluation.tables[0].rows
    assert (title, tokens) == ("bits per byte", 64)
    assert evaluation.mean == pytest.approx(math.log(vocabulary))
    # The likeliest of equals is token 0, the mark.
    assert 0 <= float(right) < 0.2
    assert float(bits) > 0


def test_validation_in_parts_is_validation_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = GPT2Workload(config_of(), CPU)
    model = workload.build_model()
    once = workload.validate(model)
    monkeypatch.setattr("trainables.gpt2.workload._LOGITS_TOGETHER", 3 * 16 * 256)
    assert workload.validate(model) == pytest.approx(once, rel=1e-6)


# Memory


@pytest.mark.parametrize(
    "changed",
    [{}, {**MUON, "zero_init": False}, {"document_mask": True, "window": [2, 16]}],
    ids=["plain", "muon", "masked"],
)
def test_a_step_in_parts_is_a_step_at_once(changed: dict[str, Any], tmp_path: Path) -> None:
    # A gradient of almost nothing makes as large a step of Adam as any: weights agree on the whole.
    plain = {"steps": 3, "eval_every": 3, "batch": 7, "lr": 1e-4, "muon_lr": 1e-3, **changed}
    whole, expected = trained(config_of(**plain), tmp_path)
    weights = expected[3]["model"]
    for micro_batch in (1, 3, 7, 100, "auto"):
        reports, snapshots = trained(config_of(**plain, micro_batch=micro_batch), tmp_path)
        assert reports[-1].metrics["train_loss"] == pytest.approx(whole[-1].metrics["train_loss"], rel=1e-5)
        for name, weight in snapshots[3]["model"].items():
            apart = (weight - weights[name]).abs().mean().item()
            assert apart < 1e-5, (micro_batch, name, apart)


def test_gradients_in_parts_are_those_at_once() -> None:
    config = config_of(batch=7, document_mask=True, window=(2, 16))
    workload = GPT2Workload(config, CPU)
    torch.manual_seed(0)
    model = workload.build_model().double()
    batch = workload.batch(1)
    names = [name for name, _ in model.named_parameters()]

    def gradients(parts: list[Any]) -> list[Tensor]:
        loss = sum(
            (workload.loss(model, part) * (len(part.tokens) / 7) for part in parts),
            torch.zeros((), dtype=torch.float64),
        )
        return list(torch.autograd.grad(loss, list(model.parameters())))

    expected = gradients([batch])
    for size in (1, 3):
        parts = split(batch, size)
        assert torch.equal(torch.cat([part.tokens for part in parts]), batch.tokens)
        assert all(len(part.window) == len(part.tokens) for part in parts)
        for name, got, wanted in zip(names, gradients(parts), expected, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-7, msg=name)


@pytest.mark.parametrize(
    ("batch", "room", "expected"), [(8, 3.5, 3), (12, 5.5, 4), (12, 100, 12), (5, 0.1, 1), (7, 1.5, 1)]
)
def test_auto_divides_a_batch_as_evenly_as_the_room_allows(
    batch: int, room: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(batch=batch, micro_batch="auto")
    workload = GPT2Workload(config, CPU)
    model = workload.build_model()
    one = bytes_for_backward(workload, model, split(workload.batch(1), 1)[0])
    weights = sum(4 * parameter.numel() for parameter in model.parameters())
    free = int((room * one + 3 * weights) / 0.8) + 1
    monkeypatch.setattr(memory, "free_memory", lambda device, share: free)
    found = micro_batch_of(config, workload, model, CPU, nullcontext())
    assert found == expected
    assert found * one <= max(room, 1) * one


@pytest.mark.parametrize("changed", [{}, MUON, {"document_mask": True}], ids=["plain", "muon", "masked"])
def test_a_batch_needs_no_more_than_its_samples_one_by_one(changed: dict[str, Any]) -> None:
    """Otherwise planning with one sample would promise room that is not there."""
    workload = GPT2Workload(config_of(**changed), CPU)
    model = workload.build_model()
    batch = workload.batch(1)
    one, six = (bytes_for_backward(workload, model, part) for part in (split(batch, 1)[0], batch))
    assert 3 * one < six <= 6 * one


# What is reported


def test_a_report_says_what_was_read_and_how_fast(tmp_path: Path) -> None:
    config = config_of(second_pass={"share": 0.5, "lr": 0.003, "batch": 4})
    target = Target(metric="val_loss", value=1000.0, direction="min", hold=2)
    reports, _ = trained(config, tmp_path, target=target, stop_when_solved=False)
    rows = [report.metrics for report in reports]
    assert [row["samples"] for row in rows] == [24, 36 + 8, 36 + 24]
    assert [row["tokens"] for row in rows] == [24 * 16, 44 * 16, 60 * 16]
    assert [row["progress"] for row in rows] == pytest.approx([1 / 3, 2 / 3, 1.0])
    tokens, seconds = 0.0, 0.0
    for row in rows:
        speed = (row["tokens"] - tokens) / (row["wall_seconds"] - seconds)
        assert row["tokens_per_second"] == pytest.approx(speed)
        tokens, seconds = row["tokens"], row["wall_seconds"]
        assert "mfu" not in row, "a CPU's peak is not known"
        if "peak_memory" in row:
            assert 50 < row["peak_memory"] < 2**20
    assert [row.get("tokens_to_target") for row in rows] == [None, 24 * 16, 24 * 16]
    assert [row.get("steps_to_target") for row in rows] == [None, 4, 4]
    assert rows[1]["seconds_to_target"] == rows[0]["wall_seconds"]
    assert rows[1]["cpu_seconds_to_target"] == rows[0]["cpu_seconds"]
    assert rows[0]["bits_per_byte"] == pytest.approx(rows[0]["val_loss"] / math.log(2), rel=0.02)
    assert reports[0].engine == "PyTorch with scaled-dot-product attention"


def test_a_report_says_what_muon_iterates_in(tmp_path: Path) -> None:
    reports, _ = trained(config_of(optimizer="muon"), tmp_path)
    assert reports[0].engine == f"PyTorch with scaled-dot-product attention; {describe(CPU)}"


def test_the_speed_after_a_stop_is_that_of_what_was_read_since(tmp_path: Path) -> None:
    _, snapshots = trained(config_of(), tmp_path)
    reports, _ = trained(config_of(), tmp_path, resume=snapshots[8])
    (row,) = (report.metrics for report in reports)
    seconds = row["wall_seconds"] - snapshots[8]["progress"]["wall_seconds"]
    assert row["tokens_per_second"] == pytest.approx(4 * 6 * 16 / seconds)


def test_operations_of_a_token_are_six_for_each_weight_and_twelve_for_each_attended_feature() -> None:
    config = config_of(n_layers=3, without_attention=[1], without_mlp=[2], attention_gates=True)
    products = 2 * (4 * 32 * 32 + 2 * 12) + 2 * (2 * 32 * 64) + 256 * 32
    assert GPT2Workload(config, CPU).flops_per_token(1) == 6 * products + 12 * 2 * 32 * 16
    growing = GPT2Workload(config.model_copy(update={"window": (2, 5), "steps": 4}), CPU)
    assert [growing.flops_per_token(step) for step in (1, 4)] == [
        6 * products + 12 * 2 * 32 * 2,
        6 * products + 12 * 2 * 32 * 5,
    ]
    wide = config.model_copy(update={"window": (2, 500)})
    assert GPT2Workload(wide, CPU).flops_per_token(wide.steps) == 6 * products + 12 * 2 * 32 * 16


# Text that does not fit


def spoilt(data: Dataset, split_name: Any, index: int, token: int) -> Path:
    """Change one token of a split's last shard, and return the shard."""
    path = data.folder / data.contents(split_name).files[-1]
    tokens = open_shard(path).tokens.copy()
    tokens[index] = token
    write_shard(path, tokens)
    return path


@pytest.mark.parametrize("vocabulary", [256, 400])
@pytest.mark.parametrize("split_name", ["train", "val"])
def test_a_token_beyond_the_vocabulary_is_refused_with_its_file_and_place(
    split_name: str, vocabulary: int, tmp_path: Path
) -> None:
    """Also where the model's vocabulary is larger than the tokenizer's: no text has such a token."""
    data = wrote(tmp_path / "text", counted(60), shard_tokens=10**6)
    path = spoilt(data, split_name, 37, 300)
    config = config_of(
        data=str(data.folder), vocabulary=vocabulary, batch=32, order="sequential", val_tokens=64,
        val_range="first",
    )  # fmt: skip
    place = rf"{path}: token 37 \(byte {HEADER_BYTES + 2 * 37:,}\) is 300"
    with pytest.raises(DataError, match=place):
        trained(config, tmp_path)
    with pytest.raises(DataError, match=place):
        get_task("gpt2").prepare(config)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"vocabulary": 255}, r"has 256 tokens, but the configuration's vocabulary is 255"),
        (
            {"val_tokens": 900, "context": 100, "val_range": "first"},
            r"has 9\d\d validation tokens.*set at most 8\d\d",
        ),
        ({"val_tokens": 600}, r"has 9\d\d validation tokens.*set at most 4\d\d"),
        ({"context": 900, "val_tokens": 900}, r"set context and val_tokens to at most 4\d\d, or build"),
    ],
    ids=str,
)
def test_a_text_that_is_too_small_or_in_other_tokens_is_refused(
    changed: dict[str, Any], message: str, tmp_path: Path
) -> None:
    data = wrote(tmp_path / "text", counted(60))
    assert 900 < data.length("val") < 1000 + 100
    with pytest.raises(DataError, match=message):
        get_task("gpt2").prepare(config_of(data=str(data.folder), **changed))


def test_the_most_validation_tokens_that_a_refusal_names_are_accepted(tmp_path: Path) -> None:
    data = wrote(tmp_path / "text", counted(60))
    most = data.length("val") - 16 - 1
    config = config_of(data=str(data.folder), val_tokens=most, val_range="first")
    get_task("gpt2").prepare(config)
    assert GPT2Workload(config, CPU).evaluate(Watching(256), problems=99, seed=0).problems >= 1
    with pytest.raises(DataError, match=f"set at most {most:,}"):
        get_task("gpt2").prepare(config.model_copy(update={"val_tokens": data.length("val")}))
    half = (data.length("val") - 1) // 2
    get_task("gpt2").prepare(config_of(data=str(data.folder), context=half, val_tokens=half))
    with pytest.raises(DataError, match=f"set context and val_tokens to at most {half}"):
        get_task("gpt2").prepare(config_of(data=str(data.folder), context=half + 1, val_tokens=half + 1))


def test_a_missing_folder_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="paretune data text"):
        get_task("gpt2").prepare(config_of(data=str(tmp_path / "none")))


# Trained models


@pytest.mark.parametrize("changed", [{}, MUON, {"document_mask": True}], ids=["plain", "muon", "masked"])
def test_a_trained_model_answers_where_its_data_set_is_gone(changed: dict[str, Any], tmp_path: Path) -> None:
    data = wrote(tmp_path / "text", counted(60))
    _, snapshots = trained(config_of(data=str(data.folder), **changed), tmp_path)
    inputs = torch.tensor([split_of(data, "val")[:16]])
    shutil.rmtree(data.folder)
    locate.cache_clear()
    loaded = load_model(tmp_path / "12.pt", CPU)
    assert loaded.notes == {"tokenizer": {"kind": "bytes"}, "document_start": 0}
    documents = (
        documents_of(inputs, loaded.notes["document_start"]) if changed == {"document_mask": True} else None
    )
    with torch.no_grad():
        logits = loaded.model(inputs, dense_mask(16, documents, None, CPU))
    assert logits.shape == (1, 16, 256)
    assert 0 < nn.functional.cross_entropy(logits[0, :-1], inputs[0, 1:]).item() < 6
    assert same_tensors(dict(loaded.model.state_dict()), snapshots[12]["model"])
    with pytest.raises(DataError, match="paretune data text"):
        loaded.workload.validate(loaded.model)


def test_a_trained_model_measures_what_was_reported(tmp_path: Path) -> None:
    reports, _ = trained(config_of(**MUON), tmp_path)
    loaded = load_model(tmp_path / "12.pt", CPU)
    measured = loaded.workload.validate(loaded.model)
    assert measured == {name: reports[-1].metrics[name] for name in measured}


# Faster


@pytest.mark.parametrize(
    "changed", [{}, MUON, {**PUBLISHED_SWITCHES, "n_layers": 4}], ids=["plain", "c", "p"]
)
def test_bf16_on_a_cpu_trains_about_what_float32_does(changed: dict[str, Any], tmp_path: Path) -> None:
    changed = {**changed, "document_mask": True, "window": [4, 16]}
    exact, _ = trained(config_of(**changed), tmp_path)
    rounded, snapshots = trained(config_of(**changed, precision="bf16"), tmp_path)
    assert rounded[-1].metrics["val_loss"] == pytest.approx(exact[-1].metrics["val_loss"], abs=0.1)
    assert rounded[-1].metrics["val_loss"] != exact[-1].metrics["val_loss"]
    assert {weight.dtype for weight in snapshots[12]["model"].values()} == {torch.float32}


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_a_compiled_model_trains_as_it_does_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_VEC_ISA_OK", "1")
    caplog.set_level(logging.WARNING)
    changed = {
        "n_layers": 1,
        "position": "rotary",
        "value_embeddings": "published",
        "smear_gate": "corrected",
    }
    changed |= {"steps": 6, "eval_every": 3, "window": [4, 16]}
    exact, _ = trained(config_of(**changed), tmp_path)
    compiled, snapshots = trained(config_of(**changed, compile="on"), tmp_path)
    assert "torch.compile" not in caplog.text, "it was not given up"
    for name in ("train_loss", "val_loss"):
        assert [row.metrics[name] for row in compiled] == pytest.approx(
            [row.metrics[name] for row in exact], rel=1e-4
        )
    assert "embedding.weight" in snapshots[6]["model"], "named as without a compiler"
