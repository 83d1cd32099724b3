"""The public face: what importing it costs, what it exports, and its errors."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import paretune

ROOT = Path(__file__).parents[3]
ROOMS = ("search_spaces", "trainables", "analysis", "paretune")


def modules_after(code: str) -> set[str]:
    code += "\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_every_exported_name_is_there_and_has_a_home():
    for name in paretune.__all__:
        assert getattr(paretune, name) is not None
    assert sorted(paretune.__all__) == dir(paretune)
    with pytest.raises(AttributeError, match="nothing"):
        paretune.nothing  # noqa: B018


def test_importing_paretune_imports_next_to_nothing():
    assert not {"ray", "torch", "pandas", "pydantic", "rich"} & modules_after("import paretune")


def test_an_earlier_search_is_opened_and_answered_without_ray_and_torch():
    code = """
import paretune
search = paretune.open("results/published/quickstart")
assert len(search.trials) and search.answer().sentences and len(search.ranking())
search.frontiers(); search.checkpoint; search.is_running; search.endings
"""
    found = modules_after(code)
    assert "pandas" in found
    assert not {"ray", "torch"} & found


def test_a_space_file_is_checked_without_ray():
    assert "ray" not in modules_after(
        "import paretune; paretune.summary(paretune.check('search_spaces/quickstart.yaml'))"
    )


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "paretune" / "py.typed").is_file()
    assert 'paretune = ["py.typed"' in (ROOT / "pyproject.toml").read_text()


def errors_of_ours() -> list[type[Exception]]:
    found = set()
    for room in ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if module.name.endswith("__main__") or ".scaffold." in module.name:
                continue
            for _, value in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                ours = value.__module__.partition(".")[0] in ROOMS
                if ours and issubclass(value, Exception) and not value.__name__.startswith("_"):
                    found.add(value)
    return sorted(found, key=lambda error: error.__name__)


def test_every_error_of_ours_is_a_paretune_error():
    errors = errors_of_ours()
    assert len(errors) >= 8
    # Caught where it was raised, it never reaches anybody.
    inner = {"FormError", "LeftOutError", "HandedOverError", "StoppedError"}
    strangers = [e for e in errors if not issubclass(e, paretune.Error) and e.__name__ not in inner]
    assert strangers == []


def test_an_option_that_there_is_not_is_refused_as_python_refuses_arguments():
    with pytest.raises(TypeError, match=r"no option 'trails'; accepted: trials, seeds"):
        paretune.check(ROOT / "search_spaces" / "quickstart.yaml", trails=3)


def test_a_plan_made_in_python_says_the_same_as_the_file_it_writes(tmp_path: Path):
    plan = paretune.Plan(
        name="mine",
        task="addition",
        objectives=[paretune.Objective(metric="exact_match", direction="max")],
        space={
            "d_model": paretune.IntRange(low=4, high=8, step=4),
            "lr": paretune.FloatRange(low=0.01, high=0.02, log=True),
            "n_heads": paretune.Choice(values=[1, 2]),
        },
        search=paretune.SearchSettings(trials=4, seeds=2),
    )
    path = tmp_path / "mine.yaml"
    plan.write(path)
    assert paretune.check(path) == paretune.check(plan)
    assert paretune.check(plan, trials=8, name="other").trials == 8
    with pytest.raises(paretune.SpaceFileError, match="plan mine: search: trials must be at least seeds"):
        paretune.check(plan, trials=1)
