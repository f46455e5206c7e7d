"""The expression language: values, errors, refusals, and the bound on work."""

import pytest

from rollouts.sandbox.crd.cel.program import compile_program
from rollouts.sandbox.crd.cel.syntax import CelSyntaxError
from rollouts.sandbox.crd.cel.types import (
    DYN,
    INT,
    STRING,
    Field,
    list_of,
    map_of,
    object_of,
)
from rollouts.sandbox.crd.cel.values import BudgetError, EvalError

BUDGET = 1_000_000


def value_of(text, self=None, budget=BUDGET):
    return compile_program(text, {"self": DYN}).run([self], budget)[0]


TRUE = [
    # literals and arithmetic
    "1 + 2 * 3 == 7",
    "-5 / 3 == -1 && -5 % 3 == -2",
    "7.0 / 2.0 == 3.5",
    "1.0 / 0.0 > 1e300",
    "0x10 == 16 && 1u + 2u == 3u && 1e3 == 1000.0",
    "'a' + \"b\" == 'ab' && [1] + [2] == [1, 2] && b'\\x61' == b'a'",
    "'\\u00e9\\n\\t\\\\' == '\u00e9\\n\\t\\\\'",
    'r"\\d" == "\\\\d" && """a"b""" == "a\\"b"',
    "1 == 1.0 && 1 < 1.5 && 2u > 1 && !(dyn(1) == true)",
    "true || false && false",
    "(false ? 1 : 2) == 2",
    "-9223372036854775808 < 0",
    "'a' in ['a', 'b'] && 'k' in {'k': 1} && !(3 in [1, 2])",
    "{'a': 1, 'b': dyn([1])} == {'b': [1], 'a': dyn(1)}",
    "null == null && dyn('a') != null",
    "type(1) == int && type('a') == string && type([]) == list && type(null) == null_type",
    # macros
    "[1, 2, 3].all(x, x > 0) && ![].exists(x, x > 0) && [].all(x, x > 0)",
    "[1, 2, 3].exists_one(x, x == 2) && [1, 2].existsOne(x, x > 1)",
    "[1, 2, 3].map(x, x * 2) == [2, 4, 6] && [1, 2, 3].map(x, x > 1, x * 2) == [4, 6]",
    "[1, 2, 3].filter(x, x % 2 == 1) == [1, 3]",
    "{'a': 1, 'b': 2}.all(k, k < 'c') && {'a': 1}.map(k, k) == ['a']",
    "[1, 2].all(i, v, i + 1 == v) && {'a': 1}.exists(k, v, k == 'a' && v == 1)",
    "[1, 2].transformList(i, v, i * v) == [0, 2]",
    "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 10) == {'b': 20}",
    "[[1, 2], [3]].all(l, l.all(x, x < 4))",
    # text
    "'Ab'.lowerAscii() == 'ab' && 'Ab'.upperAscii() == 'AB' && ' a '.trim() == 'a'",
    "'a/b/c'.split('/') == ['a', 'b', 'c'] && 'a/b/c'.split('/', 2) == ['a', 'b/c']",
    "'a-a'.replace('a', 'b') == 'b-b' && 'a-a'.replace('a', 'b', 1) == 'b-a'",
    "'hello'.substring(1, 3) == 'el' && 'hello'.charAt(1) == 'e'",
    "'abab'.indexOf('b') == 1 && 'abab'.lastIndexOf('b') == 3 && 'abab'.indexOf('b', 2) == 3",
    "['a', 'b'].join('-') == 'a-b' && ['a'].join() == 'a'",
    "'%s is %d, %.2f, %s'.format([dyn('a'), 1, 2.0, [true, null]]) == 'a is 1, 2.00, [true, null]'",
    "'%x %X %b %o %e %%'.format([dyn(255), 255, 5, 8, 1.5]) == 'ff FF 101 10 1.500000e+00 %'",
    "'é'.size() == 1 && size('ab') == 2 && 'ab'.contains('b') && 'ab'.startsWith('a')",
    "'abc'.matches('b') && !'abc'.matches('^b') && 'a1b22'.findAll('[0-9]+') == ['1', '22']",
    "'a1b22'.find('[0-9]+') == '1' && 'x'.find('y') == ''",
    # conversions
    "int('5') == 5 && int(2.9) == 2 && uint(3) == 3u && double(1) == 1.0 && double('1.5') == 1.5",
    "string(1) == '1' && string(1.0) == '1' && string(true) == 'true' && bool('true')",
    "string(b'a') == 'a' && bytes('a') == b'a'",
    # times
    "duration('1h30m') > duration('89m') && duration('1.5s').getMilliseconds() == 500",
    "duration('90m').getHours() == 1 && duration('90m').getMinutes() == 90",
    "timestamp('2024-01-31T10:00:00Z') + duration('24h') == timestamp('2024-02-01T10:00:00Z')",
    "timestamp('2024-02-01T00:00:00Z') - timestamp('2024-01-31T00:00:00+00:00') == duration('24h')",
    "timestamp('2024-02-29T12:34:56Z').getDayOfMonth() == 28",
    "timestamp('2024-02-29T12:34:56Z').getHours('+02:00') == 14",
    "timestamp('2024-03-03T00:00:00Z').getDayOfWeek() == 0",
    "string(timestamp('2024-01-01T00:00:00.5Z')) == '2024-01-01T00:00:00.5Z'",
    "string(duration('1m1.5s')) == '61.5s'",
    # lists and sets
    "[1, 2].isSorted() && ![2, 1].isSorted() && [1, 2].sum() == 3 && [3, 1].min() == 1",
    "['b', 'a'].max() == 'b' && [1, 2, 1].lastIndexOf(1) == 2 && [1].indexOf(9) == -1",
    "sets.contains([1, 2], [2]) && sets.equivalent([1, 2], [2, 1]) && sets.intersects([1], [1])",
    "[3, 1, 2].sort() == [1, 2, 3] && [1, 1, 2].distinct() == [1, 2] && [1, 2].reverse() == [2, 1]",
    "lists.range(3) == [0, 1, 2] && [1, 2, 3].slice(1, 2) == [2] && [1].first().value() == 1",
    "[[1], [dyn(2), [3]]].flatten() == [dyn(1), 2, [3]] && [[[1]], [[2]]].flatten(2) == [1, 2]",
    # Kubernetes' kinds
    "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('v1.2', true) == semver('1.2.0')",
    "semver('1.0.0-rc.1').compareTo(semver('1.0.0')) == -1 && semver('1.2.3').minor() == 2",
    "isSemver('1.0.0+build') && !isSemver('1.0') && !isSemver('01.0.0') && isSemver('01.0', true)",
    "!format.dns1123Label().validate('a-b').hasValue() && format.named('uri').hasValue()",
    "format.dns1123Label().validate('A').value().size() == 1 && !format.named('x').hasValue()",
    "isURL('https://a.example:8443/p?q=1') && !isURL('../a')",
    "url('https://u@[::1]:8443/a b') == url('https://x') || true",
    "url('https://a.example:8443/p?q=1').getHost() == 'a.example:8443'",
    "url('https://[::1]:80/').getHostname() == '::1' && url('/p').getScheme() == ''",
    "url('https://a:1/p?q=1&q=2').getQuery() == {'q': ['1', '2']}",
    "isIP('10.0.0.1') && ip('::1').isLoopback() && ip('10.0.0.1').family() == 4",
    "!isIP('::ffff:1.2.3.4') && ip.isCanonical('::1') && !ip.isCanonical('::0:1')",
    "isCIDR('10.0.0.0/8') && cidr('10.0.0.0/8').containsIP('10.1.2.3')",
    "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr('10.1.0.0/8').prefixLength() == 8",
    "cidr('10.1.0.0/8').masked() == cidr('10.0.0.0/8') && cidr('10.1.0.0/8').ip() == ip('10.1.0.0')",
    "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('500m').asApproximateFloat() == 0.5",
    "quantity('1').add(quantity('500m')).compareTo(quantity('1500m')) == 0 && isQuantity('1e3')",
    "quantity('2k').asInteger() == 2000 && quantity('-1').sign() == -1 && !isQuantity('1x')",
    # optionals
    "optional.of(1).hasValue() && !optional.none().hasValue() && optional.of(1).value() == 1",
    "{'a': 1}.?a.orValue(0) == 1 && {'a': 1}[?'b'].orValue(0) == 0 && [1][?3].orValue(9) == 9",
    "optional.none().or(optional.of(2)).value() == 2",
    "optional.of(2).optMap(x, x * 2).orValue(0) == 4",
    "[?optional.none(), 1] == [1] && {?'a': optional.of(1)} == {'a': 1}",
    # absorbed errors
    "true || 1 / 0 == 1",
    "1 / 0 == 1 || true",
    "!(1 / 0 == 1 && false)",
    "[0, 1].exists(x, 1 / x == 1)",
    "![0, 1].all(x, 1 / x == 2)",
]


@pytest.mark.parametrize("text", TRUE)
def test_it_holds(text):
    assert value_of(text) is True


ERRORS = {
    "1 / 0": "division by zero",
    "1 % 0": "modulus by zero",
    "9223372036854775807 + 1": "integer overflow",
    "0u - 1u": "unsigned integer overflow",
    "[1][1]": "index out of bounds: 1",
    "{'a': 1}['b']": "no such key: b",
    "self.a.b": "no such key: b",
    "self.text > 1": "no such overload",
    "self.a.c.size()": "no such key: c",
    "!self.text": "no such overload",
    "self.text.nope": "no such overload",
    "int('x')": "type conversion error from 'string' to 'int'",
    "duration(self.text)": 'time: invalid duration "["',
    "'abc'.substring(2, 1)": "invalid substring range. start: 2, end: 1",
    "optional.none().value()": "optional.none() dereference",
    "'a'.matches(self.text)": "error parsing regexp: missing ]: [",
    "[0].all(x, 1 / x == 1)": "division by zero",
    "['a', self.a].join()": "no such overload",
}


@pytest.mark.parametrize("text", ERRORS)
def test_it_has_no_value_and_says_why(text):
    with pytest.raises(EvalError) as raised:
        value_of(text, {"a": {}, "text": "["})
    assert str(raised.value) == ERRORS[text]


REFUSED = {
    "": "Syntax error: unexpected input '<EOF>'",
    "1 +": "Syntax error: unexpected input '<EOF>'",
    "(1": "Syntax error: mismatched input '<EOF>' expecting ')'",
    "1 # 2": "Syntax error: token recognition error at: '#'",
    "'open": "Syntax error: token recognition error at: '''",
    "namespace == 1": "reserved identifier: namespace",
    "nope": "undeclared reference to 'nope' (in container '')",
    "nope(1)": "undeclared reference to 'nope' (in container '')",
    "text.nope()": "undeclared reference to 'nope' (in container '')",
    "object.nope": "undefined field 'nope'",
    "has(object.nope)": "undefined field 'nope'",
    "has(text)": "invalid argument to has() macro",
    "text.a": "type 'string' does not support field selection",
    "text + 1": "found no matching overload for '_+_' applied to '(string, int)'",
    "text == 1": "found no matching overload for '_==_' applied to '(string, int)'",
    "text && true": "found no matching overload for '_&&_' applied to '(string, bool)'",
    "text.startsWith(1)": "found no matching overload for 'startsWith' applied to 'string.(int)'",
    "size(1)": "found no matching overload for 'size' applied to '(int)'",
    "numbers[text]": "found no matching overload for '_[_]' applied to '(list(int), string)'",
    "text in numbers": "found no matching overload for '@in' applied to '(string, list(int))'",
    "numbers.all(1, true)": "argument must be a simple name",
    "text.all(x, true)": "expression of type 'string' cannot be range of a comprehension (must be list, map, or dynamic)",
    "numbers.all(x, x)": "found no matching overload for 'all' applied to '(bool, int)'",
    "true ? 1 : 'a'": "found no matching overload for '_?_:_' applied to '(bool, int, string)'",
    "[1, 'a']": "expected type 'int' but found 'string'",
    "99999999999999999999": "invalid int literal",
    "duration('1')": "invalid duration argument",
    "timestamp('today')": "invalid timestamp argument",
    "text.matches('(')": "invalid matches argument",
    "cel.bind(x, 1, x)": "undeclared reference to 'cel' (in container '')",
}
VARIABLES = {
    "text": STRING,
    "numbers": list_of(INT),
    "labels": map_of(STRING, STRING),
    "object": object_of({"__namespace__": Field("namespace", STRING)}),
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_wrong_expression_is_refused_before_it_runs(text):
    with pytest.raises(CelSyntaxError) as raised:
        compile_program(text, VARIABLES)
    assert raised.value.problem == REFUSED[text]


def test_the_refusal_points_at_the_place():
    with pytest.raises(CelSyntaxError) as raised:
        compile_program("text == 'a' &&\n  text.nope()", VARIABLES)
    assert str(raised.value) == (
        "ERROR: <input>:2:7: undeclared reference to 'nope' (in container '')\n"
        " |   text.nope()\n"
        " | ......^"
    )


def test_static_types_flow_through_macros_and_functions():
    program = compile_program("numbers.map(n, string(n)).filter(s, s != '')[0]", VARIABLES)
    assert program.type == STRING
    assert compile_program("labels.a", VARIABLES).type == STRING
    assert compile_program("labels[?'a']", VARIABLES).type.name == "optional_type"


def test_an_escaped_field_is_read_by_its_json_name():
    program = compile_program("object.__namespace__", {"object": VARIABLES["object"]})
    assert program.run([{"namespace": "x"}], BUDGET)[0] == "x"


HOSTILE = [
    "self.all(a, self.all(b, self.all(c, self.all(d, a == b || c == d || true))))",
    "self.map(a, self.map(b, self.map(c, self.map(d, [a, b, c, d])))).size() > 0",
    "[text + text].map(a, a + a).map(b, b + b).map(c, c + c).size() > 0",
    "lists.range(9223372036854775807).size() > 0",
    "text.replace('', text).replace('', text).size() > 0",
    "self.exists(a, text.matches('(a|b|ab)*c'))",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_work_is_bounded(text):
    program = compile_program(text, {"self": DYN, "text": STRING})
    with pytest.raises(BudgetError) as raised:
        program.run([list(range(1000)), "ab" * 1_000_000], BUDGET)
    assert str(raised.value) == "operation cancelled: actual cost limit exceeded"


def test_a_small_rule_costs_little():
    program = compile_program("self.all(x, x > 0)", {"self": list_of(INT)})
    _, cost = program.run([[1, 2, 3]], BUDGET)
    assert cost < 40


@pytest.mark.parametrize(
    "text", ["(" * 200 + "1" + ")" * 200, "!" * 200 + "true", "+".join(["1"] * 20_000)]
)
def test_deep_nesting_is_refused(text):
    with pytest.raises(CelSyntaxError):
        compile_program(text, {})
