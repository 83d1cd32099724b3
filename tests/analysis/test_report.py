"""The report: its sections, its page as text, and the page in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from truths import METRICS, search_of

from analysis.files.layout import TRIAL_COLUMNS, Column, ExportError
from analysis.finding import Table
from analysis.pictures.curves import MOST_CURVES, curve_pictures, curves_figure
from analysis.pictures.marks import Axis, Band, Line, Note, Picture, Points, Rule
from analysis.pictures.page import COLOURS_IN_THE_DARK, MOST_DOTS, page_figure
from analysis.pictures.parallel import parallel_picture
from analysis.pictures.positions import positions
from analysis.pictures.style import LOOKS
from analysis.pictures.thinning import evenly_chosen
from analysis.report import write_report
from analysis.report.content import content_of
from analysis.report.html import page
from analysis.report.markdown import markdown
from analysis.report.tables import MOST_ROWS, cell, shown
from analysis.rows import SearchRows
from paretune.cli.answers.report import report as report_command
from search_spaces.plan import Plan

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results" / "published"
NASTY = "<script>document.title='owned'</script>"


def trial(configuration: int, seed: int, ending: str | None, **changes: Any) -> dict[str, Any]:
    solved = ending == "solved"
    return {
        "configuration": configuration,
        "seed_index": seed,
        "params": 100 * (configuration + 1),
        "values": {"d_model": configuration + 1, "steps": 1000},
        "ending": ending,
        "exact_match": {"solved": 1.0, "diverged": None}.get(str(ending), 0.1),
        "val_loss": {"solved": 0.01, "diverged": None}.get(str(ending), 1.5),
        "cpu_seconds": 2.0,
        "steps_to_target": 500.0 if solved else None,
        "cpu_seconds_to_target": 1.0 if solved else None,
        **changes,
    }


def reports_of(trials: list[dict[str, Any]], steps: int = 5) -> list[dict[str, Any]]:
    return [
        {
            "trial": f"c{one['configuration']:03d}-s{one['seed_index']}",
            "configuration": one["configuration"],
            "seed": one["seed_index"],
            "step": 200 * (step + 1),
            "exact_match": None if one["exact_match"] is None else one["exact_match"] * step / steps,
            "val_loss": 2.0 - 0.1 * step,
        }
        for one in trials
        for step in range(steps)
    ]


def search_with(*endings: str | None, seeds: int = 2, **changes: Any) -> SearchRows:
    """Return a search with a configuration per ending."""
    trials = [trial(number, seed, ending) for number, ending in enumerate(endings) for seed in range(seeds)]
    return search_of(trials, reports_of(trials), **changes)


def empty_search() -> SearchRows:
    plan = search_with("solved").plan
    return SearchRows.of_frames(plan, METRICS, pd.DataFrame(columns=[c.name for c in TRIAL_COLUMNS]))


class Elements(HTMLParser):
    """Every element with its attributes, and the text that is shown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._within: str = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within not in ("script", "style"):
            self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.found)


# Marks as figures of plotly


def picture_of(*marks: Any, x: Axis | None = None, y: Axis | None = None) -> Picture:
    return Picture(name="p", title="P", x=x or Axis(label="x"), y=y or Axis(label="y"), marks=marks)


@pytest.mark.parametrize("role", [*LOOKS, *(f"series {number}" for number in range(9))])
def test_every_role_has_a_look_on_the_page_in_light_and_dark(role: str):
    figure = page_figure(
        picture_of(
            Points(x=[1], y=[2], role=role, label="a"),
            Line(x=[1, 2], y=[2, 3], role=role),
            Band(x=[1, 2], low=[1, 2], high=[3, 4], role=role),
        )
    )
    dots, line, _, band = figure.plotly["data"]
    assert dots["marker"]["symbol"]
    assert {dots["marker"]["color"], line["line"]["color"], band["fillcolor"]} <= set(COLOURS_IN_THE_DARK)


def test_dots_beyond_the_limit_are_thinned_out_alike_every_time_and_the_rare_kind_is_kept():
    many = Points(x=list(range(5000)), y=[1.0] * 5000, role="solved", tells=[str(n) for n in range(5000)])
    rare = Points(x=[1, 2, 3], y=[1, 2, 3], role="diverged")
    figure = page_figure(picture_of(many, rare))
    first, second = figure.plotly["data"]
    assert len(first["x"]) + len(second["x"]) == MOST_DOTS + 2
    assert len(second["x"]) == 3
    assert [int(text) for text in first["text"]] == first["x"]
    assert figure.caption == "Of 5,003 dots, 2,002 are drawn, chosen at random."
    assert page_figure(picture_of(many, rare)) == figure


def test_an_interval_without_an_end_reaches_the_edge_and_a_finite_one_its_end():
    points = Points(x=[1, 2], y=[10, 20], role="fit", low=[5, -np.inf], high=[np.inf, 40])
    (trace,) = page_figure(picture_of(points)).plotly["data"]
    assert trace["error_y"]["array"] == [30, 20]  # to 40, the highest that is known
    assert trace["error_y"]["arrayminus"] == [5, 15]  # to 5, the lowest
    within = page_figure(picture_of(points, y=Axis(label="y", limits=(0, 50))))
    assert within.plotly["data"][0]["error_y"]["array"] == [40, 20]


def test_logarithmic_axes_take_rules_as_values_and_notes_as_logarithms():
    figure = page_figure(
        picture_of(
            Rule(value=100, along="x", role="target", label="here"),
            Note(x=100, y=3, text="a < b"),
            x=Axis(label="size", unit="parameters", scale="log", limits=(10, 1000), is_reversed=True),
        )
    ).plotly
    assert figure["layout"]["xaxis"]["range"] == [3, 1]
    assert figure["layout"]["xaxis"]["title"]["text"] == "size (parameters)"
    assert figure["layout"]["shapes"][0]["x0"] == 100
    assert figure["layout"]["annotations"][0]["x"] == 2
    assert figure["layout"]["annotations"][0]["text"] == "a &lt; b"


def test_steps_gaps_and_dashes_are_those_of_the_marks():
    line = Line(x=[1, 2, 3], y=[1, float("nan"), 2], role="target", steps=True)
    (trace,) = page_figure(picture_of(line)).plotly["data"]
    assert trace["y"] == [1, None, 2]
    assert (trace["line"]["shape"], trace["line"]["dash"]) == ("hv", "dash")


# Learning curves


def test_chosen_rows_are_as_even_as_there_are_of_each_kind():
    kinds = pd.Series(["a"] * 100 + ["b"] * 3 + ["c"] * 50)
    places = evenly_chosen(kinds, 23)
    assert kinds.iloc[places].value_counts().to_dict() == {"a": 10, "c": 10, "b": 3}
    assert {0, 99, 103, 152} <= set(places)


def test_of_many_trials_some_curves_of_each_outcome_are_drawn_and_the_caption_says_so():
    rows = search_with(*(["solved"] * 10 + ["finished"] * 100 + [None] * 2))
    first, second = curve_pictures(rows)
    ends = {mark.role: len(mark.x) for mark in first.marks if isinstance(mark, Points)}
    assert ends == {"solved": 20, "not learned": 36, "unknown": 4}
    assert sum(ends.values()) == MOST_CURVES
    assert "Of 224 trials with reports, 60 are drawn" in first.caption
    assert (first.y.label, second.y.label) == ("exact match", "val loss")
    (target,) = [mark for mark in first.marks if isinstance(mark, Rule)]
    assert target.value == 0.99


def test_curves_end_where_their_trials_did_with_the_outcome_of_each():
    rows = search_with("solved", "diverged")
    solved = [m for m in curve_pictures(rows)[0].marks if isinstance(m, Points) and m.role == "solved"]
    assert solved[0].x == [1000.0, 1000.0]
    assert solved[0].y == [0.8, 0.8]
    assert solved[0].tells[0] == "c000-s0: solved\n100 parameters\nexact match 0.8 at step 1,000"


def test_rungs_lie_where_early_stopping_compares():
    rule = {"metric": "exact_match", "direction": "max"}
    at_steps = search_with("solved", early_stopping={**rule, "grace_period": 100, "reduction_factor": 3})
    rungs = [mark.value for mark in curve_pictures(at_steps)[0].marks if isinstance(mark, Rule)]
    assert rungs[:-1] == [100, 300, 900]
    at_shares = search_with("solved", early_stopping={**rule, "at": [0.3, 0.6]})
    picture = curve_pictures(at_shares)[0]
    assert [mark.value for mark in picture.marks if isinstance(mark, Rule)][:-1] == [0.3, 0.6]
    (line,) = [mark for mark in picture.marks if isinstance(mark, Line)]
    assert line.x[:5] == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_curves_of_retraining_are_one_panel_per_metric_with_a_line_per_seed():
    steps = {"seed": [500, 500, 501, 501], "step": [1, 2, 1, 2]}
    reports = pd.DataFrame({**steps, "val_loss": [5.0, 0.01, 4.0, 0.02], "exact_match": [0.1, 1, 0.2, 1]})
    units = {"val_loss": "nats", "exact_match": "share"}
    loss, match = curves_figure(reports, units, {"exact_match": 0.99}, "Curves").axes
    assert (loss.get_yscale(), match.get_yscale()) == ("log", "linear")
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["seed 500", "seed 501"]
    assert match.get_legend() is None
    assert len(match.lines) == 3  # two seeds and the target


# Parallel coordinates


def test_parallel_coordinates_draw_every_configuration_over_what_differs():
    picture = parallel_picture(search_with("solved", "finished", "diverged", None))
    assert picture is not None
    assert picture.x.ticks == {0.0: "d_model", 1.0: "parameters", 2.0: "success rate"}
    lines = {mark.label: mark for mark in picture.marks if isinstance(mark, Line)}
    assert set(lines) == {
        "more than half of the seeds solved",
        "none solved",
        "all diverged",
        "not known",
    }
    assert lines["more than half of the seeds solved"].y[:3] == [0.0, 0.0, 1.0]
    assert lines["not known"].y[2] < -0.1  # below the axis: there is no rate


def test_parallel_coordinates_need_something_that_differs():
    assert parallel_picture(search_with("solved")) is None
    assert parallel_picture(empty_search()) is None


def test_without_a_target_the_last_axis_is_the_best_value():
    picture = parallel_picture(search_with("finished", "solved", target=None))
    assert picture is not None
    assert picture.x.ticks is not None
    assert picture.x.ticks[2.0] == "best exact match"


# Accuracy by position


def test_positions_show_every_confirmed_model_at_every_digit():
    split = positions(SearchRows(PUBLISHED / "under-777"))
    digits, carries, chains = split.pictures
    assert digits.title == "Accuracy per answer position"
    assert digits.x.ticks is not None
    assert len(digits.x.ticks) == 11
    assert {m.role: len(m.x) for m in digits.marks if isinstance(m, Points)} == {
        "series 0": 10 * 11,
        "series 1": 10 * 11,
        "series 2": 10 * 11,
    }
    assert (carries.x.label, chains.x.label) == ("carries", "chain")
    first = split.tables[0].frame.iloc[0]
    assert (first["position"], first["models"], first["problems"]) == ("1s", 10, 10_000)


def test_without_evaluations_there_is_nothing_to_show_by_position():
    assert not positions(search_with("solved")).pictures


# Tables


@pytest.mark.parametrize(
    ("value", "unit", "text", "order"),
    [
        (1234567, "parameters", "1,234,567", 1234567.0),
        (0.9995, "share", "99.95 %", 0.9995),
        (-0.59, "share", "-59 %", -0.59),
        (61.0, "s", "1 min 01 s", 61.0),
        (0.037112, "", "0.03711", 0.037112),
        (float("inf"), "s", "no bound", float("inf")),
        (float("nan"), "", "-", None),
        (None, "", "-", None),
        (True, "", "yes", None),
        ("99.69%", "", "99.69%", 99.69),
        ("not reported", "", "not reported", None),
        ([0.1, 1.0], "", "0.1, 1", None),
    ],
)
def test_cells_are_written_for_people_and_sorted_by_their_value(
    value: Any, unit: str, text: str, order: float | None
):
    written = cell(value, unit)
    assert (written.text, written.order) == (text, order)


def test_long_tables_are_cut_and_say_how_much_is_left_out():
    frame = pd.DataFrame({"params": range(350), "diverged": 0, "nothing": np.nan})
    table = shown(Table(title="T", frame=frame, columns=(Column("params", "parameters", "size"),)))
    # Columns that say nothing are left out.
    assert [header.text for header in table.headers] == ["parameters"]
    assert len(table.rows) == MOST_ROWS
    assert table.more == "The first 200 rows; 150 more are in the search's folder."


# The whole report


def test_a_report_answers_and_shows_method_limits_and_failures():
    rows = SearchRows(PUBLISHED / "gpt2-laptop")
    content = content_of(rows)
    sections = {section.key: section for section in content.sections}
    assert (
        content.title == "How soon, and with how few parameters, a language model reaches a loss on a laptop"
    )
    assert content.facts[-1] == "21 November 2026"
    assert {"cliff", "frontier", "curves", "configurations", "method", "limits"} <= set(sections)
    assert len(set(sections)) == len(content.sections)
    method = dict(sections["method"].facts)
    assert method["Early stopping"].startswith(
        "asynchronous successive halving (ASHA) at 30 %, 60 % of its own steps"
    )
    assert method["Cost"].startswith("11 min 29 s of processor time in total")
    assert "shared a machine" in method["Elapsed time"]
    assert "18dc68de2c58bea4ab455039f7ee62fae5ec8e65" in method["Versions"]
    limits = " ".join(sections["limits"].sentences)
    assert "Of 30 trials, 13 ended before it was known" in limits
    assert "33 % if all unknown ones had failed, 77 % if all had solved" in limits


def test_published_figures_stand_beside_ours():
    rows = SearchRows(PUBLISHED / "gpt_acc_jax_sweep")
    (section,) = [s for s in content_of(rows, findings=[]).sections if s.key == "published"]
    (table,) = section.tables
    row = {h.text: c for h, c in zip(table.headers, table.rows[3], strict=True)}
    assert row["name"].text == "pico-7d-ff14-lr02"
    assert row["published exact match"].order == 99.69
    assert row["known"].text == "4"
    assert section.quotes[0].text.startswith("Do the verdicts of a published sweep")


def test_errors_are_told_once_with_how_often_they_came():
    trials = [trial(0, seed, "failed", error=NASTY if seed else "out of memory") for seed in range(3)]
    (limits,) = [s for s in content_of(search_of(trials), findings=[]).sections if s.key == "limits"]
    errors = limits.tables[1]
    assert [[c.text for c in row] for row in errors.rows] == [
        [NASTY, "2", "c000-s1"],
        ["out of memory", "1", "c000-s0"],
    ]


SEARCHES = {
    "empty": empty_search,
    "one trial": lambda: search_with("finished", seeds=1),
    "running": lambda: search_with(None, None),
    "all failed": lambda: search_with("failed", "failed", "failed"),
    "all solved": lambda: search_with("solved", "solved", "solved"),
    "all diverged": lambda: search_with("diverged", "diverged"),
    "without a target": lambda: search_with("finished", "diverged", target=None),
    "without reports": lambda: search_of([trial(0, 0, "solved")]),
}


@pytest.mark.parametrize("kind", SEARCHES)
def test_any_search_has_a_report(kind: str, tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        html, text = write_report(SEARCHES[kind](), tmp_path / "deep" / "report.html")
    elements = Elements(html.read_text())
    assert elements.count("h1") == elements.count("main") == 1
    assert "Limits and failures" in text.read_text()
    assert "nan" not in re.findall(r"\w+", text.read_text())


def test_a_report_is_the_same_every_time_and_leaves_nothing_else(tmp_path: Path):
    rows = SearchRows(PUBLISHED / "attention-heads")
    first = write_report(rows, tmp_path / "a.html")
    second = write_report(SearchRows(rows.folder), tmp_path / "b.html")
    assert [path.name for path in first] == ["a.html", "a.md"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert len(list(tmp_path.iterdir())) == 4
    assert first[0].stat().st_size < 3_000_000


def test_a_page_with_another_ending_is_refused(tmp_path: Path):
    with pytest.raises(ExportError, match=r"report\.pdf must end in \.html"):
        write_report(search_with("solved"), tmp_path / "report.pdf")


def test_what_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be written"):
        write_report(search_with("solved"), tmp_path / "file" / "report.html")


def nasty_search() -> SearchRows:
    trials = [
        trial(n, 0, ending, values={"d_model": n + 1, "norm": f"{NASTY}{n}"}, error=NASTY)
        for n, ending in enumerate(["solved", "failed", "finished"])
    ]
    space = {
        "d_model": {"type": "int", "low": 1, "high": 9},
        "norm": {"type": "choice", "values": [f"{NASTY}{n}" for n in range(3)]},
    }
    description = f"{NASTY} & `{NASTY}` </title>"
    return search_of(trials, reports_of(trials), description=description, space=space, fixed={"x": NASTY})


def test_texts_of_strangers_are_shown_and_not_run():
    content = content_of(nasty_search())
    text = page(content)
    elements = Elements(text)
    assert elements.count("script") == 3  # figures, plotly, ours
    assert NASTY in "".join(elements.words)
    figures = text.split('id="figures">')[1].split("</script>")[0]
    assert "<" not in figures
    assert "&lt;script&gt;" in figures
    assert "<script" not in re.sub(r"`[^`]*`", "", markdown(content))


def test_a_page_refers_to_nothing_outside_itself():
    text = page(content_of(search_with("solved", "finished")))
    for tag, attributes in Elements(text).found:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:")), (tag, name, target)
    assert "default-src 'none'" in text
    style = text.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_headings_and_labels_lead_through_the_page():
    elements = Elements(page(content_of(search_with("solved", "finished"))))
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in elements.found:
        if tag == "a":
            assert str(attributes["href"]).removeprefix("#") in ids
        if tag == "section":
            assert attributes["aria-labelledby"] in ids
        if attributes.get("class") == "plot":
            assert attributes["aria-label"]


def test_markdown_has_the_sentences_and_the_tables():
    content = content_of(search_with("solved", "finished"))
    text = markdown(content)
    assert text.startswith("# simulated\n")
    for section in content.sections:
        for table in section.tables:
            assert f"**{table.title}**" in text.replace("\\", "")
    heads = [line for line in text.splitlines() if line.startswith("| ")]
    assert heads
    assert "| d_model | 1 to 10000 |" in text


def test_the_command_writes_the_page_and_says_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "page.html"
    assert report_command(str(PUBLISHED / "attention-heads"), output=out) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "The parameter cliff cannot be determined: all trials with a known outcome have 2,928"
    )
    assert f"written: {out}, {out.with_suffix('.md')}" in said
    assert report_command(str(PUBLISHED / "attention-heads"), output=out, as_json=True) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["written"] == [str(out), str(out.with_suffix(".md"))]
    assert printed["sentences"][0] == said.splitlines()[0]


def test_a_large_search_has_a_page_that_opens(tmp_path: Path):
    """Ten thousand trials; a hundred thousand were measured to take 25 s and half a GiB."""
    rng = np.random.default_rng(0)
    numbers = np.repeat(np.arange(5000), 2)
    solved = rng.random(10_000) < numbers / 5000
    frame = pd.DataFrame(
        {
            "trial": [f"c{n:04d}-s{i % 2}" for i, n in enumerate(numbers)],
            "configuration": numbers,
            "seed_index": np.tile([0, 1], 5000),
            "seed": np.tile([0, 1], 5000),
            "params": 100 + numbers,
            "values": [{"d_model": int(n) + 1} for n in numbers],
            "ending": np.where(solved, "solved", "finished"),
            "step": 1000,
            "exact_match": np.where(solved, 1.0, 0.1),
            "cpu_seconds": 1.0,
        }
    )
    plan: Plan = search_with("solved").plan
    html, text = write_report(SearchRows.of_frames(plan, METRICS, frame), tmp_path / "report.html")
    assert html.stat().st_size < 3_500_000
    assert "The first 200 rows; 4,800 more" in html.read_text()
    assert text.stat().st_size < 500_000


# In a browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        quiet = ("background-networking", "component-update", "default-apps", "sync", "gpu")
        options = ["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def real_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(SearchRows(PUBLISHED / "under-777"), path)
    return path


@pytest.fixture(scope="module")
def small_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with three pictures, which are drawn sooner."""
    path = tmp_path_factory.mktemp("report") / "small.html"
    path.write_text(page(content_of(search_with("solved", "finished", "diverged"), findings=[])))
    return path


class Visit:
    """A page in the browser, and what it complained about or asked for."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn=yes]", timeout=60_000)

    def column(self, table: str, header: str) -> list[str]:
        return list(
            self.page.evaluate(
                """([title, head]) => {
                    const table = [...document.querySelectorAll("table")].find(
                        (one) => one.caption.textContent === title);
                    const place = [...table.tHead.rows[0].cells].findIndex(
                        (one) => one.querySelector(".name").textContent === head);
                    return [...table.tBodies[0].rows].map((row) => row.cells[place].textContent);
                }""",
                [table, header],
            )
        )


@needs_browser
def test_the_page_draws_sorts_and_asks_for_nothing(browser: Any, real_page: Path):
    visit = Visit(browser, real_page)
    tab = visit.page
    plots = tab.locator(".plot")
    assert plots.count() >= 8
    for index in range(plots.count()):
        plot = plots.nth(index)
        assert plot.locator("svg.main-svg").count() > 0
        assert plot.locator(".trace, .shapelayer path").count() > 0

    ranking = "All configurations, best first"
    head = tab.locator(f"table:has(caption:text-is('{ranking}')) th:has(.name:text-is('parameters'))")
    assert head.get_attribute("aria-sort") == "none"
    as_written = visit.column(ranking, "parameters")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert visit.column(ranking, "parameters") == sorted(as_written, key=int)
    head.locator("button").focus()
    tab.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert visit.column(ranking, "parameters") == sorted(as_written, key=int, reverse=True)
    assert tab.locator("th[aria-sort=ascending]").count() == 0
    # The ring of the focus is seen.
    assert head.locator("button").evaluate("one => getComputedStyle(one).outlineStyle") == "solid"

    tab.keyboard.press("Tab")
    assert visit.complaints == []
    assert visit.requests == [real_page.as_uri()]
    tab.close()


@needs_browser
def test_the_page_follows_light_and_dark_and_is_printed_in_light(browser: Any, small_page: Path):
    visit = Visit(browser, small_page, color_scheme="light")
    tab = visit.page
    paper = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    dot = "getComputedStyle(document.querySelector('#curves .plot .points path')).fill"
    light = [tab.evaluate(script) for script in (paper, ink, dot)]
    tab.emulate_media(color_scheme="dark")
    # What waits inside the page would need eval, which its policy forbids.
    wait_until(tab, lambda: tab.evaluate(dot) != light[2])
    dark = [tab.evaluate(script) for script in (paper, ink, dot)]
    assert brightness(light[0]) > 200 > 100 > brightness(dark[0])
    assert brightness(light[1]) < 100 < 200 < brightness(dark[1])

    tab.emulate_media(media="print", color_scheme="dark")
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    wait_until(tab, lambda: tab.evaluate(dot) == light[2])
    assert tab.evaluate(ink) == light[1]
    assert tab.evaluate("getComputedStyle(document.querySelector('.table')).maxHeight") == "none"
    assert tab.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    wait_until(tab, lambda: tab.evaluate(dot) == dark[2])
    assert visit.complaints == []
    tab.close()


def wait_until(tab: Any, holds: Callable[[], bool], seconds: float = 30) -> None:
    for _ in range(int(seconds * 20)):
        if holds():
            return
        tab.wait_for_timeout(50)
    raise AssertionError(f"nothing changed within {seconds:g} s")


def brightness(colour: str) -> float:
    red, green, blue = (float(part) for part in re.findall(r"[\d.]+", colour)[:3])
    return 0.3 * red + 0.6 * green + 0.1 * blue


@needs_browser
def test_on_a_phone_nothing_runs_over_the_edge(browser: Any, real_page: Path):
    visit = Visit(browser, real_page, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    tab = visit.page
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    tables = tab.evaluate("[...document.querySelectorAll('.table')].map(t => [t.clientWidth, t.scrollWidth])")
    assert max(inner for _, inner in tables) > 390  # wide tables are there, and are scrolled within
    assert all(outer <= 390 for outer, _ in tables)
    assert visit.complaints == []
    tab.close()


@needs_browser
def test_without_scripts_sentences_and_tables_are_read(browser: Any, small_page: Path):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(small_page.as_uri())
    assert tab.locator("#answer p").first.is_visible()
    assert tab.locator("table").first.is_visible()
    assert tab.locator("noscript").inner_text().startswith("Pictures, and sorting of tables, need JavaScript")
    context.close()


@needs_browser
def test_texts_of_strangers_do_nothing_in_the_browser(browser: Any, tmp_path: Path):
    path = tmp_path / "nasty.html"
    path.write_text(page(content_of(nasty_search(), findings=[])))
    visit = Visit(browser, path)
    assert visit.page.title() != "owned"
    assert NASTY in visit.page.title()
    assert visit.page.locator("h1").inner_text().startswith(NASTY)
    assert visit.complaints == []
    visit.page.close()
