"""docs/experiments/smallest-adder.md: the architectures in its tables have the counts that name them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from trainables.addition.config import AdditionConfig

PAGE = (Path(__file__).parents[2] / "docs" / "experiments" / "smallest-adder.md").read_text()

RECORDS = re.findall(
    r"^\| (\d+) \| (?:plain|low rank|rotary) \| (\d+|none) \| `(\{.*?\})` \|$", PAGE, flags=re.M
)
TIES = re.findall(r"^\| (\d+) \| (\d+) \| `(\{.*?\})` \| .+ \|$", PAGE, flags=re.M)


def test_there_are_tables_of_records_and_of_further_ties() -> None:
    assert (len(RECORDS), len(TIES)) == (18, 22)


@pytest.mark.parametrize("index", range(len(RECORDS) + len(TIES)))
def test_an_architecture_has_the_count_that_it_is_named_after(index: int) -> None:
    rows = [*RECORDS, *TIES]
    by_name = {count: (before, changes) for count, before, changes in reversed(rows)}
    count, before, changes = rows[index]
    values = yaml.safe_load(changes)
    while before != "none":
        before, changes = by_name[before]
        values = yaml.safe_load(changes) | values
    assert sum(AdditionConfig.model_validate({"digits": 10, **values}).parameter_table().values()) == int(
        count
    )
