"""How a query can be asked of the past.

Owns the question whether the values of many instants can be had in one request: a range query
evaluates a query at every step exactly as an instant query would, but tells scalars and vectors
not apart, sorts its series, and means something else by ``@ end()``. Refuses to guess: what it
cannot read is asked instant by instant. Pure.
"""

import re
from enum import StrEnum
from typing import Any, Final

import promql_parser as promql

_BY_VALUE: Final = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_AT_AN_END: Final = re.compile(r"@\s*(start|end)\s*\(")
_SORTED: Final = re.compile(r"\b(sort|sort_desc|sort_by_label\w*)\s*\(")


class Form(StrEnum):
    """``SCALAR`` and ``VECTOR`` come in bulk; ``EXACT`` is asked at every instant by itself."""

    SCALAR = "scalar"
    VECTOR = "vector"
    EXACT = "exact"


def form_of(query: str) -> Form:
    """How to ask ``query`` of the past."""
    if knows_its_range(query) or _SORTED.search(query):
        return Form.EXACT
    try:
        tree = promql.parse(query)
    except (ValueError, RecursionError):
        return Form.EXACT
    return _form(tree)


def knows_its_range(query: str) -> bool:
    """Whether the answer depends on where the range that is asked for begins or ends."""
    return _AT_AN_END.search(query) is not None


def _form(tree: Any) -> Form:
    match tree:
        case promql.NumberLiteral():
            return Form.SCALAR
        case promql.ParenExpr() | promql.UnaryExpr():
            return _form(tree.expr)
        case promql.VectorSelector():
            return Form.VECTOR
        case promql.AggregateExpr():
            return Form.EXACT if str(tree.op) in _BY_VALUE else Form.VECTOR
        case promql.BinaryExpr():
            return _both(_form(tree.lhs), _form(tree.rhs))
        case promql.Call():
            scalar = tree.func.return_type == promql.ValueType.Scalar
            return Form.SCALAR if scalar else Form.VECTOR
        case _:
            return Form.EXACT


def _both(left: Form, right: Form) -> Form:
    if Form.EXACT in (left, right):
        return Form.EXACT
    return Form.SCALAR if left is right is Form.SCALAR else Form.VECTOR
