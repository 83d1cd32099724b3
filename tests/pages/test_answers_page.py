"""docs/experiments.md: each question has what was published, what was found, and a verdict."""

from __future__ import annotations

import re

import pages
import published
import pytest

from paretune.errors import Error

PAGE = published.PAGE.read_text()
VERDICTS = ("holds", "does not hold", "cannot be determined", "answered", "not run yet", "was not run")
ANSWERS = PAGE.partition("\n## Answers\n")[2].partition("\n## ")[0]
SECTIONS = {
    title: text
    for title, _, text in (part.partition("\n") for part in re.split(r"^### ", ANSWERS, flags=re.M)[1:])
}
NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?(?!\w)")


def part(section: str, name: str) -> str:
    """Return what follows a bold word, up to the next paragraph that begins with one."""
    (found,) = re.findall(rf"^\*\*{name}[.:] ?(.*?)(?=\n\n\*\*|\Z)", SECTIONS[section], flags=re.M | re.S)
    return str(found)


def anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("section", SECTIONS)
def test_each_question_has_what_was_published_what_was_found_and_a_verdict(section: str) -> None:
    assert part(section, "Published")
    assert part(section, "Here")
    assert part(section, "Verdict").startswith(VERDICTS)
    assert re.search(r"\]\((experiments/)?[\w-]+\.md\)", part(section, "Verdict")), "details are linked"


def test_the_table_has_each_question_with_its_verdict() -> None:
    rows = re.findall(r"^\| \[.*?\]\(#([\w-]+)\) \| (.*?) \|$", ANSWERS, flags=re.M)
    assert [row[0] for row in rows] == [anchor(title) for title in SECTIONS]
    for title, (_, verdict) in zip(SECTIONS, rows, strict=True):
        short = re.split(r"[,:;]", verdict)[0]
        assert short in VERDICTS
        assert part(title, "Verdict").startswith(short), title


@pytest.mark.parametrize("section", SECTIONS)
def test_numbers_that_were_found_stand_on_the_page_of_the_details(section: str) -> None:
    linked = re.findall(r"\]\(((?:experiments/)?[\w-]+\.md)\)", SECTIONS[section])
    details = " ".join((published.PAGE.parent / link).read_text() for link in linked)
    found = NUMBER.findall(re.sub(r"\]\([^)]*\)", "]", part(section, "Here")))
    missing = [number for number in found if number not in NUMBER.findall(details)]
    assert not missing, f"{linked} do not have {missing}"


def test_every_experiment_is_linked_from_the_page() -> None:
    assert all(f"(experiments/{path.name})" in PAGE for path in pages.EXPERIMENTS)


def test_costs_are_what_the_rows_say() -> None:
    assert published.with_costs(PAGE) == PAGE, "run `python benchmarks/published.py --write`"
    with pytest.raises(published.PageError, match="0 places"):
        published.with_costs("a page without the comments")
    assert issubclass(published.PageError, Error)


def test_the_atlas_is_drawn_from_published_searches_and_stands_on_both_pages() -> None:
    found = published.atlas()
    assert [one.name for one in found.series] == list(dict.fromkeys(dict(published.parts_of_the_atlas())))
    assert len(found.series) > 1
    assert found.sentences[0].startswith("Half of the seeds solve at ")
    for page in (published.PAGE, pages.ROOT / "README.md"):
        link = published.ATLAS.relative_to(page.parent)
        assert f"]({link})" in page.read_text()
    assert published.ATLAS.stat().st_size > 10_000
