"""The condition language once more, as plainly as it can be said.

Trees are tuples: an operation's name, then its parts. ``evaluate`` walks them with no thought for
cost, ``render`` writes them down with as few parentheses as the precedences allow. Nothing of the
product is used, so that both can only agree where they mean the same.
"""

import math

INT = 2**63
BINARY = {
    "or": 10, "and": 15, "==": 20, "!=": 20, "<": 20, "<=": 20, ">": 20, ">=": 20,
    "in": 20, "contains": 20, "startsWith": 20, "endsWith": 20,
    "..": 25, "+": 30, "-": 30, "*": 60, "/": 60, "%": 60, "**": 100, "??": 500,
}  # fmt: skip
UNARY = {"not": 50, "neg": 90}
ATOM = 1000


class NaiveError(Exception):
    """The expression means nothing for this value."""


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def wrap(value):
    return (value + INT) % (2 * INT) - INT if isinstance(value, int) else value


def narrow(value):
    """An answer's integer of more than 64 bit counts as a float."""
    return float(value) if isinstance(value, int) and not -INT <= value < INT else value


def need(condition):
    if not condition:
        raise NaiveError


def truth(value):
    need(isinstance(value, bool))
    return value


# --- meaning ---


def evaluate(tree, result):
    return walk(tree, {"result": result})


def walk(tree, names):
    kind, *parts = tree
    if kind in OPERATIONS:
        return OPERATIONS[kind](*(walk(part, names) for part in parts))
    return FORMS[kind](names, *parts)


def same(a, b):
    if is_number(a) and is_number(b):
        return a == b if type(a) is type(b) else float(a) == float(b)
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def ordered(test):
    def apply(a, b):
        need((is_number(a) and is_number(b)) or (isinstance(a, str) and isinstance(b, str)))
        return test(a, b) if type(a) is type(b) else test(float(a), float(b))

    return apply


def calculated(compute):
    def apply(a, b):
        need(is_number(a) and is_number(b))
        return wrap(compute(narrow(a), narrow(b)))

    return apply


def add(a, b):
    if isinstance(a, str) and isinstance(b, str):
        return a + b
    return calculated(lambda x, y: x + y)(a, b)


def divide(a, b):
    need(is_number(a) and is_number(b))
    a, b = float(a), float(b)
    if b == 0:
        nothing = a == 0 or math.isnan(a)
        return math.nan if nothing else math.copysign(math.inf, a) * math.copysign(1, b)
    return a / b


def power(a, b):
    need(is_number(a) and is_number(b))
    a, b = float(a), float(b)
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        if a == 0:
            return math.copysign(math.inf, a) if b % 2 == 1 else math.inf
        return math.nan


def remainder(a, b):
    a, b = narrow(a), narrow(b)
    need(type(a) is int and type(b) is int and b != 0)
    return int(math.copysign(1, a)) * (abs(a) % abs(b))


def within(a, b):
    if b is None:
        return False
    if isinstance(b, dict):
        need(isinstance(a, str))
        return a in b
    need(isinstance(b, list))
    return any(same(a, item) for item in b)


def about_strings(test):
    def apply(a, b):
        if a is None or b is None:
            return False
        need(isinstance(a, str) and isinstance(b, str))
        return test(a, b)

    return apply


def span(a, b):
    need(type(a) is int and type(b) is int and b - a < 10_000)
    return list(range(a, b + 1))


def negative(a):
    need(is_number(a))
    return wrap(-narrow(a))


def index(target, key):
    if isinstance(target, dict):
        need(isinstance(key, str))
        return target.get(key)
    need(isinstance(target, list | str) and type(key) is int)
    target = target.encode() if isinstance(target, str) else target
    need(-len(target) <= key < len(target))
    return target[key]


def length(a):
    need(isinstance(a, str | list | dict))
    return len(a)


def flat(values):
    found = []
    for value in values:
        if isinstance(value, list):
            found += flat(value)
        else:
            need(is_number(value))
            found.append(value)
    return found


def extreme(pick):
    def apply(*values):
        found = flat(values)
        if any(math.isnan(value) for value in found):
            return math.nan
        return pick(found) if found else None

    return apply


def total(values):
    need(isinstance(values, list))
    amount = 0
    for value in values:
        need(is_number(value))
        amount = wrap(amount + narrow(value))
    return amount


def at(place):
    def apply(values):
        need(isinstance(values, list))
        return values[place] if values else None

    return apply


def absolute(a):
    need(is_number(a))
    return wrap(abs(narrow(a)))


def part(target, start, stop):
    need(isinstance(target, list | str))
    need(all(place is None or type(place) is int for place in (start, stop)))
    return target[start:stop]


OPERATIONS = {
    "==": same,
    "!=": lambda a, b: not same(a, b),
    "<": ordered(lambda a, b: a < b),
    "<=": ordered(lambda a, b: a <= b),
    ">": ordered(lambda a, b: a > b),
    ">=": ordered(lambda a, b: a >= b),
    "in": within,
    "contains": about_strings(lambda a, b: b in a),
    "startsWith": about_strings(lambda a, b: a[: len(b)] == b),
    "endsWith": about_strings(lambda a, b: b == "" or a[-len(b) :] == b),
    "..": span,
    "+": add,
    "-": calculated(lambda a, b: a - b),
    "*": calculated(lambda a, b: a * b),
    "/": divide,
    "%": remainder,
    "**": power,
    "not": lambda a: not truth(a),
    "neg": negative,
    "index": index,
    "slice": part,
    "list": lambda *items: list(items),
    "len": length,
    "max": extreme(max),
    "min": extreme(min),
    "sum": total,
    "abs": absolute,
    "first": at(0),
    "last": at(-1),
}
CALLS = ("len", "max", "min", "sum", "abs", "first", "last")


def chain(names, first, *links):
    """``a < b <= c``."""
    left = walk(first, names)
    for sign, operand in links:
        right = walk(operand, names)
        if not OPERATIONS[sign](left, right):
            return False
        left = right
    return True


def optional(names, target, key):
    value = walk(target, names)
    return None if value is None else index(value, key)


def coalesce(names, left, right):
    value = walk(left, names)
    return walk(right, names) if value is None else value


def elements(names, items, predicate):
    values = walk(items, names)
    need(isinstance(values, list))
    for place, value in enumerate(values):
        yield value, walk(predicate, {**names, "#": value, "#index": place})


def true_for(names, items, predicate):
    return [value for value, held in elements(names, items, predicate) if truth(held)]


def until(names, items, predicate, ending):
    """Whether the predicate says ``ending`` of any element; later ones are not looked at."""
    return any(truth(held) is ending for _, held in elements(names, items, predicate))


def reduced(names, items, predicate, initial):
    values = walk(items, names)
    amount = walk(initial, names)
    need(isinstance(values, list))
    for place, value in enumerate(values):
        amount = walk(predicate, {**names, "#": value, "#index": place, "#acc": amount})
    return amount


FORMS = {
    "value": lambda _, value: value,
    "name": lambda names, name: names[name],
    "and": lambda names, a, b: truth(walk(a, names)) and truth(walk(b, names)),
    "or": lambda names, a, b: truth(walk(a, names)) or truth(walk(b, names)),
    "??": coalesce,
    "chain": chain,
    "if": lambda names, c, a, b: walk(a if truth(walk(c, names)) else b, names),
    "map": lambda names, *pairs: {key: walk(value, names) for key, value in pairs},
    "member": lambda names, target, key: index(walk(target, names), key),
    "optional": optional,
    "let": lambda names, name, value, body: walk(body, {**names, name: walk(value, names)}),
    "all": lambda names, a, p: not until(names, a, p, ending=False),
    "any": lambda names, a, p: until(names, a, p, ending=True),
    "none": lambda names, a, p: not until(names, a, p, ending=True),
    "one": lambda names, a, p: len(true_for(names, a, p)) == 1,
    "count": lambda names, a, p: len(true_for(names, a, p)),
    "filter": true_for,
    "mapped": lambda names, a, p: [value for _, value in elements(names, a, p)],
    "reduce": reduced,
}
PREDICATED = {name: name for name in ("all", "any", "none", "one", "count", "filter")} | {
    "mapped": "map"
}


# --- writing ---


def render(tree, least=0):
    """``tree`` as source; in parentheses when it binds less tightly than ``least``."""
    text, level = written(tree)
    return text if level >= least else f"({text})"


def written(tree):
    kind, *parts = tree
    if kind == "??":  # mixes with nothing but itself
        return f"{render(parts[0], 500)} ?? {render(parts[1], 501)}", -1
    if kind == "chain":
        links = "".join(f" {sign} {render(operand, 21)}" for sign, operand in parts[1:])
        return f"{render(parts[0], 21)}{links}", 19
    if kind in BINARY:
        level = BINARY[kind]
        comparison = kind in ("<", "<=", ">", ">=")
        left = level + (kind == "**" or comparison)
        right = level + (kind != "**")
        text = f"{render(parts[0], left)} {kind} {render(parts[1], right)}"
        return text, 19 if comparison else level
    if kind in UNARY:
        sign = "not " if kind == "not" else "-"
        return f"{sign}{render(parts[0], max(UNARY[kind], 100))}", UNARY[kind]
    if kind == "if":
        return f"{render(parts[0], 5)} ? {render(parts[1], 1)} : {render(parts[2], 1)}", 1
    if kind == "let":
        return f"let {parts[0]} = {render(parts[1], 1)}; {render(parts[2])}", 0
    return operand(kind, parts), ATOM


def operand(kind, parts):
    if kind == "value":
        return literal(parts[0])
    if kind == "name":
        return parts[0]
    if kind == "list":
        return f"[{', '.join(map(render, parts))}]"
    if kind == "map":
        return f"{{{', '.join(f'{literal(key)}: {render(value)}' for key, value in parts)}}}"
    if kind == "index":
        return f"{render(parts[0], ATOM)}[{render(parts[1])}]"
    if kind == "slice":
        ends = ["" if place == ("value", None) else render(place) for place in parts[1:]]
        return f"{render(parts[0], ATOM)}[{ends[0]}:{ends[1]}]"
    if kind in ("member", "optional"):
        # In parentheses, since a nil that was met ends everything that follows it.
        target = render(parts[0], ATOM)
        target = f"({target})" if parts[0][0] == "value" else target  # 1.a would be a number
        return f"({target}{'?' * (kind == 'optional')}.{parts[1]})"
    if kind in PREDICATED:
        return f"{PREDICATED[kind]}({render(parts[0])}, {{{render(parts[1])}}})"
    if kind == "reduce":
        return f"reduce({render(parts[0])}, {{{render(parts[1])}}}, {render(parts[2])})"
    return f"{kind}({', '.join(map(render, parts))})"


def literal(value):
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        plain = value.isascii() and value.isprintable() and not set("\"'\\") & set(value)
        return f'"{value}"' if plain else '"' + "".join(f"\\U{ord(c):08x}" for c in value) + '"'
    return repr(value)
