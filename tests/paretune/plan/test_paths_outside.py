"""A space file names nothing outside, unless whoever runs it says that it may."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.space_files import changed, load

from paretune.plan.checks.outside import ALLOW_VARIABLE
from search_spaces.mistakes import SpaceFileError

STATED = "  steps: 400\n"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "spaces").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv(ALLOW_VARIABLE, raising=False)


def mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "spaces" / "space.yaml"
    path.write_text(text)
    with pytest.raises(SpaceFileError) as caught:
        load(path)
    return [f"{'.'.join(map(str, found.path))}: {found.message}" for found in caught.value.mistakes]


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../outside.pt", "~/x.pt", "a/../../../x.pt", "../work-2/x.pt"]
)
def test_a_checkpoint_outside_is_not_even_looked_at(name: str, tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, changed(STATED, f"{STATED}  start_from: {name}\n"))
    assert found.startswith("fixed.start_from: got")
    assert "--allow-paths" in found


@pytest.mark.parametrize("name", ["here.pt", "a/b.pt", "../spaces/x.pt"])
def test_one_inside_is_looked_for(name: str, tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, changed(STATED, f"{STATED}  start_from: {name}\n"))
    assert "--allow-paths" not in found


def test_who_runs_it_can_allow_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW_VARIABLE, "1")
    (found,) = mistakes(tmp_path, changed(STATED, f"{STATED}  start_from: /etc/passwd\n"))
    assert "not a checkpoint" in found


def test_every_place_that_can_name_a_file_is_looked_at(tmp_path: Path) -> None:
    text = changed("space:\n", "space:\n  start_from: {type: choice, values: [a.pt, /b.pt]}\n")
    text = changed("{d_model: 8, lr: 0.01}", "{d_model: 8, lr: 0.01, start_from: /c.pt}", text)
    text += "learn_from: [quickstart, ../other, /results/x]\n"
    found = mistakes(tmp_path, text)
    assert [one.partition(":")[0] for one in found] == [
        *("space.start_from", "try_first.0.start_from", "learn_from.1", "learn_from.2"),
    ]


def test_a_data_set_outside_is_one_too(tmp_path: Path) -> None:
    text = "name: x\ntask: gpt2\nobjectives: [{metric: val_loss, direction: min}]\nfixed: {data: /data}\n"
    (found,) = mistakes(
        tmp_path,
        f"{text}space: {{d_model: {{type: int, low: 4, high: 8, step: 4}}}}\nsearch: {{trials: 2}}\n",
    )
    assert found.startswith("fixed.data: got '/data'")
