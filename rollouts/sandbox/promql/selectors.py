"""Label matchers, compiled once per query.

Regular expressions are RE2 and anchored at both ends, as Prometheus's are, so a user's pattern
costs linear time. Called by ``evaluate`` (to compile) and ``store`` (to match).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import promql_parser as promql
import re2

from rollouts.sandbox.promql.model import NAME, BadData, Labels


@dataclass(frozen=True, slots=True)
class LabelMatcher:
    """A condition on one label; a missing label counts as empty.

    ``equals`` is the wanted value where the condition is plain equality: an index can use it.
    """

    label: str
    accepts: Callable[[str], bool]
    equals: str | None = None


def pattern(text: str) -> Callable[[str], bool]:
    """Whether a whole string matches a regular expression."""
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    try:
        compiled = re2.compile(text, options)
    except re2.error as error:
        raise BadData(f"invalid regular expression {text!r}: {error}") from error
    return lambda value: compiled.fullmatch(value) is not None


def compiled(selector: promql.VectorSelector) -> tuple[LabelMatcher, ...]:
    """The conditions of a selector, its metric name included."""
    if selector.matchers.or_matchers:
        raise BadData("'or' between label matchers is not PromQL that Prometheus accepts")
    named = [_equal(NAME, selector.name)] if selector.name else []
    return (*named, *(_compile(matcher) for matcher in selector.matchers.matchers))


def matches(labels: Labels, matchers: Sequence[LabelMatcher]) -> bool:
    present = dict(labels)
    return all(matcher.accepts(present.get(matcher.label, "")) for matcher in matchers)


def _equal(label: str, wanted: str) -> LabelMatcher:
    return LabelMatcher(label, lambda value: value == wanted, wanted)


def _compile(matcher: promql.Matcher) -> LabelMatcher:
    label, wanted = matcher.name, matcher.value
    if matcher.op == promql.MatchOp.Equal:
        return _equal(label, wanted)
    if matcher.op == promql.MatchOp.NotEqual:
        return LabelMatcher(label, lambda value: value != wanted)
    hit = pattern(wanted)
    if matcher.op == promql.MatchOp.Re:
        return LabelMatcher(label, hit)
    return LabelMatcher(label, lambda value: not hit(value))
