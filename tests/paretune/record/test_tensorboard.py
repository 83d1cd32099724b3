"""``paretune watch`` on real searches, asked through TensorBoard's own interface."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlparse

import pytest
from helpers.commands import CLI, Search
from helpers.listening import addresses_of
from helpers.plans import bound
from tensorboard import program
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from truths import METRICS

from analysis.answer import Answer, answer
from analysis.files.layout import TENSORBOARD_FOLDER
from analysis.rows import SearchRows
from analysis.spent import Spent
from paretune.record.findings_log import FindingsLog, markdown_of
from paretune.record.tensorboard_log import TensorBoardLog
from paretune.record.tensorboard_view import CARD, FINDINGS_TEXT, PICTURE, first_view, quality_of
from paretune.sampling.queue import TrialQueue
from search_spaces.plan import Plan

PUBLISHED = Path(__file__).parents[3] / "results" / "published"


class Watch:
    """A running ``paretune watch``."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.base = f"http://localhost:{port}"

    def get(self, path: str, is_there=bool, deadline: float = 90.0):
        """Ask TensorBoard until the answer is as hoped."""
        begun = time.monotonic()
        while True:
            try:
                with urllib.request.urlopen(self.base + path, timeout=5) as answer:
                    found = json.load(answer)
                if is_there(found):
                    return found
            except OSError:
                pass
            assert time.monotonic() - begun < deadline, f"{path} did not answer as hoped"
            assert self.process.poll() is None, self.process.stdout.read()
            time.sleep(0.5)

    def read_until(self, words: str, deadline: float = 60.0) -> str:
        """Return what is printed up to the line with these words."""
        lines = []
        too_late = threading.Timer(deadline, self.process.kill)
        too_late.start()
        for line in self.process.stdout:
            lines.append(line)
            if words in line:
                break
        too_late.cancel()
        assert words in lines[-1], lines
        return "".join(lines)

    def end(self, number: signal.Signals) -> str:
        """Send a signal and return what was printed."""
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=30)
        return output


@contextmanager
def watching(name: str, results: Path) -> Iterator[Watch]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*CLI, "watch", name, "--results", str(results), "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Watch(process, port)
    finally:
        process.kill()
        process.wait()


def left_of(folder: Path, deadline: float = 15.0) -> list[str]:
    """Return the command lines of processes that still work on a folder after a while."""
    begun = time.monotonic()
    while True:
        left = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in command and str(os.getpid()) != entry.parent.name:
                left.append(command)
        if not left or time.monotonic() - begun > deadline:
            return left
        time.sleep(0.2)


def copied(folder: Path, results: Path) -> str:
    shutil.copytree(folder, results / folder.name)
    return folder.name


def test_curves_and_a_row_for_every_trial(every_ending: Search, tmp_path: Path):
    with watching(copied(every_ending.folder, tmp_path), tmp_path) as watch:
        ended = {"c000-s0", "c001-s0", "c002-s0", "c003-s0"}
        tags = watch.get("/data/plugin/scalars/tags", lambda found: ended <= set(found))
        assert "result/exact_match" in tags["c000-s0"]
        assert "training/train_loss" in tags["c002-s0"]
        assert "result/exact_match" not in tags.get("c003-s0", {}), "a diverged trial has no accuracy"
        groups = _session_groups(watch.base)
        endings = {group["name"]: group["hparams"]["ending"] for group in groups}
        assert endings == {
            "c000-s0": "solved",
            "c001-s0": "finished",
            "c002-s0": "stopped early",
            "c003-s0": "diverged",
            "c004-s0": "failed",
        }
        final = {
            group["name"]: {m["name"]["tag"]: m["value"] for m in group["metricValues"]} for group in groups
        }
        assert final["c000-s0"]["result/exact_match"] >= 0.99
        assert final["c002-s0"]["result/token_accuracy"] > 0
        assert groups[0]["hparams"]["params"] == 6144

        assert watch.base in watch.end(signal.SIGTERM)
        assert watch.process.returncode == 0
    assert left_of(tmp_path) == []


def _session_groups(base: str) -> list[dict]:
    body = json.dumps(
        {
            "experimentName": "",
            "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
            "colParams": [
                {"metric": {"tag": tag}} for tag in ("result/exact_match", "result/token_accuracy")
            ],
            "startIndex": 0,
            "sliceSize": 100,
        }
    )
    request = urllib.request.Request(
        f"{base}/data/plugin/hparams/session_groups",
        data=body.encode(),
        headers={"Content-Type": "application/json"},
    )
    begun = time.monotonic()
    while True:
        with urllib.request.urlopen(request, timeout=20) as answer:
            groups = json.load(answer)["sessionGroups"]
        if len(groups) == 5 or time.monotonic() - begun > 30:
            return groups
        time.sleep(0.5)


CHECKBOXES = """() => {
    const found = [];
    const walk = (root) => {
        for (const element of root.querySelectorAll("*")) {
            if (element.tagName === "PAPER-CHECKBOX") found.push([element.innerText.trim(), element.checked]);
            if (element.shadowRoot) walk(element.shadowRoot);
        }
    };
    walk(document);
    return found;
}"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on the PATH")
def test_the_size_is_among_the_five_hyperparameters_that_tensorboard_shows_at_once(tmp_path: Path):
    """By itself TensorBoard shows the first in the alphabet, and all that are searched here come before."""
    api = pytest.importorskip("playwright.sync_api")
    names = ["batch", "beta1", "beta2", "d_model", "lr", "n_heads", "n_layers"]
    values = [[64, 128], [0.8, 0.9], [0.9, 0.95], [8, 16], [0.01, 0.02], [1, 2], [1, 2]]
    plan = bound(
        space={name: {"type": "choice", "values": of} for name, of in zip(names, values, strict=True)}
    )
    log, queue = TensorBoardLog(tmp_path, plan), TrialQueue(plan)
    for spec in (queue.next(), queue.next()):
        log.started(spec)
        log.ended(spec, "finished", {}, None)
    server = program.TensorBoard()
    server.configure(["tensorboard", "--logdir", str(tmp_path), "--port", "0", "--load_fast", "false"])
    url = server.launch()
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{url}#hparams")
        page.get_by_text("n_layers").first.wait_for(timeout=60_000)
        shown = {name for name, is_shown in page.evaluate(CHECKBOXES) if is_shown}
        browser.close()
    assert shown & {"ending", "params", "seed", *names} == {"ending", "params", "batch", "beta1", "beta2"}


def test_findings_of_a_search_that_is_over(tmp_path: Path):
    """Also of one that was copied without its curves, or is older than findings in TensorBoard."""
    name = copied(PUBLISHED / "attention-heads", tmp_path)
    sentences = answer(SearchRows(tmp_path / name)).sentences
    with watching(name, tmp_path) as watch:
        texts = watch.get("/data/plugin/text/tags", lambda found: "findings" in found)
        assert texts["findings"] == [FINDINGS_TEXT]
        query = urlencode({"run": "findings", "tag": FINDINGS_TEXT})
        (told,) = watch.get(f"/data/plugin/text/text?{query}")
        for words in (name, sentences[0].split(";")[0][:20], f"paretune answer {tmp_path / name}"):
            assert words in told["text"]

        images = watch.get("/data/plugin/images/tags", lambda found: "findings" in found)
        assert set(images["findings"]) == {PICTURE, CARD}
        query = urlencode({"run": "findings", "tag": PICTURE, "sample": 0})
        (picture,) = watch.get(f"/data/plugin/images/images?{query}")
        with urllib.request.urlopen(
            f"{watch.base}/data/plugin/images/individualImage?{picture['query']}"
        ) as png:
            assert png.read(8) == b"\x89PNG\r\n\x1a\n"

        address = _redirected(f"{watch.base}/")
        assert address.fragment == "timeseries"
        pinned = json.loads(parse_qs(address.query)["pinnedCards"][0])
        assert [(card["plugin"], card["tag"]) for card in pinned] == [
            ("scalars", "result/exact_match"),
            ("images", CARD),
        ]
        assert "<title>TensorBoard" in _page(f"{watch.base}/?{address.query}")

        output = watch.end(signal.SIGINT)
        assert watch.process.returncode == 0
        assert "Traceback" not in output
    assert left_of(tmp_path) == []


def _redirected(url: str):
    """Return the address that TensorBoard sends a plain one to."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    with pytest.raises(urllib.error.HTTPError) as moved:
        urllib.request.build_opener(Stay).open(url, timeout=5)
    assert moved.value.code == 302
    return urlparse(moved.value.headers["Location"])


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def test_rows_that_cannot_be_read_cost_the_findings_and_not_the_curves(every_ending: Search, tmp_path: Path):
    name = copied(every_ending.folder, tmp_path)
    rows = tmp_path / name / "trials.jsonl"
    rows.write_text('{"trial": "c0\n' + rows.read_text())
    with watching(name, tmp_path) as watch:
        assert watch.get("/data/plugin/scalars/tags", lambda found: "c000-s0" in found)
        output = watch.read_until("findings cannot be shown yet") + watch.end(signal.SIGINT)
    assert "trials.jsonl:1: is not a row" in output
    assert "Traceback" not in output


def test_nothing_stays_behind_if_watch_is_killed(tmp_path: Path):
    name = copied(PUBLISHED / "attention-heads", tmp_path)
    with watching(name, tmp_path) as watch:
        watch.get("/data/environment")
        here = addresses_of(int(watch.base.rpartition(":")[2]))
        assert here, "it listens"
        assert here <= {"127.0.0.1", "::1"}, "nobody else can reach it, unless asked"
        watch.process.kill()
        watch.process.wait()
    assert left_of(tmp_path) == []


def test_findings_are_written_anew_when_trials_have_ended(tmp_path: Path):
    folder = tmp_path / copied(PUBLISHED / "attention-heads", tmp_path)
    rows = folder / "trials.jsonl"
    lines = rows.read_text().splitlines(keepends=True)
    rows.write_text("".join(lines[: len(lines) // 2]) + lines[-1][:40])  # a search that runs
    log = FindingsLog(folder)

    assert log.refresh()
    assert not log.refresh()
    rows.write_text("".join(lines))
    assert log.refresh()
    log.close()

    events = EventAccumulator(str(folder / TENSORBOARD_FOLDER / "findings"), size_guidance={"tensors": 0})
    events.Reload()
    before, after = events.Tensors(FINDINGS_TEXT)
    assert before.step < after.step == len(SearchRows(folder).trials)
    assert [image.step for image in events.Images(PICTURE)] == [before.step, after.step]


def test_a_search_without_trials_has_no_findings_yet(tmp_path: Path):
    (tmp_path / TENSORBOARD_FOLDER).mkdir()
    log = FindingsLog(tmp_path)
    assert not log.refresh()
    log.close()


def test_sentences_stay_as_they_are_in_markdown():
    sentences = ["With d_model < 5, 2*3 [a](b).", "Type `paretune cliff a_b`."]
    nothing = Spent(trials=None, of_trials=0, unreported=3, fresh=None, of_fresh=0, gpu=0.0, elapsed=None)
    found = Answer(name="a_b", tried="3 trials.", sentences=sentences, findings=(), spent=nothing)
    told = markdown_of(found, "a_b")
    assert told.startswith("### a_b\n\n")
    assert "\n\n3 trials.\n\n`paretune answer a_b`" in told
    assert "**With d_model &lt; 5, 2\\*3 \\[a\\](b).**" in told
    assert "- Type `paretune cliff a_b`." in told


@pytest.mark.parametrize(
    ("objectives", "target", "quality"),
    [
        (["exact_match", "params"], {"exact_match": 0.99}, "exact_match"),
        (["params", "val_loss"], None, "val_loss"),
        (["cpu_seconds_to_target", "params"], {"val_loss": 2.0}, "val_loss"),
        (["params"], None, "exact_match"),
    ],
)
def test_opens_on_the_quality_that_is_searched_for(objectives: list[str], target: dict | None, quality: str):
    plan = Plan.model_validate(
        {
            "name": "some",
            "task": "addition",
            "objectives": [
                {"metric": name, "direction": "max" if name == "exact_match" else "min"}
                for name in objectives
            ],
            "target": target,
            "space": {"d_model": {"type": "int", "low": 1, "high": 10}},
        }
    )
    metrics = {metric["name"]: metric for metric in METRICS}
    assert quality_of(plan, metrics) == quality
    view = urlparse(first_view(plan, metrics))
    assert json.loads(parse_qs(view.query)["pinnedCards"][0])[0]["tag"] == f"result/{quality}"
