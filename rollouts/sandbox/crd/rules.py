"""x-kubernetes-validations: compiling the rules of a schema.

Owns the form of a rule and what is refused when a CRD is created. The language is ``cel``; how a
schema looks to a rule is ``rule_values``; running rules is ``evaluation``. Called by
``definition``.
"""

from dataclasses import dataclass
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.sandbox.crd import causes
from rollouts.sandbox.crd.causes import Cause, Reason
from rollouts.sandbox.crd.cel.program import Program, compile_program, mentions
from rollouts.sandbox.crd.cel.syntax import CelSyntaxError
from rollouts.sandbox.crd.cel.types import BOOL, DYN, STRING, CelType, optional_of
from rollouts.sandbox.crd.jsonvalues import kind_of
from rollouts.sandbox.crd.node import Node
from rollouts.sandbox.crd.rule_paths import normalized_path
from rollouts.sandbox.crd.rule_values import Types

_REASONS: Final = {
    r.value: r for r in (Reason.INVALID, Reason.FORBIDDEN, Reason.REQUIRED, Reason.DUPLICATE)
}


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


class RuleCompiler:
    """Compiles every rule of one schema; ``out`` gains what a real server would refuse."""

    def __init__(self, types: Types, out: list[Cause]) -> None:
        self.types = types
        self.out = out

    def compile(self, node: Node, path: str, atomic: str = "", *, root: bool = False) -> None:
        """Compiles at and below ``node``. ``atomic`` is the list whose elements have no past."""
        stated = node.raw.get("x-kubernetes-validations") or ()
        if stated:
            where = f"{path}.x-kubernetes-validations"
            type_ = self.types.of(node, root=root) or DYN
            found = [self._rule(r, node, type_, f"{where}[{i}]") for i, r in enumerate(stated)]
            node.rules = tuple(rule for rule in found if rule is not None)
            if atomic:
                self._refuse_transitions(node.rules, where, atomic)
        for name, inner in node.properties.items():
            self.compile(inner, f"{path}.properties[{name}]", atomic)
        if node.additional is not None:
            self.compile(node.additional, f"{path}.additionalProperties", atomic)
        if node.items is not None:
            inside = atomic if node.list_type == "map" else (atomic or path)
            self.compile(node.items, f"{path}.items", inside)
        below = node.children
        node.has_rules = bool(node.rules) or any(n.has_rules for n in below)
        node.has_transitions = any(r.transition for r in node.rules) or any(
            n.has_transitions for n in below
        )

    def _refuse_transitions(self, rules: tuple[Rule, ...], path: str, atomic: str) -> None:
        for i, rule in enumerate(rules):
            if rule.transition:
                detail = (
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within"
                    f" {atomic}"
                )
                self.out.append(causes.invalid(f"{path}[{i}].rule", rule.text, detail))

    def _rule(self, raw: Any, node: Node, type_: CelType, path: str) -> Rule | None:
        before = len(self.out)
        check_form(raw, node, path, self.out)
        if len(self.out) > before:
            return None
        text, expression = raw["rule"], raw.get("messageExpression")
        optional_old = bool(raw.get("optionalOldSelf"))
        variables = {"self": type_, "oldSelf": optional_of(type_) if optional_old else type_}
        program = self._program(text, variables, BOOL, raw, f"{path}.rule")
        message = None
        if expression:
            where = f"{path}.messageExpression"
            message = self._program(expression, variables, STRING, raw, where)
        if program is None or len(self.out) > before:
            return None
        transition = mentions(text, "oldSelf")
        if "optionalOldSelf" in raw and not transition:
            detail = "may not be set if oldSelf is not used in rule"
            self.out.append(causes.invalid(f"{path}.optionalOldSelf", optional_old, detail))
        return Rule(
            text=text.strip(),
            program=program,
            transition=transition,
            optional_old=optional_old,
            message=(raw.get("message") or "").strip(),
            message_program=message,
            reason=_REASONS[raw.get("reason") or Reason.INVALID.value],
            field_path=normalized_path(raw.get("fieldPath") or "", node) or "",
        )

    def _program(
        self, text: str, variables: dict[str, CelType], wanted: CelType, raw: Obj, path: str
    ) -> Program | None:
        what = "messageExpression" if wanted == STRING else "cel expression"
        try:
            program = compile_program(text, variables)
        except CelSyntaxError as error:
            prefix = "messageExpression " if wanted == STRING else ""
            detail = f"{prefix}compilation failed: {error}"
            self.out.append(causes.invalid(path, _spelled(raw), detail))
            return None
        if program.type not in (wanted, DYN):
            detail = f"{what} must evaluate to a {wanted}"
            self.out.append(causes.invalid(path, _spelled(raw), detail))
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


def check_form(raw: Any, node: Node, path: str, out: list[Cause]) -> None:
    """Appends what is wrong with a rule as it is written, before it is compiled."""
    if not isinstance(raw, dict):
        out.append(causes.wrong_type(path, kind_of(raw), "a validation rule must be an object"))
        return
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
