"""Judges a value against a schema: kinds, limits, alternatives, required fields.

Pure and total: any JSON gives a list of causes. On an update, what did not change is not judged
again, so that a stricter schema does not lock existing objects. Rules, lists and embedded
resources have their own modules; ``version`` runs them all in the API server's order.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from rollouts.sandbox.crd import causes
from rollouts.sandbox.crd.causes import NOWHERE, Cause, child
from rollouts.sandbox.crd.formats import integer_fits, number_fits
from rollouts.sandbox.crd.jsonvalues import kind_of, same
from rollouts.sandbox.crd.node import META_FIELDS, MISSING, Node
from rollouts.sandbox.crd.patterns import found
from rollouts.sandbox.crd.uniqueness import correlate


def check(value: Any, node: Node, path: str, out: list[Cause], old: Any = MISSING) -> None:
    """Appends what is wrong with ``value``; ``old`` is what it was before an update."""
    if old is not MISSING and same(value, old):
        return
    actual = kind_of(value)
    if node.types and not _kind_fits(value, actual, node):
        wanted = ",".join(sorted(node.types))
        detail = f'{path} in body must be of type {wanted}: "{actual}"'
        out.append(causes.wrong_type(path, actual, detail))
    if value is None:
        _check_enum(value, node, path, out)
        return
    _check_alternatives(value, node, path, out)
    match value:
        case str():
            _check_text(value, node, path, out)
        case bool():
            pass
        case int() | float():
            _check_number(value, node, path, out)
        case list():
            _check_list(value, node, path, out, old)
    _check_enum(value, node, path, out)
    if isinstance(value, dict):
        _check_object(value, node, path, out, old)


def _kind_fits(value: Any, actual: str, node: Node) -> bool:
    if actual in node.types:
        return True
    if actual == "null":
        return node.nullable
    if actual == "integer":
        return "number" in node.types
    return actual == "number" and "integer" in node.types and value.is_integer()


def _check_enum(value: Any, node: Node, path: str, out: list[Cause]) -> None:
    options = node.raw.get("enum")
    if options and not any(same(value, option) for option in options):
        spelled = [o if isinstance(o, str) else causes.show(o) for o in options]
        out.append(causes.not_supported(path, value, spelled))


def _check_text(value: str, node: Node, path: str, out: list[Cause]) -> None:
    raw = node.raw
    if node.limits:
        longest = raw.get("maxLength")
        if longest is not None and len(value) > longest:
            out.append(causes.too_long(path, longest))
        shortest = raw.get("minLength")
        if shortest is not None and len(value) < shortest:
            detail = f"{path} in body should be at least {shortest} chars long"
            out.append(causes.invalid(path, value, detail))
        pattern = raw.get("pattern")
        if pattern and not found(pattern, value):
            out.append(causes.invalid(path, value, f"{path} in body should match '{pattern}'"))
    if node.accepts is not None and not node.accepts(value):
        detail = f"{path} in body must be of type {node.format}: {causes.show(value)}"
        out.append(causes.wrong_type(path, value, detail))


def _check_number(value: float, node: Node, path: str, out: list[Cause]) -> None:
    if node.types == {"integer"} and not integer_fits(value, node.format):
        out.append(_out_of_range(node, path, "integer"))
    elif node.format == "float" and not number_fits(value, node.format):
        out.append(_out_of_range(node, path, "number"))
    if not node.limits:
        return
    raw = node.raw
    factor = raw.get("multipleOf")
    if factor and not _is_multiple(value, factor):
        detail = f"{path} in body should be a multiple of {causes.show_number(factor)}"
        out.append(causes.invalid(path, value, detail))
    low, high = raw.get("minimum"), raw.get("maximum")
    if low is not None:
        open_end = bool(raw.get("exclusiveMinimum"))
        if value < low or (open_end and value == low):
            words = "greater than" if open_end else "greater than or equal to"
            out.append(_beyond(path, value, words, low))
    if high is not None:
        open_end = bool(raw.get("exclusiveMaximum"))
        if value > high or (open_end and value == high):
            words = "less than" if open_end else "less than or equal to"
            out.append(_beyond(path, value, words, high))


def _beyond(path: str, value: float, words: str, limit: float) -> Cause:
    detail = f"{path} in body should be {words} {causes.show_number(limit)}"
    return causes.invalid(path, value, detail)


def _out_of_range(node: Node, path: str, type_: str) -> Cause:
    name = f"with format {node.format}" if node.format else "(default format)"
    detail = f"Checked value must be of type {type_} {name} in {path}"
    return causes.invalid(NOWHERE, "", detail)


def _is_multiple(value: float, factor: float) -> bool:
    try:
        return (Fraction(str(value)) / Fraction(str(factor))).denominator == 1
    except (ValueError, ZeroDivisionError, OverflowError):  # infinity, or a factor of 0.0
        return False


def _check_list(value: list[Any], node: Node, path: str, out: list[Cause], old: Any) -> None:
    raw = node.raw
    if node.limits:
        fewest, most = raw.get("minItems"), raw.get("maxItems")
        if fewest is not None and len(value) < fewest:
            detail = f"{path} in body should have at least {fewest} items"
            out.append(causes.invalid(path, len(value), detail))
        if most is not None and len(value) > most:
            out.append(causes.too_many(path, len(value), most))
    if node.items is not None:
        earlier = correlate(node, old)
        for i, item in enumerate(value):
            check(item, node.items, f"{path}[{i}]", out, earlier(item))


def _check_object(value: dict[str, Any], node: Node, path: str, out: list[Cause], old: Any) -> None:
    raw = node.raw
    if node.limits:
        fewest, most = raw.get("minProperties"), raw.get("maxProperties")
        if fewest is not None and len(value) < fewest:
            detail = f"{path} in body should have at least {fewest} properties"
            out.append(causes.invalid(path, len(value), detail))
        if most is not None and len(value) > most:
            out.append(causes.too_many(path, len(value), most))
    out.extend(causes.required(child(path, name)) for name in node.required if name not in value)
    known = old if isinstance(old, dict) else {}
    for key, item in value.items():
        inner = node.properties.get(key) or node.additional
        if inner is not None:
            before = MISSING if not path and key in META_FIELDS else known.get(key, MISSING)
            check(item, inner, child(path, key), out, before)


def _check_alternatives(value: Any, node: Node, path: str, out: list[Cause]) -> None:
    if node.any_of:
        _check_any(value, node.any_of, path, out)
    if node.one_of:
        _check_one(value, node.one_of, path, out)
    if node.all_of:
        _check_all(value, node.all_of, path, out)
    if node.none_of is not None and not _problems(value, node.none_of, path):
        out.append(_composite(path, "must not validate the schema (not)"))


def _problems(value: Any, node: Node, path: str) -> list[Cause]:
    found_: list[Cause] = []
    check(value, node, path, found_)
    return found_


def _composite(path: str, words: str) -> Cause:
    # The server cannot say where: its validator reports these without a field.
    return causes.invalid(NOWHERE, "", f'"{path}" {words}')


def _closest(failures: Sequence[list[Cause]]) -> list[Cause]:
    return min(failures, key=len)


def _check_any(value: Any, nodes: Sequence[Node], path: str, out: list[Cause]) -> None:
    failures = []
    for node in nodes:
        problems = _problems(value, node, path)
        if not problems:
            return
        failures.append(problems)
    out.append(_composite(path, "must validate at least one schema (anyOf)"))
    out.extend(_closest(failures))


def _check_one(value: Any, nodes: Sequence[Node], path: str, out: list[Cause]) -> None:
    failures = [_problems(value, node, path) for node in nodes]
    valid = sum(not problems for problems in failures)
    if valid == 1:
        return
    words = "must validate one and only one schema (oneOf)."
    if valid:
        out.append(_composite(path, f"{words} Found {valid} valid alternatives"))
        return
    out.append(_composite(path, f"{words} Found none valid"))
    out.extend(_closest(failures))


def _check_all(value: Any, nodes: Sequence[Node], path: str, out: list[Cause]) -> None:
    failures = [problems for node in nodes if (problems := _problems(value, node, path))]
    if not failures:
        return
    none = ". None validated" if len(failures) == len(nodes) else ""
    out.append(_composite(path, f"must validate all the schemas (allOf){none}"))
    for problems in failures:
        out.extend(problems)
