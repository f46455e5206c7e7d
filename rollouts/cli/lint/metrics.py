"""What could never be measured: limits, conditions and arguments of metrics.

Owns looking at metrics before anything runs them, with the checks that the controller makes when it
does; places inside conditions are told by character. Called for templates and for runs. Pure.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from analysis.args import ArgsError, substitute
from analysis.expr.condition import check
from analysis.expr.errors import ExprError
from analysis.plan import SpecError, plan_run
from analysis.provider_rules import gaps
from analysis.spec import Argument, Metric, RunSpec
from analysis.validation import validate_metric
from rollouts.cli.lint.finding import Severity

_TAG: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_ANY_VALUE: Final = "1"
"""Stands for an argument whose value only a Rollout knows: reads as a number and within text."""
_CONDITIONS: Final = (
    ("successCondition", "success_condition"),
    ("failureCondition", "failure_condition"),
)
_NUMBERS: Final = (
    "count",
    "interval",
    "initialDelay",
    "failureLimit",
    "inconclusiveLimit",
    "consecutiveErrorLimit",
    "consecutiveSuccessLimit",
)
_COMPARISONS: Final = ("sequential", "judge")


@dataclass(frozen=True, slots=True)
class Flaw:
    """``offset``: the character within the text at ``path``, where that is known."""

    path: str
    message: str
    offset: int | None = None
    severity: Severity = Severity.ERROR


def check_spec(
    spec: RunSpec, *, complete: bool, unread: Collection[str] = frozenset()
) -> list[Flaw]:
    """What is wrong with the metrics of a run, or of a template.

    ``complete``: nothing is added to it later, as other templates do to the one that includes them.
    ``unread``: paths that could not be decoded; what stands beside them is not judged by them.
    """
    values = {arg.name: arg.value for arg in spec.args}
    flaws = list(_arguments(spec.args))
    names: set[str] = set()
    for index, metric in enumerate(spec.metrics):
        path = f"spec.metrics[{index}]"
        if not metric.name:
            flaws.append(Flaw(f"{path}.name", "Required value: metrics are told apart by name"))
        elif metric.name in names:
            flaws.append(Flaw(f"{path}.name", f"duplicate name '{metric.name}'"))
        names.add(metric.name)
        flaws += _metric(metric, path, values)
        if not any(one.startswith(path) for one in unread):
            flaws += _limits(metric, path, values)
    if complete and not spec.metrics and not unread:
        flaws.append(Flaw("spec.metrics", "no metrics specified"))
    if complete and not flaws and not unread:
        flaws += _as_run(spec, values)
    return flaws


def _arguments(arguments: Sequence[Argument]) -> Iterator[Flaw]:
    names: set[str] = set()
    for index, argument in enumerate(arguments):
        path = f"spec.args[{index}]"
        if argument.name in names:
            yield Flaw(f"{path}.name", f'argument "{argument.name}" is declared twice')
        names.add(argument.name)
        if argument.value is not None and argument.value_from is not None:
            yield Flaw(path, f'argument "{argument.name}" has both value and valueFrom')


def _metric(metric: Metric, path: str, values: Mapping[str, str | None]) -> Iterator[Flaw]:
    yield from _undeclared(metric.to_obj(), path, values)
    for field, name in _CONDITIONS:
        if text := getattr(metric, name):
            yield from _condition(text, f"{path}.{field}", values)
    for below, message in gaps(metric.provider):
        yield Flaw(f"{path}.provider.{below}", message)


def _limits(metric: Metric, path: str, values: Mapping[str, str | None]) -> Iterator[Flaw]:
    """Numbers and durations, unless they come from arguments that only a Rollout gives."""
    if _unknown_tags(_looked_at(metric), values):
        return
    try:
        resolved = substitute(metric, _given(values))
    except ArgsError:
        return  # an argument that is not declared was told already
    for message in validate_metric(resolved):
        field = next((f".{one}" for one in _NUMBERS if one in message.split(" ")[:2]), "")
        key, colon, rest = message.partition(": ")
        if colon and key in metric.provider.configured():
            yield Flaw(f"{path}.provider.{key}", rest)
        else:
            yield Flaw(path + field, message)


def _looked_at(metric: Metric) -> list[Any]:
    """What is read as a number or a duration before anything is asked."""
    raw = metric.to_obj()
    configs = (getattr(metric.provider, name) for name in _COMPARISONS)
    texts = [text for one in configs if one is not None for text in one.to_obj().values()]
    settings = [text for text in texts if isinstance(text, str)]
    return [*(raw.get(field) for field in _NUMBERS), *settings]


def _as_run(spec: RunSpec, values: Mapping[str, str | None]) -> Iterator[Flaw]:
    """The controller's own check, when what it looks at is known."""
    raw = spec.to_obj()
    looked_at = [
        raw.get("dryRun"),
        raw.get("measurementRetention"),
        [[metric.name, *_looked_at(metric)] for metric in spec.metrics],
    ]
    if _unknown_tags(looked_at, values):
        return
    given = _given(values)
    args = [Argument(name=name, value=value) for name, value in given.items()]
    try:
        plan_run(spec.model_copy(update={"args": args}))
    except SpecError as error:
        message = str(error).removeprefix("Analysis spec invalid: ")
        where, colon, rest = message.partition(": ")
        rule = re.fullmatch(r"(dryRun|measurementRetention)\[\d+\]", where)
        yield Flaw(f"spec.{where}", rest) if colon and rule else Flaw("spec", message)


# --- arguments in text ----------------------------------------------------------------------------


def _given(values: Mapping[str, str | None]) -> dict[str, str]:
    return {name: _ANY_VALUE if value is None else value for name, value in values.items()}


def _argument_of(tag: str) -> str | None:
    """The argument a tag names; None when it names something else."""
    name = tag.strip()
    return name.removeprefix("args.") if name.startswith("args.") else None


def _undeclared(value: Any, path: str, values: Mapping[str, str | None]) -> Iterator[Flaw]:
    for at, text in _texts(value, path):
        for tag in _TAG.finditer(text):
            name = _argument_of(tag[1])
            if name is None:
                yield Flaw(at, f"{{{{{tag[1].strip()}}}}} is no argument", tag.start())
            elif name not in values:
                yield Flaw(at, f'argument "{name}" is not declared in spec.args', tag.start())


def _unknown_tags(value: Any, values: Mapping[str, str | None]) -> bool:
    """Whether the value of an argument that is used in ``value`` is not known here."""
    tags = [tag for _, text in _texts(value, "") for tag in _TAG.findall(text)]
    return any(values.get(_argument_of(tag) or "") is None for tag in tags)


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text within ``value``, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")


# --- conditions -----------------------------------------------------------------------------------


def _condition(text: str, path: str, values: Mapping[str, str | None]) -> Iterator[Flaw]:
    resolved, origins = _substituted(text, values)
    try:
        check(resolved)
    except ExprError as error:
        # With a value that only the Rollout knows, the condition may still make sense.
        guessed = _unknown_tags(text, values)
        severity = Severity.WARNING if guessed else Severity.ERROR
        message = error.message + (f" (read as {resolved!r})" if resolved != text else "")
        end = len(text.rstrip())
        at = (
            None
            if error.position is None
            else min(origins[min(error.position, len(resolved))], end)
        )
        yield Flaw(path, message, at, severity)


def _substituted(text: str, values: Mapping[str, str | None]) -> tuple[str, list[int]]:
    """The condition with its arguments, and for each character (and the end) its origin."""
    parts: list[str] = []
    origins: list[int] = []
    done = 0
    for tag in _TAG.finditer(text):
        value = values.get(_argument_of(tag[1]) or "")
        shown = _ANY_VALUE if value is None else value
        parts += [text[done : tag.start()], shown]
        origins += [*range(done, tag.start()), *(tag.start() for _ in shown)]
        done = tag.end()
    parts.append(text[done:])
    origins += range(done, len(text) + 1)
    return "".join(parts), origins
