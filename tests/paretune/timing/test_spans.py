"""Time spans as people type them, and as they are told."""

from __future__ import annotations

import pytest

from paretune.errors import InputError
from paretune.timing.spans import about, seconds_of


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [
        ("45s", 45),
        ("90min", 5400),
        ("2h", 7200),
        ("1h30min", 5400),
        ("1 h 30 min", 5400),
        ("1.5H", 5400),
        ("1d2h3min4s", 93784),
        (90, 90),
        (0.5, 0.5),
    ],
)
def test_a_span_is_read(typed: str | float, seconds: float):
    assert seconds_of(typed) == seconds


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("90", "without a unit; is it 90s, 90min or 90h?"),
        ("90m", "m is no unit; did you mean 90min?"),
        ("2 hours", "did you mean 2h?"),
        ("3 weeks", "weeks is no unit; accepted are s, min, h and d"),
        ("soon", "no time span; accepted are"),
        ("", "no time span"),
        ("30min1h", "no time span"),
        ("1h1h", "no time span"),
        ("-5min", "no time span"),
        ("1h30", "no time span"),
        ("0s", "must be longer than nothing"),
        (0, "must be longer than nothing"),
        (-3.0, "must be longer than nothing"),
        (float("inf"), "must be longer than nothing, and end"),
        (float("nan"), "must be longer than nothing"),
    ],
)
def test_what_is_no_span_is_refused_with_what_is(typed: str | float, told: str):
    with pytest.raises(InputError, match=r"^--within") as refused:
        seconds_of(typed, name="--within")
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.4, "5.0 s"),
        (47, "45 s"),
        (59, "1 min"),
        (61, "1 min"),
        (104, "1 min 40 s"),
        (130, "2 min 10 s"),
        (700, "12 min"),
        (4000, "1 h 10 min"),
    ],
)
def test_an_expected_span_is_told_no_finer_than_known(seconds: float, told: str):
    assert about(seconds) == told
