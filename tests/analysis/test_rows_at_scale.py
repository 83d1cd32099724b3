"""Reading rows: fast, and exactly what reading them line by line would give."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from helpers.commands import run_cli
from hypothesis import HealthCheck, given, settings
from simulated_search import write_search

import paretune
from analysis.files import columns
from analysis.files.columns import read_columns
from analysis.files.layout import DamagedError
from analysis.files.lines import read_lines
from analysis.names import shown_name
from analysis.rows import SearchRows

ROOT = Path(__file__).parents[2]
PUBLISHED = sorted(path.parent for path in (ROOT / "results" / "published").glob("*/plan.json"))


def line_by_line(path: Path) -> list[dict]:
    """Read a file in the slow way that needs no explanation."""
    rows = []
    text = path.read_text()
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            if number < len(lines) or (text.endswith("\n") and line.strip()):
                raise ValueError(
                    f"{path}:{number}: is not a row: {line[:60]!r}; `paretune "
                    f"repair {shown_name(path.parent)}` sets this line aside"
                ) from None
    return rows


def trials_line_by_line(folder: Path) -> pd.DataFrame:
    frame = pd.DataFrame(line_by_line(folder / "trials.jsonl")).drop_duplicates("trial", keep="last")
    return frame.sort_values(["configuration", "seed_index"], ignore_index=True)


def reports_line_by_line(folder: Path) -> pd.DataFrame:
    frame = pd.DataFrame(line_by_line(folder / "reports.jsonl"))
    frame = frame.drop_duplicates(["trial", "step"], keep="last")
    return frame.sort_values(["trial", "step"], ignore_index=True)


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_published_searches_read_as_line_by_line(folder: Path):
    rows = SearchRows(folder)

    pd.testing.assert_frame_equal(rows.trials, trials_line_by_line(folder))
    pd.testing.assert_frame_equal(rows.reports, reports_line_by_line(folder))


def test_a_trial_of_which_only_early_rows_exist_has_the_last_of_them(tmp_path):
    lines = [
        {"trial": "c000-s0", "configuration": 0, "seed_index": 0, "values": {"a": 1}, "ending": None},
        {"trial": "c001-s0", "configuration": 1, "seed_index": 0, "values": {"a": [2]}, "ending": None},
        {"trial": "c000-s0", "configuration": 0, "seed_index": 0, "values": {"a": 1}, "ending": "solved"},
        {"trial": "c000-s0", "configuration": 0, "seed_index": 0, "values": {"a": 1}, "ending": None, "x": 5},
    ]
    (tmp_path / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    shutil.copy(PUBLISHED[0] / "metrics.json", tmp_path)

    trials = SearchRows(tmp_path).trials

    assert trials["trial"].tolist() == ["c000-s0", "c001-s0"]
    assert trials["values"].tolist() == [{"a": 1}, {"a": [2]}]
    assert trials["ending"].isna().all()
    assert trials["x"].tolist()[0] == 5
    expected = trials_line_by_line(tmp_path)
    pd.testing.assert_frame_equal(*map(without_types_of_nothing, (trials, expected)))


WORDS = st.sampled_from(
    ["finished", "native, compiled by c++", "2026-11-21", "2026-11-21T10:32:21", "é☃", '"x": 1', ""]
)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
EXTRA = st.dictionaries(
    st.sampled_from(["val_loss", "samples", "ending", "engine", "new column", "flag", "nested", "mixed"]),
    NUMBERS,
    max_size=4,
).flatmap(
    lambda drawn: st.fixed_dictionaries(
        {
            name: {
                "ending": WORDS,
                "engine": WORDS | st.none(),
                "flag": st.booleans(),
                "nested": st.lists(st.integers(0, 3), max_size=2),
                "mixed": st.booleans() | st.integers(0, 3) | WORDS,
            }.get(name, st.just(value))
            for name, value in drawn.items()
        }
    )
)
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([0, 500, 500.0, 1000]), EXTRA).map(
        lambda row: {"trial": f"c{row[0]:03d}-s0", "configuration": row[0], "step": row[1], **row[2]}
    ),
    max_size=12,
)


@st.composite
def damaged_files(draw: st.DrawFn) -> str:
    """Draw a file of rows, in most cases with one of the faults that crashes, disks and people make."""
    lines = [json.dumps(row) for row in draw(ROWS)]
    text = "".join(line + "\n" for line in lines)
    fault = draw(
        st.sampled_from(["none", "cut", "cut line", "no newline", "empty line", "glued", "byte", "twice"])
    )
    if not lines:
        return text
    place = draw(st.integers(0, len(lines) - 1))
    match fault:
        case "cut":
            return text[: draw(st.integers(0, len(text)))]
        case "cut line":
            lines[place] = lines[place][: draw(st.integers(0, len(lines[place])))]
        case "no newline":
            return text.rstrip("\n")
        case "empty line":
            lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(["", "  "])))
        case "glued":
            lines[place] += lines[place]
        case "byte":
            at = draw(st.integers(0, len(lines[place]) - 1))
            lines[place] = lines[place][:at] + draw(st.sampled_from('\0x"{}[],:1')) + lines[place][at + 1 :]
        case "twice":
            lines[place] = lines[place][:-1] + ', "step": 7}'
    return "".join(line + "\n" for line in lines)


def without_types_of_nothing(frame: pd.DataFrame) -> pd.DataFrame:
    """Let columns of which every value is missing be of one type, and mark what is missing with NaN."""
    frame = frame.astype({name: object for name in frame if frame[name].isna().all()})
    for name in [name for name in frame if frame[name].dtype.name == "object"]:
        frame[name] = [np.nan if value is None else value for value in frame[name]]
    return frame


def told(read, path: Path) -> pd.DataFrame | str:
    try:
        return read(path)
    except ValueError as error:
        return str(error)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=damaged_files(), piece=st.sampled_from([16, 200, 1 << 26]))
def test_drawn_files_read_as_line_by_line_or_fail_with_the_same_message(tmp_path, monkeypatch, text, piece):
    monkeypatch.setattr(columns, "_PIECE", piece)
    path = tmp_path / "reports.jsonl"
    path.write_text(text)

    expected = told(lambda path: pd.DataFrame(line_by_line(path)), path)
    found = told(read_columns, path)

    if isinstance(expected, str):
        assert found == expected
    else:
        assert isinstance(found, pd.DataFrame)
        assert list(found.columns) == list(expected.columns)
        pd.testing.assert_frame_equal(*map(without_types_of_nothing, (found, expected)))


def test_columns_stand_in_the_order_in_which_they_appear(tmp_path):
    rows = [{"b": 1, "a": 2}, {"c": 1, "a": 3}, {"0": 4, "a": 5, "z": 6}]
    path = tmp_path / "reports.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    assert list(read_columns(path).columns) == ["b", "a", "c", "0", "z"]


def test_ordinary_rows_take_the_fast_way_whatever_their_last_line(tmp_path, monkeypatch):
    """Else a search of millions of reports would need gigabytes the moment it is read while it runs."""
    monkeypatch.setattr(columns, "read_lines", lambda path: pytest.fail("took the slow way"))
    for folder in PUBLISHED:
        shutil.copy(folder / "reports.jsonl", tmp_path)
        path = tmp_path / "reports.jsonl"
        whole = len(read_columns(path))
        with path.open("a") as file:
            file.write('{"trial": "c0')

        assert len(read_columns(path)) == whole > 0


def test_a_broken_line_among_others_is_named(tmp_path):
    path = tmp_path / "reports.jsonl"
    path.write_text('{"trial": "c000-s0", "step": 1}\n{"trial": "c0\n{"trial": "c000-s0", "step": 2}\n')

    for read in (read_columns, read_lines):
        with pytest.raises(ValueError, match=r"reports\.jsonl:2: is not a row: '\{\"trial\": \"c0'"):
            read(path)


def test_bytes_that_are_no_text_are_a_broken_line_too(tmp_path):
    path = tmp_path / "reports.jsonl"
    row = b'{"trial": "c000-s0", "step": 1}\n'
    path.write_bytes(row + b'{"trial": "\xff\xfe"}')
    assert len(read_columns(path)) == len(read_lines(path)) == 1

    for content in (row + b'{"trial": "\xff\xfe"}\n', row + b'{"trial": "\xff\xfe"}\n' + row):
        path.write_bytes(content)
        for read in (read_columns, read_lines):
            with pytest.raises(ValueError, match=r"reports\.jsonl:2: is not a row"):
                read(path)


_MEASURE = """
import resource, sys
from pathlib import Path
from analysis.rows import SearchRows
import pyarrow.json
before = resource.getrusage(resource.RUSAGE_SELF)
reports = SearchRows(Path(sys.argv[1])).reports
after = resource.getrusage(resource.RUSAGE_SELF)
print(len(reports), (after.ru_maxrss - before.ru_maxrss) * 1024, after.ru_utime + after.ru_stime)
"""


def test_a_hundred_thousand_reports_take_little_time_and_memory(tmp_path):
    shutil.copy(PUBLISHED[0] / "metrics.json", tmp_path)
    numbers = np.random.default_rng(0).random((100_000, 4))
    with (tmp_path / "reports.jsonl").open("w") as file:
        for index, (a, b, c, d) in enumerate(numbers.tolist()):
            row = {
                "trial": f"c{index // 20:03d}-s0",
                "configuration": index // 20,
                "seed": 0,
                "session": 1,
                "at": "2026-11-21T10:32:21.206+00:00",
                "step": index % 20 * 500,
                **{"train_loss": a, "exact_match": b, "val_loss": c, "cpu_seconds": d},
            }
            file.write(json.dumps(row) + "\n")

    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )

    count, memory, seconds = map(float, done.stdout.split())
    assert count == 100_000
    # As lists of dicts they take more than 200 MB: the rows' names and numbers are objects each.
    assert memory < 130e6
    assert seconds < 15


def test_the_benchmark_of_answers_runs():
    commands = ["frontier --export .md", "regimes --export"]
    done = subprocess.run(
        [sys.executable, "benchmarks/scale.py", "answers", "--trials", "300", "--reports", "10"]
        + [f"--only={command}" for command in commands],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert [line.split("|")[1].strip() for line in done.stdout.splitlines()[2:]] == commands


def test_what_needs_no_reports_does_not_read_them(tmp_path):
    write_search(tmp_path / "many", 40, 10)
    # Whoever reads this file is told of a broken line.
    reports = tmp_path / "many" / "reports.jsonl"
    reports.write_text("not a row\n" + reports.read_text())

    search = paretune.open("many", tmp_path)
    for _ in (search.ranking(), search.frontiers(), search.cliff(), search.times(), search.effects()):
        pass
    exported = run_cli("frontier", "many", "--results", tmp_path, "--export", tmp_path / "frontier.parquet")
    assert exported.code == 0, exported.err
    with pytest.raises(DamagedError, match=r"reports\.jsonl:1"):
        search.regimes()
