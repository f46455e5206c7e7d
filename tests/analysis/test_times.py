"""Times and durations as Kubernetes and Go spell them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.times import (
    format_duration,
    format_micro_time,
    format_time,
    parse_duration,
    parse_time,
)

NOW = 1_767_323_045.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("500ms", 0.5),
        ("-2s", -2),
        ("+2s", 2),
        (".5s", 0.5),
        ("10µs", 1e-5),
        ("1m0.5s", 60.5),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "5", "m", "5 m", "5m ", "1d", "5mm", "--5s", "1..5s", "é", "9" * 70 + "s", "3000000h"],
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="time: invalid duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (90, "1m30s"), (3600, "1h"), (3601, "1h0m1s"), (0.5, "0.5s"), (-60, "-1m")],
)
def test_durations_are_written_short(seconds, text):
    assert format_duration(seconds) == text


@given(st.integers(0, 10**6))
def test_durations_come_back(milliseconds):
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds)


def test_instants():
    assert format_time(NOW + 0.9) == "2026-01-02T03:04:05Z"
    assert format_micro_time(NOW + 0.5) == "2026-01-02T03:04:05.500000Z"
    assert parse_time("2026-01-02T03:04:05Z") == NOW
    assert parse_time("2026-01-02T04:04:05.5+01:00") == NOW + 0.5


@pytest.mark.parametrize("text", [None, 5, "", "2026-01-02", "2026-01-02T03:04:05", "T", "x" * 50])
def test_what_is_no_instant(text):
    assert parse_time(text) is None


@given(st.integers(0, 4_000_000_000))
def test_instants_come_back(epoch):
    assert parse_time(format_time(epoch)) == epoch
