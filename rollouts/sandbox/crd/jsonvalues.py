"""Plain JSON values: their kinds, strict equality, and copies.

Python says ``True == 1``; JSON does not. Everything in this package that compares values asks here.
"""

from typing import Any


def kind_of(value: Any) -> str:
    """The JSON kind of a value, as the API server's texts name it."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return type(value).__name__


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal; a number equals a number, a boolean only a boolean."""
    try:
        # Python's own comparison runs in C and settles nearly every case.
        return bool(left == right) and _same(left, right)
    except RecursionError:
        return False


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return all(_same(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        return all(map(_same, left, right))
    return isinstance(left, bool) is isinstance(right, bool)


def copy(value: Any) -> Any:
    """A deep copy of a JSON value."""
    if isinstance(value, dict):
        return {key: copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copy(item) for item in value]
    return value


def identity(value: Any) -> Any:
    """A hashable stand-in: two values have equal ones exactly when they are the same."""
    if isinstance(value, dict):
        return ("{", frozenset((key, identity(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("[", *map(identity, value))
    return (isinstance(value, bool), value)
