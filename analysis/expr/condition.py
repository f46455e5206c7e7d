"""What an answer means: success and failure conditions to a phase.

Owns the table of Argo Rollouts' behaviour and its wordings. An evaluation that fails is an Error,
never a verdict. Called when a provider has an answer.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from analysis.expr.errors import ExprError, Meter
from analysis.expr.program import compile_expression
from analysis.expr.values import shown
from analysis.spec import Phase

NO_DATA = "metric result is nil or empty: no data returned from the metric provider"
NAN = "metric result is NaN: a comparison with NaN decides nothing; test it with isNaN()"
_SHOWN: Final = 256  # characters of a condition in a reason


class Kind(StrEnum):
    """What an answer consists of; all but VALUE are told, since they rarely mean what they seem."""

    VALUE = "value"
    EMPTY = "empty"
    NULL = "null"
    NAN = "NaN"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``because``: which condition held and which did not; empty for an Error."""

    phase: Phase
    message: str = ""
    because: str = ""


def kind_of(result: Any) -> Kind:
    """Which kind of answer ``result`` is; a list with NaN in it counts as NaN, and one of series
    (CloudWatch's) as empty when none of them has a point.
    """
    if result is None:
        return Kind.NULL
    if isinstance(result, list) and all(_without_points(part) for part in result):
        return Kind.EMPTY
    parts = result if isinstance(result, list) else (result,)
    nan = any(isinstance(part, float) and math.isnan(part) for part in parts)
    return Kind.NAN if nan else Kind.VALUE


def _without_points(part: Any) -> bool:
    return isinstance(part, dict) and "Timestamps" in part and part.get("Values") == []


def evaluate(
    success: str, failure: str, result: Any, *, now: float = 0.0, suffices: bool = False
) -> Verdict:
    """The phase of a measurement whose value is ``result``. ``now``: seconds since the epoch.

    Without conditions any answer is Successful. With both, failure is looked at first, and an
    answer that meets neither is Inconclusive. A success that nothing was measured for is an Error
    where Argo Rollouts would promote: one that rests on a comparison with NaN (``NaN > limit`` does
    not hold), or on an empty or null answer, unless a condition asks for that case, or the answer
    ``suffices`` by having come at all and there is no condition.
    """
    meter = Meter()
    try:
        succeeded = _holds("successCondition", success, result, now, meter) if success else None
        failed = _holds("failureCondition", failure, result, now, meter) if failure else None
    except ExprError as error:
        return Verdict(Phase.ERROR, str(error))
    because = _because((success, succeeded), (failure, failed))
    if failed:
        return Verdict(Phase.FAILED, because=because)
    if succeeded is False:
        return Verdict(Phase.FAILED if failed is None else Phase.INCONCLUSIVE, because=because)
    if problem := _nothing_measured(success, failure, result, meter, suffices=suffices):
        return Verdict(Phase.ERROR, problem)
    return Verdict(Phase.SUCCESSFUL, because=because)


def _nothing_measured(
    success: str, failure: str, result: Any, meter: Meter, *, suffices: bool
) -> str:
    """Why a success would rest on nothing; empty when it does not."""
    if not success and not failure:
        kind = Kind.VALUE if suffices else kind_of(result)
        return {Kind.VALUE: "", Kind.NAN: NAN}.get(kind, NO_DATA)
    if meter.compared_nan and not meter.found_nan:
        return NAN
    conditions = [compile_expression(source) for source in (success, failure) if source]
    asked = any(condition.asks_empty for condition in conditions)
    return NO_DATA if kind_of(result) in (Kind.EMPTY, Kind.NULL) and not asked else ""


def _because(*conditions: tuple[str, bool | None]) -> str:
    told = [f"{_flat(source)} is {str(value).lower()}" for source, value in conditions if source]
    return " and ".join(told) or "without a condition any answer is good"


def _flat(source: str) -> str:
    text = " ".join(source.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def check(condition: str) -> None:
    """Raises ExprError when ``condition`` could never be evaluated."""
    compile_expression(condition)


def _holds(name: str, source: str, result: Any, now: float, meter: Meter) -> bool:
    prefix = f'could not evaluate {name} "{source}"'
    try:
        program = compile_expression(source)
    except ExprError as error:
        raise ExprError(f"{prefix}: {error}") from error
    try:
        value = program.run(result, now=now, meter=meter)
    except ExprError as error:
        empty = result in ({}, "") or kind_of(result) in (Kind.NULL, Kind.EMPTY)
        raise ExprError(
            f"{prefix}: {NO_DATA}: {error}" if empty else f"{prefix}: {error}"
        ) from error
    if not isinstance(value, bool):
        raise ExprError(f"{prefix}: expected bool, but got {shown(value)}")
    return value
