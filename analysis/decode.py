"""Tolerant decoding: a bad field is a problem to report, never an exception.

Owns turning any JSON value into a model of our own kinds together with the list of what had to be
dropped, so that one bad field cannot make an object invisible (Argo Rollouts' informers behave the
same way). Refuses to judge meaning: that is validation. Called wherever an object of ours is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)
_MAX_ROUNDS: Final = 32  # each round repairs every field found bad; unions may need a few
# What the decoder expected, by its error: the word for it, and an empty one to stand in a list.
_EXPECTED: Final[dict[str, tuple[str, Any]]] = {
    "model_type": ("an object", {}),
    "model_attributes_type": ("an object", {}),
    "dict_type": ("an object", {}),
    "list_type": ("a list", []),
    "string_type": ("a string", ""),
    "int_type": ("an integer", 0),
    "float_type": ("a number", 0.0),
    "bool_type": ("true or false", False),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A field that could not be read; ``path`` as users write it: ``spec.steps[2].setWeight``."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def decode(model: type[M], obj: object, *, at: str = "") -> tuple[M, tuple[Problem, ...]]:
    """Read ``obj`` as ``model``, dropping what does not fit.

    A bad field falls back to its default. A bad element of a list becomes an empty one, because
    positions carry meaning (steps, metrics); only where nothing empty fits is it removed. ``at``
    is put before every path. ``obj`` is not changed. The model must accept an empty object.
    """
    problems: list[Problem] = []
    if not isinstance(obj, dict):
        if obj is not None:
            problems.append(Problem(at, f"must be an object, not {kind_of(obj)}"))
        return model.model_validate({}), tuple(problems)
    data: dict[str, Any] = obj
    for _ in range(_MAX_ROUNDS):
        try:
            return model.model_validate(data), tuple(problems)
        except ValidationError as error:
            details = error.errors(include_url=False)
        data = _repaired(data, details, problems, at)
    problems.append(Problem(at, "too many unreadable fields; the whole object is ignored"))
    return model.model_validate({}), tuple(problems)


def kind_of(value: object) -> str:
    """What JSON calls the type of ``value``."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case Mapping():
            return "an object"
        case Sequence():
            return "a list"
        case _:
            return type(value).__name__


def path_text(path: Sequence[str | int], at: str = "") -> str:
    """``("a", 0, "b")`` → ``a[0].b``, after ``at``."""
    text = at
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _repaired(
    data: dict[str, Any], details: list[ErrorDetails], problems: list[Problem], at: str
) -> dict[str, Any]:
    """A copy of ``data`` without the values complained about (positions last to first)."""
    bad: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
    for detail in details:
        bad.setdefault(_existing(data, detail["loc"]), []).append(detail)
    known = {problem.path for problem in problems}
    for path in sorted(bad, key=_order, reverse=True):
        text = path_text(path, at)
        if text in known:
            data = _without(data, path, None)
            continue
        problems.append(Problem(text, _message(bad[path], _value_at(data, path))))
        expected = _EXPECTED.get(bad[path][0]["type"])
        data = _without(data, path, expected[1] if expected else None)
    problems.sort(key=lambda problem: problem.path)
    return data


def _existing(data: Any, loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """The part of ``loc`` that is really in the data: unions add names of branches to it."""
    path: list[str | int] = []
    for part in loc:
        in_dict = isinstance(data, dict) and part in data
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if not (in_dict or in_list):
            break
        data = data[part]
        path.append(part)
    return tuple(path)


def _order(path: tuple[str | int, ...]) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in path)


def _value_at(data: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        data = data[part]
    return data


def _without(data: Any, path: tuple[str | int, ...], blank: Any) -> Any:
    """``data`` copied along ``path`` only, its end removed, or made blank where it is in a list."""
    if not path:
        return {}
    head: Any = path[0]
    rest = path[1:]
    copy: Any = data.copy()
    if rest:
        copy[head] = _without(data[head], rest, blank)
    elif isinstance(data, list) and blank is not None:
        copy[head] = blank
    else:
        del copy[head]
    return copy


def _message(details: Sequence[ErrorDetails], value: Any) -> str:
    """Why the value does not fit, without repeating the value: it may be a secret, or huge."""
    words = [_EXPECTED[d["type"]][0] for d in details if d["type"] in _EXPECTED]
    if words:
        return f"must be {' or '.join(dict.fromkeys(words))}, not {kind_of(value)}"
    detail = details[0]
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    return detail["msg"].replace("Input should be", "must be", 1)
