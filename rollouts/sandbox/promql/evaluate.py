"""A PromQL expression and samples in, a value out.

Owns the walk over the tree that the promql-parser library makes; computes at one moment, and a
range query is that at every step, as in Prometheus. What is not implemented (subqueries and some
functions) is refused by name, never approximated. Pure: no clock, no I/O. Called by ``answer``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import promql_parser as promql

from rollouts.sandbox.promql import binary, functions
from rollouts.sandbox.promql.aggregate import Grouping, aggregate
from rollouts.sandbox.promql.functions import scalar_of, text_of, vector_of
from rollouts.sandbox.promql.model import (
    LOOKBACK_MS,
    NAME,
    NO_LABELS,
    BadData,
    Element,
    Labels,
    Matrix,
    Point,
    QueryError,
    Scalar,
    Text,
    Value,
    Vector,
    Window,
    labels_of,
    nameless,
)
from rollouts.sandbox.promql.selectors import compiled
from rollouts.sandbox.promql.store import SeriesStore
from rollouts.sandbox.promql.windows import KEEPS_NAME, RANGE_FUNCTIONS, Span


@dataclass(frozen=True, slots=True)
class Moment:
    """Where and when to evaluate. All times in milliseconds; start and end are the query's."""

    store: SeriesStore
    time: int
    start: int
    end: int


def parse(query: str) -> promql.Expr:
    """The tree of a query. Raises BadData with Prometheus's prefix when it is not PromQL."""
    try:
        return promql.parse(query)
    except ValueError as error:
        raise BadData(f'invalid parameter "query": parse error: {error}') from error


def evaluate(expr: promql.Expr, store: SeriesStore, time: int) -> Value:
    """The value of an expression at ``time`` (milliseconds)."""
    return _distinct(_value(expr, Moment(store, time, time, time)))


def evaluate_range(
    expr: promql.Expr, store: SeriesStore, start: int, end: int, step: int
) -> Matrix:
    """The value at ``start``, ``start + step``, … up to ``end`` (milliseconds), per series."""
    series: dict[Labels, list[Point]] = {}
    for time in range(start, end + 1, step):
        value = _distinct(_value(expr, Moment(store, time, start, end)))
        if isinstance(value, Scalar):
            series.setdefault(NO_LABELS, []).append(Point(time, value.value))
        elif isinstance(value, Vector):
            for element in value.elements:
                series.setdefault(element.labels, []).append(Point(time, element.value))
        else:
            kind = "range vector" if isinstance(value, Matrix) else "string"
            raise BadData(
                f'invalid parameter "query": invalid expression type "{kind}" for range query, '
                "must be Scalar or instant Vector"
            )
    windows = tuple(Window(labels, tuple(series[labels])) for labels in sorted(series))
    return Matrix(windows, start, end)


def _value(expr: promql.Expr, at: Moment) -> Value:
    match expr:
        case promql.NumberLiteral():
            return Scalar(float(expr.val))
        case promql.StringLiteral():
            return Text(expr.val)
        case promql.ParenExpr():
            return _value(expr.expr, at)
        case promql.VectorSelector():
            return _instant(expr, at)
        case promql.MatrixSelector():
            return _ranged(expr, at)
        case promql.UnaryExpr():
            return _negated(_value(expr.expr, at))
        case promql.BinaryExpr():
            return _combined(expr, at)
        case promql.AggregateExpr():
            return _aggregated(expr, at)
        case promql.Call():
            return _called(expr, at)
        case _:
            raise QueryError(f"the embedded Prometheus does not implement {type(expr).__name__}")


def _milliseconds(span: timedelta | None) -> int:
    return 0 if span is None else span // timedelta(milliseconds=1)


def _anchor(selector: promql.VectorSelector, at: Moment) -> int:
    """The moment a selector looks at: ``@`` first, then ``offset``."""
    time = at.time
    if selector.at is not None:
        if selector.at.type == promql.AtModifierType.Start:
            time = at.start
        elif selector.at.type == promql.AtModifierType.End:
            time = at.end
        elif selector.at.at is not None:
            time = round(selector.at.at.timestamp() * 1000)
    return time - _milliseconds(selector.offset)


def _instant(selector: promql.VectorSelector, at: Moment) -> Vector:
    """The newest sample of each series, unless it is stale or marks the series' end."""
    time = _anchor(selector, at)
    found = at.store.select(compiled(selector), time - LOOKBACK_MS, time)
    return Vector(
        tuple(
            Element(labels, samples[-1].value)
            for labels, samples in found
            if samples[-1].value is not None
        )
    )


def _ranged(expr: promql.MatrixSelector, at: Moment) -> Matrix:
    selector = expr.vector_selector
    end = _anchor(selector, at)
    start = end - _milliseconds(expr.range)
    windows = [
        Window(labels, tuple(Point(s.time, s.value) for s in samples if s.value is not None))
        for labels, samples in at.store.select(compiled(selector), start, end)
    ]
    return Matrix(tuple(window for window in windows if window.points), start, end)


def _negated(value: Value) -> Value:
    if isinstance(value, Scalar):
        return Scalar(-value.value)
    return Vector(tuple(Element(nameless(e.labels), -e.value) for e in vector_of(value).elements))


def _matching(modifier: promql.BinModifier | None) -> binary.Matching:
    if modifier is None:
        return binary.Matching()
    fill = modifier.fill_values
    if fill is not None and (fill.lhs is not None or fill.rhs is not None):
        raise QueryError("the embedded Prometheus does not implement fill values")
    card, chosen = modifier.card, modifier.matching
    cards = promql.VectorMatchCardinality
    many = binary.Many.NEITHER
    if card == cards.ManyToOne:
        many = binary.Many.LEFT
    elif card == cards.OneToMany:
        many = binary.Many.RIGHT
    return binary.Matching(
        labels=tuple(chosen.labels) if chosen else (),
        on=chosen is not None and chosen.type == promql.LabelModifierType.Include,
        many=many,
        include=tuple(modifier.group_labels or ()),
        as_bool=modifier.return_bool,
    )


def _combined(expr: promql.BinaryExpr, at: Moment) -> Value:
    op = str(expr.op)
    matching = _matching(expr.modifier)
    left, right = _value(expr.lhs, at), _value(expr.rhs, at)
    if op in binary.SETS:
        return binary.sets(op, vector_of(left), vector_of(right), matching)
    if op not in binary.ARITHMETIC and op not in binary.COMPARISONS:
        raise QueryError(f"the embedded Prometheus does not implement the operator {op!r}")
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        return binary.scalars(op, left.value, right.value)
    as_bool = matching.as_bool
    if isinstance(left, Scalar):
        vector = vector_of(right)
        return binary.with_scalar(op, vector, left.value, scalar_left=True, as_bool=as_bool)
    if isinstance(right, Scalar):
        vector = vector_of(left)
        return binary.with_scalar(op, vector, right.value, scalar_left=False, as_bool=as_bool)
    return binary.vectors(op, vector_of(left), vector_of(right), matching)


def _aggregated(expr: promql.AggregateExpr, at: Moment) -> Vector:
    grouping = Grouping()
    if expr.modifier is not None:
        without = expr.modifier.type == promql.AggModifierType.Without
        grouping = Grouping(tuple(expr.modifier.labels), without)
    op = str(expr.op)
    if op == "count_values":
        raise QueryError(
            "the embedded Prometheus does not implement the aggregation 'count_values'"
        )
    parameter = None if expr.param is None else scalar_of(_value(expr.param, at))
    return aggregate(op, vector_of(_value(expr.expr, at)), grouping, parameter)


def _called(call: promql.Call, at: Moment) -> Value:
    name = call.func.name
    if name == "time":
        return Scalar(at.time / 1000)
    if name == "absent":
        return _absent(call.args[0], at)
    arguments = [_value(argument, at) for argument in call.args]
    if name in RANGE_FUNCTIONS:
        return _over_time(name, arguments[0])
    if name in functions.ELEMENTWISE:
        return functions.elementwise(name, vector_of(arguments[0]))
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](arguments)
    raise QueryError(f"the embedded Prometheus does not implement the function {name!r}")


def _over_time(name: str, matrix: Value) -> Vector:
    if not isinstance(matrix, Matrix):
        raise BadData(f"expected a range vector in call to function {name!r}")
    results: list[Element] = []
    for window in matrix.windows:
        value = RANGE_FUNCTIONS[name](Span(window.points, matrix.start, matrix.end))
        if value is not None:
            labels = window.labels if name in KEEPS_NAME else nameless(window.labels)
            results.append(Element(labels, value))
    return Vector(tuple(results))


def _absent(argument: promql.Expr, at: Moment) -> Vector:
    """One element with the value 1 when nothing was found, labelled as the selector asked."""
    if vector_of(_value(argument, at)).elements:
        return Vector(())
    wanted: dict[str, str] = {}
    if isinstance(argument, promql.VectorSelector):
        conditions = [m for m in compiled(argument) if m.label != NAME]
        names = [m.label for m in conditions]
        wanted = {m.label: m.equals or "" for m in conditions if names.count(m.label) == 1}
    return Vector((Element(labels_of(wanted), 1.0),))


def _distinct(value: Value) -> Value:
    """Refuse a result in which two series look the same."""
    if isinstance(value, Vector):
        if len({element.labels for element in value.elements}) < len(value.elements):
            raise QueryError("vector cannot contain metrics with the same labelset")
        if not value.ordered:
            by_labels = tuple(sorted(value.elements, key=lambda element: element.labels))
            return replace(value, elements=by_labels)
    return value


def _bounds(arguments: Sequence[Value], low: int | None, high: int | None) -> Vector:
    return functions.clamped(
        vector_of(arguments[0]),
        float("-inf") if low is None else scalar_of(arguments[low]),
        float("inf") if high is None else scalar_of(arguments[high]),
    )


_FUNCTIONS: Final[Mapping[str, Callable[[Sequence[Any]], Value]]] = {
    "clamp": lambda a: _bounds(a, 1, 2),
    "clamp_min": lambda a: _bounds(a, 1, None),
    "clamp_max": lambda a: _bounds(a, None, 1),
    "round": lambda a: functions.rounded(vector_of(a[0]), *(scalar_of(to) for to in a[1:])),
    "scalar": lambda a: functions.single(vector_of(a[0])),
    "vector": lambda a: Vector((Element(NO_LABELS, scalar_of(a[0])),)),
    "sort": lambda a: functions.by_value(vector_of(a[0]), descending=False),
    "sort_desc": lambda a: functions.by_value(vector_of(a[0]), descending=True),
    "histogram_quantile": lambda a: functions.histogram_quantile(scalar_of(a[0]), vector_of(a[1])),
    "label_replace": lambda a: functions.label_replace(
        vector_of(a[0]), [text_of(argument) for argument in a[1:]]
    ),
}
