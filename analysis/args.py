"""Arguments: how they are merged and how they get into metrics.

Owns ``{{args.name}}`` (one pass, so a value is never expanded again; values are data, never
markup) and the merging of what a caller gives with what a template declares. Refuses to read
Secrets: their values are handed in. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from analysis.decode import decode
from analysis.spec import Argument, Metric

SECRET_PLACEHOLDER: Final = "a-secret-value"  # noqa: S105 - it is not one
"""Stands for a Secret's value wherever only the shape of a run is looked at."""
_TAG: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_MAX_RESOLVED: Final = 1024 * 1024  # characters one metric may grow to


class ArgsError(ValueError):
    """An argument is missing, contradictory or unknown; the message names it."""


def union(groups: Sequence[Sequence[Argument]]) -> list[Argument]:
    """The arguments several templates declare, by name.

    A value wins over a source, a source over nothing, and of two sources the later one counts.
    """
    merged: dict[str, Argument] = {}
    for argument in (argument for group in groups for argument in group):
        known = merged.get(argument.name)
        if known is None or (known.value is None and (_given(argument) or not _given(known))):
            merged[argument.name] = argument
        elif known.value is not None and argument.value not in (None, known.value):
            raise ArgsError(
                f"Argument `{argument.name}` specified multiple times with different values: "
                f"'{known.value}', '{argument.value}'"
            )
    return list(merged.values())


def merge(incoming: Sequence[Argument], declared: Sequence[Argument]) -> list[Argument]:
    """Exactly the declared arguments, with the caller's values; undeclared ones are dropped."""
    given = {argument.name: argument for argument in incoming}
    merged: list[Argument] = []
    for argument in declared:
        override = given.get(argument.name)
        if override is not None and override.value is not None:
            argument = Argument(name=argument.name, value=override.value)  # noqa: PLW2901
        elif override is not None and override.value_from is not None:
            argument = Argument(name=argument.name, value_from=override.value_from)  # noqa: PLW2901
        if not _given(argument):
            raise ArgsError(f"args.{argument.name} was not resolved")
        merged.append(argument)
    return merged


def values(
    arguments: Sequence[Argument], secrets: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The value of each argument. ``secrets``: by argument name; without it, placeholders."""
    found: dict[str, str] = {}
    for argument in arguments:
        if argument.value is not None:
            found[argument.name] = argument.value
        elif argument.value_from is not None and argument.value_from.secret_key_ref is not None:
            found[argument.name] = SECRET_PLACEHOLDER if secrets is None else secrets[argument.name]
        else:
            raise ArgsError(f'argument "{argument.name}" was not supplied')
    return found


def substitute(metric: Metric, given: Mapping[str, str]) -> Metric:
    """The metric with every ``{{args.name}}`` replaced, in keys and in values of any depth."""
    budget = [_MAX_RESOLVED]
    resolved, problems = decode(Metric, _replaced(metric.to_obj(), given, budget))
    if problems:
        raise ArgsError(f"metric '{metric.name}': {problems[0]}")
    return resolved


def substitute_text(text: str, given: Mapping[str, str]) -> str:
    """``text`` with its tags replaced. Raises ArgsError for a tag that names no argument."""
    return _text(text, given, [_MAX_RESOLVED])


def _given(argument: Argument) -> bool:
    return argument.value is not None or argument.value_from is not None


def _replaced(tree: Any, given: Mapping[str, str], budget: list[int]) -> Any:
    match tree:
        case str():
            return _text(tree, given, budget)
        case list():
            return [_replaced(item, given, budget) for item in tree]
        case dict():
            return {
                _text(key, given, budget): _replaced(item, given, budget)
                for key, item in tree.items()
            }
        case _:
            return tree


def _text(text: str, given: Mapping[str, str], budget: list[int]) -> str:
    if "{{" not in text:
        return text

    def value(tag: re.Match[str]) -> str:
        name = tag[1].strip()
        found = given.get(name.removeprefix("args.")) if name.startswith("args.") else None
        if found is None:
            raise ArgsError(f"failed to resolve {{{{{tag[1].strip()[:64]}}}}}")
        budget[0] -= len(found)
        if budget[0] < 0:
            raise ArgsError(f"the metric grows beyond {_MAX_RESOLVED} characters")
        return found

    return _TAG.sub(value, text)
