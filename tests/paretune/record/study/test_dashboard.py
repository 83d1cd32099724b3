"""``paretune dashboard`` on real searches, asked through optuna-dashboard's own interface."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.commands import CLI, run_cli
from helpers.listening import addresses_of
from helpers.rows import write_search

from paretune.cli.searches import dashboard as command
from paretune.errors import InputError
from paretune.record.study import server

PUBLISHED = Path(__file__).parents[4] / "results" / "published"


class Dashboard:
    """A running ``paretune dashboard``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        too_late = threading.Timer(60, process.kill)
        too_late.start()
        assert process.stdout is not None
        self.said = process.stdout.readline()
        too_late.cancel()
        (self.base,) = re.findall(r"http://\S+:\d+", self.said)

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(self.base + path, timeout=20) as answer:
            return json.load(answer)

    def end(self, number: signal.Signals) -> str:
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=30)
        return output


@contextmanager
def showing(name: str, results: Path) -> Iterator[Dashboard]:
    process = subprocess.Popen(
        [*CLI, "dashboard", name, "--results", str(results)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield Dashboard(process)
    finally:
        process.kill()
        process.wait()


def is_served(folder: Path, deadline: float = 15.0) -> bool:
    """Tell whether a process still serves a folder after a while."""
    begun = time.monotonic()
    while time.monotonic() - begun < deadline:
        commands = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                commands.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
        if not any(server.__name__ in one and str(folder) in one for one in commands):
            return False
        time.sleep(0.2)
    return True


def test_a_search_that_is_over_and_then_goes_on(tmp_path: Path):
    shutil.copytree(PUBLISHED / "quickstart", tmp_path / "quickstart")
    rows = tmp_path / "quickstart" / "trials.jsonl"
    lines = rows.read_text().splitlines(keepends=True)
    later = next(n for n, line in enumerate(lines) if json.loads(line)["configuration"] == 20)
    rows.write_text("".join(lines[:later]) + lines[later][:30])
    with showing("quickstart", tmp_path) as dashboard:
        assert dashboard.said.startswith("The study of quickstart: http://localhost:")
        studies = dashboard.get("/api/studies")["study_summaries"]
        assert [(study["study_id"], study["study_name"]) for study in studies] == [(1, "quickstart")]
        study = dashboard.get("/api/studies/1?after=0")
        assert study["objective_names"] == ["params"]
        assert len(study["trials"]) == 20
        best = study["best_trials"][0]
        assert best["constraints"] == [0.0]
        attributes = {each["key"]: each["value"] for each in best["user_attrs"]}
        assert attributes["endings"] == "2 solved"
        assert re.fullmatch(r"c\d{3}-s0, c\d{3}-s1", attributes["trials"])
        assert f"paretune answer {tmp_path / 'quickstart'}" in study["note"]["body"]
        assert dashboard.get("/api/studies/1/param_importances")["param_importances"][0]

        with urllib.request.urlopen(dashboard.base, timeout=20) as page:
            assert page.url == f"{dashboard.base}/dashboard/studies/1"
            assert b"<html" in page.read()
        for method, path in (("PUT", "/api/studies/1/note"), ("DELETE", "/api/studies/1")):
            request = urllib.request.Request(dashboard.base + path, b"{}", method=method)
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=20)
            assert refused.value.code == 403
            assert "can only be read" in json.load(refused.value)["reason"]

        rows.write_text("".join(lines))
        begun = time.monotonic()
        while len(dashboard.get("/api/studies/1?after=0")["trials"]) < 24:  # it keeps what it read 2 s ago
            assert time.monotonic() - begun < 30
            time.sleep(0.5)

        output = dashboard.end(signal.SIGINT)
        assert dashboard.process.returncode == 0
        assert output == ""
    assert not is_served(tmp_path / "quickstart")


def test_nothing_stays_behind_if_the_command_is_killed(tmp_path: Path):
    folder = tmp_path / "by-hand"
    write_search(folder)
    with showing("by-hand", tmp_path) as dashboard:
        here = addresses_of(int(dashboard.base.rpartition(":")[2]))
        assert here, "it listens"
        assert here <= {"127.0.0.1", "::1"}, "nobody else can reach it, unless asked"
        dashboard.process.kill()
        dashboard.process.wait()
    assert not is_served(folder)


def test_what_cannot_be_shown_is_said(tmp_path: Path):
    folder = tmp_path / "by-hand"
    write_search(folder)
    on_port = ("dashboard", "by-hand", "--results", tmp_path, "--port", "1", "--host", "192.0.2.1")
    done = run_cli(*on_port)
    assert done.code == 2
    assert "cannot serve on 192.0.2.1:1" in done.err
    assert "--port" in done.err
    rows = folder / "trials.jsonl"
    rows.write_text("nonsense\n" + rows.read_text())
    done = run_cli("dashboard", "by-hand", "--results", tmp_path)
    assert done.code == 2
    assert "trials.jsonl:1: is not a row" in done.err
    assert "Traceback" not in done.err


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_search(tmp_path / "by-hand")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "optuna_dashboard" else found(name)
    )
    with pytest.raises(InputError, match=r"pip install 'paretune\[dashboard\]'"):
        command.dashboard("by-hand", results=tmp_path)


def test_infeasible_trials_are_not_among_the_best():
    content = {
        "directions": ["minimize", "minimize"],
        "best_trials": [{"number": 0, "constraints": [0.5]}, {"number": 1, "constraints": [0.0]}],
    }

    def dashboards(environment, start_response):
        body = json.dumps(content).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def asked() -> list[int]:
        headers: list = []
        application = server.for_reading(dashboards)
        request = {"PATH_INFO": "/api/studies/1", "REQUEST_METHOD": "GET"}
        (body,) = application(request, lambda status, found: headers.extend(found))
        assert dict(headers)["Content-Length"] == str(len(body))
        return [trial["number"] for trial in json.loads(body)["best_trials"]]

    assert asked() == [1]
    content["best_trials"].pop()
    assert asked() == []
    content["directions"].pop()
    assert asked() == [0], "the one nearest to being feasible, where none is"
