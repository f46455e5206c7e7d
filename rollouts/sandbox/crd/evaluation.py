"""Runs the validation rules of a schema on one object.

Owns when a rule runs (a transition rule only against an old value that is the same field or list
element), under which budget, and what a failure says. Called by ``version``, after everything else
found the object well-formed.
"""

from typing import Any, Final

from rollouts.sandbox.crd import causes
from rollouts.sandbox.crd.causes import Cause, Reason, child
from rollouts.sandbox.crd.cel.program import Program
from rollouts.sandbox.crd.cel.values import ABSENT, BudgetError, EvalError, Optional
from rollouts.sandbox.crd.jsonvalues import same
from rollouts.sandbox.crd.node import MISSING, Node
from rollouts.sandbox.crd.rule_values import Types
from rollouts.sandbox.crd.rules import Rule
from rollouts.sandbox.crd.uniqueness import correlate

# The API server's limits, in units of its cost model; ours counts the same things more coarsely.
CALL_BUDGET: Final = 1_000_000
OBJECT_BUDGET: Final = 10_000_000
MAX_MESSAGE: Final = 5 * 1024

_UNCHECKED: Final = (
    "some validation rules were not checked because the object was invalid; correct the existing"
    " errors to complete validation"
)
_BLOCKING: Final = frozenset(
    {Reason.REQUIRED, Reason.TOO_LONG, Reason.TOO_MANY, Reason.TYPE_INVALID}
)


class Evaluation:
    """One object's rules under one budget."""

    def __init__(self, types: Types, out: list[Cause]) -> None:
        self.types = types
        self.out = out
        self.left = OBJECT_BUDGET

    def run(self, value: Any, old: Any, node: Node) -> None:
        """Runs all rules of a whole object; ``old`` is MISSING on create."""
        if not node.has_rules:
            return
        if any(cause.reason in _BLOCKING for cause in self.out):
            self.out.append(causes.invalid(causes.NOWHERE, None, _UNCHECKED))
            return
        try:
            self._walk(value, old, node, "", unchanged=False, root=True)
        except BudgetError as error:
            self.out.append(causes.invalid_unshown(causes.NOWHERE, str(error)))

    def _walk(
        self, value: Any, old: Any, node: Node, path: str, *, unchanged: bool, root: bool = False
    ) -> None:
        if value is None or not node.has_rules:
            return
        unchanged = unchanged or (old is not MISSING and same(value, old))
        if unchanged and not node.has_transitions:
            return
        if node.rules:
            self._run_rules(value, old, node, path, unchanged=unchanged, root=root)
        if isinstance(value, dict):
            known = old if isinstance(old, dict) else {}
            for key, item in value.items():
                inner = node.properties.get(key)
                where = child(path, key) if inner is not None else f"{path}[{key}]"
                inner = inner if inner is not None else node.additional
                if inner is not None:
                    before = known.get(key, MISSING)
                    self._walk(item, before, inner, where, unchanged=unchanged)
        elif isinstance(value, list) and node.items is not None:
            earlier = correlate(node, old)
            for i, item in enumerate(value):
                self._walk(item, earlier(item), node.items, f"{path}[{i}]", unchanged=unchanged)

    def _run_rules(
        self, value: Any, old: Any, node: Node, path: str, *, unchanged: bool, root: bool
    ) -> None:
        has_old = old is not MISSING and old is not None
        this = self.types.value(value, node, root=root)
        past = self.types.value(old, node, root=root) if has_old and node.has_transitions else None
        for rule in node.rules:
            if rule.transition:
                if not has_old and not rule.optional_old:
                    continue
            elif unchanged:
                continue
            earlier = past
            if rule.optional_old:
                earlier = Optional(present=True, value=past) if has_old else ABSENT
            self._run_rule(rule, value, [this, earlier], node, path)

    def _run_rule(
        self, rule: Rule, value: Any, variables: list[Any], node: Node, path: str
    ) -> None:
        kind = node.raw.get("type") or ""
        try:
            passed = self._spend(rule.program, variables, rule.name, path)
        except EvalError as error:
            self.out.append(causes.invalid(path or causes.NOWHERE, kind, _failure(error, rule)))
            return
        if passed is True:
            return
        if passed is not False:
            detail = f"cel expression must evaluate to a bool evaluating rule: {rule.name}"
            self.out.append(causes.invalid(path or causes.NOWHERE, kind, detail))
            return
        detail = self._message(rule, variables, path)
        where = f"{path}{rule.field_path}" if path else rule.field_path.lstrip(".")
        self.out.append(_cause(where or causes.NOWHERE, value, detail, rule.reason))

    def _spend(self, program: Program, variables: list[Any], name: str, path: str) -> Any:
        try:
            result, cost = program.run(variables, min(CALL_BUDGET, self.left))
        except BudgetError as error:
            if self.left < CALL_BUDGET:
                problem = (
                    "validation failed due to running out of cost budget, no further validation"
                    " rules will be run"
                )
            else:
                problem = (
                    f"'{error}': no further validation rules will be run due to call cost exceeds"
                    f" limit for rule: {name}"
                )
            raise BudgetError(f"{path}: {problem}" if path else problem) from None
        self.left -= cost
        return result

    def _message(self, rule: Rule, variables: list[Any], path: str) -> str:
        """The rule's message; an expression that fails or gives no line falls back to it."""
        if rule.message_program is not None:
            try:
                text = self._spend(rule.message_program, variables, rule.name, path)
            except EvalError:
                text = None
            text = text.strip() if isinstance(text, str) else ""
            if text and "\n" not in text and len(text.encode()) <= MAX_MESSAGE:
                return str(text)
        return rule.message or f"failed rule: {rule.text}"


def _failure(error: EvalError, rule: Rule) -> str:
    if str(error) == "no such overload":
        return (
            f"'{error}': call arguments did not match a supported operator, function or macro"
            f" signature for rule: {rule.name}"
        )
    return f"{error} evaluating rule: {rule.name}"


def _cause(path: str, value: Any, detail: str, reason: Reason) -> Cause:
    match reason:
        case Reason.FORBIDDEN:
            return causes.forbidden(path, detail)
        case Reason.REQUIRED:
            return causes.required(path, detail)
        case Reason.DUPLICATE:
            return causes.duplicate(path, value)
        case _ if isinstance(value, dict | list):
            return causes.invalid_unshown(path, detail)
        case _:
            return causes.invalid(path, value, detail)
