"""What a comparison remembers between two looks, as text in its measurement.

Owns that form: short, exact for counts, six digits for logarithms. A measurement is written with
its next look in one go, so what is read here has been counted exactly once. Called by the provider
``sequential``. Pure.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from analysis.providers.base import ProviderError
from analysis.stats.counters import Reading
from analysis.stats.sequential import Evidence, State

STATE: Final = "state"
CANARY: Final = "canary"
STABLE: Final = "stable"
_ROOM: Final = 4000  # characters of one side's counters


@dataclass(frozen=True, slots=True)
class Notes:
    """Without readings nothing was seen yet. ``misses``: looks in a row that got no answer."""

    state: State
    canary: Reading | None = None
    stable: Reading | None = None
    misses: int = 0


def written(notes: Notes) -> dict[str, str]:
    """The metadata that holds them. Raises ProviderError when there are too many series."""
    state = notes.state
    document = {
        "misses": notes.misses,
        "segment": [state.canary, state.all],
        "requests": [state.total_canary, state.total_stable],
        "looks": state.looks,
        "questions": [_evidence(each) for each in state.questions],
    }
    found = {STATE: orjson.dumps(document).decode()}
    for side, reading in ((CANARY, notes.canary), (STABLE, notes.stable)):
        if reading is None:
            continue
        text = " ".join(f"{key}:{','.join(map(str, each))}" for key, each in reading.items())
        if len(text) > _ROOM:
            raise ProviderError(
                f"{side} has {len(reading)} series, too many to remember: aggregate further, e.g. "
                "sum by (zone) in place of sum by (pod)"
            )
        found[side] = text
    return found


def read(metadata: Mapping[str, str]) -> Notes:
    """Raises ProviderError when somebody has changed them."""
    try:
        document = orjson.loads(metadata[STATE])
        canary, every = document["segment"]
        total_canary, total_stable = document["requests"]
        questions = tuple(_as_evidence(each) for each in document["questions"])
        state = State(questions, canary, every, total_canary, total_stable, document["looks"])
        seen = (_reading(metadata.get(CANARY)), _reading(metadata.get(STABLE)))
        return Notes(state, seen[0], seen[1], document["misses"])
    except (KeyError, ValueError, TypeError) as error:
        raise ProviderError(
            "what was counted so far cannot be read from the measurement any more"
        ) from error


def _evidence(known: Evidence) -> list[Any]:
    values = (getattr(known, each.name) for each in dataclasses.fields(known))
    return [_short(each) for each in values]


def _short(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_short(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _as_evidence(values: list[Any]) -> Evidence:
    names = [each.name for each in dataclasses.fields(Evidence)]
    plain = (tuple(each) if isinstance(each, list) else each for each in values)
    given: dict[str, Any] = dict(zip(names, plain, strict=True))
    return Evidence(**given)


def _reading(text: str | None) -> Reading | None:
    if text is None:
        return None
    found = {}
    for entry in text.split():
        key, _, counts = entry.partition(":")
        found[key] = tuple(int(each) for each in counts.split(","))
    return found
