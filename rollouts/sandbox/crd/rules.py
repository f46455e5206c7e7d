"""x-kubernetes-validations: compiling the rules of a schema, and running them on an object.

Owns when a rule runs (a transition rule only against an old value that is the same field or list
element), under which budget, and what a failure says. The language is ``cel``; how JSON becomes
its values is ``rule_values``. ``definition`` compiles, ``version`` evaluates.
"""

from dataclasses import dataclass
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.sandbox.crd import causes
from rollouts.sandbox.crd.causes import Cause, Reason, child
from rollouts.sandbox.crd.cel.program import Program, compile_program, mentions
from rollouts.sandbox.crd.cel.syntax import CelSyntaxError
from rollouts.sandbox.crd.cel.types import BOOL, DYN, STRING, CelType, optional_of
from rollouts.sandbox.crd.cel.values import ABSENT, BudgetError, EvalError, Optional
from rollouts.sandbox.crd.jsonvalues import kind_of, same
from rollouts.sandbox.crd.node import MISSING, Node
from rollouts.sandbox.crd.rule_paths import normalized_path
from rollouts.sandbox.crd.rule_values import Types
from rollouts.sandbox.crd.uniqueness import correlate

# The API server's limits, in units of its cost model; ours counts the same things more coarsely.
CALL_BUDGET: Final = 1_000_000
OBJECT_BUDGET: Final = 10_000_000
MAX_MESSAGE: Final = 5 * 1024

_REASONS: Final = {
    r.value: r for r in (Reason.INVALID, Reason.FORBIDDEN, Reason.REQUIRED, Reason.DUPLICATE)
}
_UNCHECKED: Final = (
    "some validation rules were not checked because the object was invalid; correct the existing"
    " errors to complete validation"
)
_BLOCKING: Final = frozenset(
    {Reason.REQUIRED, Reason.TOO_LONG, Reason.TOO_MANY, Reason.TYPE_INVALID}
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule. ``transition`` when it reads oldSelf."""

    text: str
    program: Program
    transition: bool
    optional_old: bool
    message: str
    message_program: Program | None
    reason: Reason
    field_path: str

    @property
    def name(self) -> str:
        return self.message or self.text


def compile_rules(node: Node, path: str, types: Types, out: list[Cause], *, root: bool) -> None:
    """Compiles every rule at and below ``node``; appends what a real server would refuse."""
    _compile(node, path, types, out, None, root=root)


def _compile(
    node: Node, path: str, types: Types, out: list[Cause], atomic: str | None, *, root: bool = False
) -> None:
    stated = node.raw.get("x-kubernetes-validations") or ()
    if stated:
        where = f"{path}.x-kubernetes-validations"
        self_type = types.of(node, root=root) or DYN
        found = [
            _rule(raw, node, self_type, f"{where}[{i}]", atomic, out) for i, raw in enumerate(stated)
        ]
        node.rules = tuple(rule for rule in found if rule is not None)
    for name, inner in node.properties.items():
        _compile(inner, f"{path}.properties[{name}]", types, out, atomic)
    if node.additional is not None:
        _compile(node.additional, f"{path}.additionalProperties", types, out, atomic)
    if node.items is not None:
        inside = atomic if node.list_type == "map" else (atomic or path)
        _compile(node.items, f"{path}.items", types, out, inside)
    below = node.children
    node.has_rules = bool(node.rules) or any(n.has_rules for n in below)
    node.has_transitions = any(r.transition for r in node.rules) or any(
        n.has_transitions for n in below
    )


def _rule(
    raw: Any, node: Node, self_type: CelType, path: str, atomic: str | None, out: list[Cause]
) -> Rule | None:
    before = len(out)
    if not isinstance(raw, dict):
        actual = kind_of(raw)
        out.append(causes.wrong_type(path, actual, "a validation rule must be an object"))
        return None
    _check_form(raw, node, path, out)
    if len(out) > before:
        return None
    text = raw["rule"]
    optional_old = bool(raw.get("optionalOldSelf"))
    old_type = optional_of(self_type) if optional_old else self_type
    variables = {"self": self_type, "oldSelf": old_type}
    program = _program(text, variables, BOOL, raw, f"{path}.rule", out)
    expression = raw.get("messageExpression")
    message = None
    if expression:
        where = f"{path}.messageExpression"
        message = _program(expression, variables, STRING, raw, where, out)
    if program is None or len(out) > before:
        return None
    transition = mentions(text, "oldSelf")
    if transition and atomic is not None:
        detail = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {atomic}"
        out.append(causes.invalid(f"{path}.rule", text, detail))
    if "optionalOldSelf" in raw and not transition:
        detail = "may not be set if oldSelf is not used in rule"
        out.append(causes.invalid(f"{path}.optionalOldSelf", raw["optionalOldSelf"], detail))
    return Rule(
        text.strip(), program, transition, optional_old, (raw.get("message") or "").strip(), message,
        _REASONS[raw.get("reason") or Reason.INVALID.value],
        normalized_path(raw["fieldPath"], node) or "" if raw.get("fieldPath") else "",
    )  # fmt: skip


def _program(
    text: str, variables: dict[str, CelType], wanted: CelType, raw: Obj, path: str, out: list[Cause]
) -> Program | None:
    what = "messageExpression " if wanted == STRING else ""
    try:
        program = compile_program(text, variables)
    except CelSyntaxError as error:
        out.append(causes.invalid(path, _spelled(raw), f"{what}compilation failed: {error}"))
        return None
    if program.type not in (wanted, DYN):
        name = "a string" if wanted == STRING else "a bool"
        detail = f"{what or 'cel expression '}must evaluate to {name}"
        out.append(causes.invalid(path, _spelled(raw), detail))
        return None
    return program


def _spelled(raw: Obj) -> Obj:
    return {
        "Rule": raw.get("rule"),
        "Message": raw.get("message") or "",
        "MessageExpression": raw.get("messageExpression") or "",
        "Reason": raw.get("reason"),
        "FieldPath": raw.get("fieldPath") or "",
        "OptionalOldSelf": raw.get("optionalOldSelf"),
    }


def _check_form(raw: Obj, node: Node, path: str, out: list[Cause]) -> None:
    for key in ("rule", "message", "messageExpression", "reason", "fieldPath"):
        if raw.get(key) is not None and not isinstance(raw[key], str):
            actual = kind_of(raw[key])
            out.append(causes.wrong_type(f"{path}.{key}", actual, "must be a string"))
            return
    rule, message = (raw.get("rule") or "").strip(), raw.get("message") or ""
    if not rule:
        out.append(causes.required(f"{path}.rule", "rule is not specified"))
    if message and not message.strip():
        detail = "must be non-empty if specified"
        out.append(causes.invalid(f"{path}.message", message, detail))
    elif "\n" in message.strip():
        out.append(causes.invalid(f"{path}.message", message, "must not contain line breaks"))
    elif not message and "\n" in rule:
        detail = "message must be specified if rule contains line breaks"
        out.append(causes.required(f"{path}.message", detail))
    if raw.get("messageExpression") is not None and not raw["messageExpression"].strip():
        detail = "messageExpression must be non-empty if specified"
        out.append(causes.required(f"{path}.messageExpression", detail))
    reason = raw.get("reason")
    if reason is not None and reason not in _REASONS:
        out.append(causes.not_supported(f"{path}.reason", reason, sorted(_REASONS)))
    field_path = raw.get("fieldPath")
    if field_path is not None and normalized_path(field_path, node) is None:
        out.append(causes.invalid(f"{path}.fieldPath", field_path, "must be a valid path"))


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
