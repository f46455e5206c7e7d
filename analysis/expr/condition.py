"""What an answer means: success and failure conditions to a phase.

Owns the table of Argo Rollouts' behaviour and its wordings. An evaluation that fails is an Error,
never a verdict. Called when a provider has an answer.
"""

from dataclasses import dataclass
from typing import Any

from analysis.expr.errors import ExprError, Meter
from analysis.expr.program import compile_expression
from analysis.expr.values import type_name
from analysis.spec import Phase

NO_DATA = "metric result is nil or empty: no data returned from the metric provider"
NAN = "metric result is NaN: a comparison with NaN decides nothing; test it with isNaN()"


@dataclass(frozen=True, slots=True)
class Verdict:
    phase: Phase
    message: str = ""


def evaluate(success: str, failure: str, result: Any, *, now: float = 0.0) -> Verdict:
    """The phase of a measurement whose value is ``result``. ``now``: seconds since the epoch.

    Without conditions any answer is Successful. With both, failure is looked at first, and an
    answer that meets neither is Inconclusive. A success that rests on a comparison with NaN is an
    Error: Argo Rollouts would promote, because ``NaN > limit`` does not hold.
    """
    meter = Meter()
    try:
        succeeded = _holds("successCondition", success, result, now, meter) if success else None
        failed = _holds("failureCondition", failure, result, now, meter) if failure else None
    except ExprError as error:
        return Verdict(Phase.ERROR, str(error))
    if failed:
        return Verdict(Phase.FAILED)
    if succeeded is False:
        return Verdict(Phase.FAILED if failed is None else Phase.INCONCLUSIVE)
    if meter.compared_nan and not meter.found_nan:
        return Verdict(Phase.ERROR, NAN)
    return Verdict(Phase.SUCCESSFUL)


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
        empty = result is None or (isinstance(result, list | dict | str) and not result)
        raise ExprError(f"{prefix}: {NO_DATA if empty else error}") from error
    if not isinstance(value, bool):
        raise ExprError(f"{prefix}: expected bool, but got {type_name(value)}")
    return value
