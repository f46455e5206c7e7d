"""What the process lends to the rooms: ids that repeat with their seed, logs that keep secrets."""

import gc
import io
import json
import random
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from rollouts.runtime import ids, logging, memory


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    structlog.reset_defaults()
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    gc.enable()


def test_ids_repeat_with_their_seed_and_look_as_kubernetes_makes_them() -> None:
    for make in (ids.hex_ids, ids.suffixes, ids.uuids):
        one, same = make(random.Random(7)), make(random.Random(7))
        first = [one() for _ in range(50)]
        assert first == [same() for _ in range(50)]
        assert len(set(first)) == 50
    assert uuid.UUID(ids.uuids(random.Random(1))()).version == 4
    assert set(ids.suffixes(random.Random(1), 500)()) <= set("bcdfghjklmnpqrstvwxz2456789")


class Stream(io.TextIOWrapper):
    """Standard error that can be read afterwards."""

    def __init__(self) -> None:
        self.raw_bytes = io.BytesIO()
        super().__init__(self.raw_bytes, write_through=True)

    def text(self) -> str:
        return self.raw_bytes.getvalue().decode()


def fail_with_a_secret(log: Any) -> None:
    password = "hunter2"  # noqa: F841 - a local variable a traceback might print
    try:
        raise ValueError("a bug")
    except ValueError:
        log.exception("reconcile failed", key="shop/web")


@pytest.mark.parametrize("form", ["text", "json"])
def test_tracebacks_are_logged_without_local_variables(
    form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)
    logging.configure("info", form)
    fail_with_a_secret(structlog.get_logger("x"))
    text = stream.text()
    assert "a bug" in text
    assert "shop/web" in text
    assert "hunter2" not in text


def test_json_is_one_object_per_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)
    logging.configure("warn", "json")
    log = structlog.get_logger("x")
    log.info("not this")
    log.warning("this", count=2)
    (line,) = stream.text().splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["count"]) == ("this", "warning", 2)


def test_an_unknown_level_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="loud"):
        logging.configure("loud")


def test_the_collector_rests_while_caches_fill_and_then_ignores_them() -> None:
    memory.before_sync()
    assert not gc.isenabled()
    cached = [[number] for number in range(1000)]
    memory.after_sync()
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(cached)
