"""Which room may know which: proved on the import statements, those inside functions included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("search_spaces", "trainables", "analysis", "paretune")

MAY_IMPORT: dict[str, set[str]] = {
    "search_spaces": set(),
    "trainables": set(),
    "analysis": {"search_spaces"},
    "paretune": {"search_spaces", "trainables", "analysis"},
}
"""Which other rooms each room may import; itself always."""

OUTSIDERS: dict[str, set[str]] = {
    "ray": {"paretune"},
    "optuna": {"paretune", "analysis"},
    "torch": {"trainables", "paretune"},
}
"""Which rooms may import a heavy package. Others can use what those rooms leave behind."""

FOR_ALL = "paretune.errors"
"""The one module of the composition root that every room may import: the base of all errors."""

LONGEST_FILE = 350
"""Lines. A file does one thing; past some 350 lines it is usually two things."""


def imports_in(source: str, *, package: str = "") -> set[str]:
    """Return the full names of all modules that a source imports, anywhere in it.

    ``package`` is the dotted name of the package the source is in, which relative imports start from.
    Modules that are imported by calling a function with their name count too.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            names.add(".".join([*parents, *([node.module] if node.module else [])]))
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).rpartition(".")[2]
            first = node.args[0]
            if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
                names.add(str(first.value))
    return names


def top(name: str) -> str:
    return name.partition(".")[0]


def sources(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.py")) if "__pycache__" not in path.parts)


def imports_of(path: Path) -> set[str]:
    package = ".".join(path.relative_to(ROOT).parent.parts)
    names = imports_in(path.read_text(encoding="utf-8"), package=package)
    return {top(name) for name in names if name != FOR_ALL}


def imported_by(room: str) -> dict[str, list[str]]:
    """Return what each file of a room imports, by the first part of the name."""
    return {str(path.relative_to(ROOT)): sorted(imports_of(path)) for path in sources(ROOT / room)}


# The walk itself


def test_the_walk_finds_imports_wherever_and_however_they_are_written() -> None:
    source = """
import one
import two.inner as alias, three
from four.inner import thing
if TYPE_CHECKING:
    from five import Thing
def function():
    try:
        import six
    except ImportError:
        from seven import fallback
class Kind:
    def method(self):
        return lambda: __import__("eight")
nine = importlib.import_module("nine.inner")
from . import sibling
from .near import thing
from ..far.inner import thing
'''import ten'''
"""
    expected = {"one", "two.inner", "three", "four.inner", "five", "six", "seven", "eight", "nine.inner"}
    assert imports_in(source, package="room.corner") == expected | {
        "room.corner",
        "room.corner.near",
        "room.far.inner",
    }


@pytest.mark.parametrize("room", ROOMS)
def test_the_walk_sees_the_room(room: str) -> None:
    found = imported_by(room)
    assert len(found) >= 5
    assert any("pydantic" in names or "pandas" in names or "typer" in names for names in found.values())


def test_the_walk_sees_what_is_allowed() -> None:
    """Were these not found, the tests below would pass for the wrong reason."""

    def somewhere(room: str) -> set[str]:
        return {name for names in imported_by(room).values() for name in names}

    assert {"ray", "optuna", "torch", "search_spaces", "trainables", "analysis"} <= somewhere("paretune")
    assert "search_spaces" in somewhere("analysis")
    assert "torch" in somewhere("trainables")


# The rooms


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_it_may_know(room: str) -> None:
    forbidden = set(ROOMS) - MAY_IMPORT[room] - {room}
    for path, names in imported_by(room).items():
        assert not forbidden & set(names), f"{path} imports {sorted(forbidden & set(names))}"


@pytest.mark.parametrize(
    ("room", "package"),
    [(room, package) for package, allowed in OUTSIDERS.items() for room in ROOMS if room not in allowed],
)
def test_a_heavy_package_is_imported_only_where_it_may_be(room: str, package: str) -> None:
    for path, names in imported_by(room).items():
        assert package not in names, f"{path} imports {package}"


def test_nothing_but_tests_benchmarks_and_examples_imports_the_composition_root() -> None:
    """Also no script elsewhere in the repository: folders that begin with a dot are not ours."""
    ours = [
        path
        for path in sources(ROOT)
        if not any(part.startswith(".") or part == "build" for part in path.relative_to(ROOT).parts)
        and path.relative_to(ROOT).parts[0] not in ("paretune", "tests", "benchmarks", "examples")
    ]
    assert len(ours) > 20
    for path in ours:
        assert "paretune" not in imports_of(path), f"{path.relative_to(ROOT)} imports paretune"


def test_no_room_imports_tests_or_benchmarks() -> None:
    for room in ROOMS:
        for path, names in imported_by(room).items():
            assert not {"tests", "benchmarks"} & set(names), f"{path} imports {names}"


def test_what_every_room_may_import_imports_nothing() -> None:
    source = (ROOT / "paretune" / "errors.py").read_text(encoding="utf-8")
    assert imports_in(source, package="paretune") == {"__future__"}


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_is_too_long(room: str) -> None:
    for path in sources(ROOT / room):
        length = len(path.read_text(encoding="utf-8").splitlines())
        assert length <= LONGEST_FILE, f"{path.relative_to(ROOT)} has {length} lines"


# The rooms within paretune

INNER: dict[str, set[str]] = {
    "plan": set(),
    "sampling": {"plan"},
    "stopping": {"plan", "sampling"},
    "record": {"plan", "sampling", "stopping"},
    "confirm": {"plan", "sampling", "record"},
    "timing": {"plan", "sampling", "stopping", "record"},
    "storage": set(),
    "packing": {"plan", "timing"},
    "terminal": {"plan", "sampling", "stopping", "record", "confirm", "timing", "packing"},
    "tune": {"plan", "sampling", "stopping", "record", "timing", "storage"},
    "testing": set(),
    "api": {
        "plan",
        "sampling",
        "stopping",
        "record",
        "confirm",
        "terminal",
        "tune",
        "timing",
        "packing",
        "storage",
    },
    "cli": {
        "plan",
        "sampling",
        "stopping",
        "record",
        "confirm",
        "timing",
        "terminal",
        "tune",
        "api",
        "packing",
    },
}
"""Which rooms of paretune each of them may import, beside itself and the errors and devices at the top."""

MOST_FILES = 12
"""Files of a folder of paretune, its ``__init__.py`` left out."""


@pytest.mark.parametrize("room", INNER)
def test_a_room_of_paretune_imports_only_the_rooms_below_it(room: str) -> None:
    for path in sources(ROOT / "paretune" / room):
        package = ".".join(path.relative_to(ROOT).parent.parts)
        names = imports_in(path.read_text(encoding="utf-8"), package=package)
        rooms = {name.split(".")[1] for name in names if name.startswith("paretune.")}
        forbidden = (set(INNER) - INNER[room] - {room}) & rooms
        assert not forbidden, f"{path.relative_to(ROOT)} imports {sorted(forbidden)}"


def test_every_folder_of_paretune_is_a_room_with_a_place() -> None:
    folders = {path.name for path in (ROOT / "paretune").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(INNER)


def test_only_the_bridge_imports_ray() -> None:
    for path in sources(ROOT / "paretune"):
        if "tune" not in path.relative_to(ROOT / "paretune").parts:
            assert "ray" not in imports_of(path), f"{path.relative_to(ROOT)} imports ray"


def test_no_folder_of_paretune_has_too_many_files() -> None:
    for folder in {path.parent for path in sources(ROOT / "paretune")}:
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= MOST_FILES, f"{folder.relative_to(ROOT)} has {len(files)} files"


def test_no_test_file_imports_another() -> None:
    """What they share lies in tests/helpers. A script of a process may import the file that starts it."""
    files = [path for path in sources(ROOT / "tests") if path.name.startswith(("test_", "conftest"))]
    assert len(files) > 90
    for path in files:
        others = {
            name
            for name in imports_in(path.read_text(encoding="utf-8"))
            if any(part.startswith("test_") or part in ("conftest", "tests") for part in name.split("."))
        }
        assert not others, f"{path.relative_to(ROOT)} imports {sorted(others)}"
