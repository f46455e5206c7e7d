"""YAML and JSON text to objects that know where each of their fields was written.

Owns decoding as strictly as the API server does it (duplicate keys, keys that are no text, values
JSON does not have), the limits that keep hostile files cheap, and the way from a field's path to a
line and a column. Knows no kind of object. Used by ``lint`` and ``create``.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from rollouts.cli.lint.finding import Place
from rollouts.kube.api import Obj

MAX_BYTES: Final = 4 * 1024 * 1024  # of one file; etcd takes 1.5 MiB for an object
MAX_DEPTH: Final = 100  # of nesting
MAX_VALUES: Final = 200_000  # of one document, aliases expanded
_TAG: Final = "tag:yaml.org,2002:"
_EXPONENT: Final = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
_TRUE: Final = frozenset({"yes", "true", "on"})


class UnreadableError(Exception):
    """The text is no YAML, or none that is safe to read."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True, slots=True)
class Flaw:
    """A value that another decoder would read differently, or not at all."""

    path: str
    message: str
    place: Place


@dataclass(frozen=True, slots=True)
class Document:
    """One object, the node it was read from, and what was wrong with its spelling."""

    file: str
    value: Any
    node: yaml.Node
    text: str = field(repr=False)
    flaws: tuple[Flaw, ...] = ()

    @property
    def obj(self) -> Obj:
        """The object; empty where the document is something else."""
        return self.value if isinstance(self.value, dict) else {}

    def place(self, path: str, *, key: bool = False) -> Place:
        """Where ``path`` (``spec.steps[0].pause``) is written, or the deepest part of it that is.

        A scalar's place is its value's, or with ``key`` that of its name.
        """
        node, name, found = self.node, None, True
        while path and found:
            name_or_none, inner, path, found = _step(node, path)
            if found:
                name, node = name_or_none, inner
        if name is not None and (key or not found or not isinstance(node, yaml.ScalarNode)):
            return _place(name)
        return _place(node)

    def within(self, path: str, offset: int) -> Place:
        """Where character ``offset`` (from 0) of the text at ``path`` is written."""
        node, rest, found = self.node, path, True
        while rest and found:
            _, inner, rest, found = _step(node, rest)
            node = inner if found else node
        if not found or not isinstance(node, yaml.ScalarNode):
            return self.place(path)
        return _place_at(self.text, _aligned(self.text, node, offset))


def read(file: str, text: str) -> Iterator[Document]:
    """The documents of one file, and the items of Lists. Raises UnreadableError."""
    if len(text) > MAX_BYTES:
        raise UnreadableError(f"larger than {MAX_BYTES // 1024 // 1024} MiB", Place(1, 1))
    try:
        _refuse_depth(text)
        loader = yaml.CSafeLoader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                yield from _documents(file, text, node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        raise UnreadableError(f"not YAML: {error.problem or error.context}", place) from None
    except yaml.reader.ReaderError as error:
        raise UnreadableError(f"not YAML: {error.reason}", Place(1, 1)) from None


def _documents(file: str, text: str, node: yaml.Node) -> Iterator[Document]:
    _refuse_growth(node)
    flaws: list[Flaw] = []
    value = _value(node, "", flaws)
    if value is None:
        return
    if not isinstance(value, dict) or not _is_list(value):
        yield Document(file, value, node, text, tuple(flaws))
        return
    _, items, _, _ = _step(node, "items")
    for index, item in enumerate(items.value):
        prefix = f"items[{index}]"
        inner = tuple(
            Flaw(flaw.path.removeprefix(prefix).lstrip("."), flaw.message, flaw.place)
            for flaw in flaws
            if flaw.path.startswith(prefix)
        )
        yield Document(file, value["items"][index], item, text, inner)


def _is_list(value: Obj) -> bool:
    return str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list)


# --- limits ---------------------------------------------------------------------------------------


def _refuse_depth(text: str) -> None:
    """Before nodes are made of the text, because making them recurses."""
    depth = 0
    # What is no YAML is told when it is read, after the documents before it.
    with contextlib.suppress(yaml.MarkedYAMLError):
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    words = f"nested more than {MAX_DEPTH} levels deep"
                    raise UnreadableError(words, _place(event))
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1


def _refuse_growth(root: yaml.Node) -> None:
    """Aliases may make a small text large, or endless: count what there would be."""
    sizes: dict[int, tuple[int, int]] = {}  # id → values, depth
    entered: set[int] = set()
    pending: list[tuple[yaml.Node, bool]] = [(root, False)]
    while pending:
        node, leaving = pending.pop()
        below = _children(node)
        if leaving:
            known = [sizes[id(one)] for one in below]
            values = 1 + sum(size for size, _ in known)
            depth = 1 + max((deep for _, deep in known), default=0)
            if values > MAX_VALUES:
                text = f"more than {MAX_VALUES} values once its aliases are followed"
                raise UnreadableError(text, _place(node))
            if depth > MAX_DEPTH:
                text = f"nested more than {MAX_DEPTH} levels deep through its aliases"
                raise UnreadableError(text, _place(node))
            sizes[id(node)] = (values, depth)
        elif id(node) not in sizes:
            if id(node) in entered:
                raise UnreadableError("an alias contains itself", _place(node))
            entered.add(id(node))
            pending.append((node, True))
            pending.extend((one, False) for one in below)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


# --- values ---------------------------------------------------------------------------------------


def _value(node: yaml.Node, path: str, flaws: list[Flaw]) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, flaws)
    if isinstance(node, yaml.SequenceNode):
        return [_value(one, f"{path}[{i}]", flaws) for i, one in enumerate(node.value)]
    return _scalar(node, path, flaws)


def _mapping(node: yaml.MappingNode, path: str, flaws: list[Flaw]) -> Obj:
    seen: set[str] = set()
    for key, _ in node.value:
        name = _key(key)
        if name is None:
            flaws.append(Flaw(path, "a key must be text", _place(key)))
        elif name in seen:
            where = _joined(path, name)
            flaws.append(Flaw(where, f'duplicate key "{name}"', _place(key)))
        elif not _is_merge(key):
            seen.add(name)
    return {
        name: _value(value, _joined(path, name), flaws)
        for name, (_, value) in _entries(node).items()
    }


def _entries(node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """Fields by name; of equal names the first, and own ones before merged ones."""
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        name = _key(key)
        if name is not None and not _is_merge(key):
            found.setdefault(name, (key, value))
    for key, value in node.value:
        if _is_merge(key):
            sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for source in sources:
                if isinstance(source, yaml.MappingNode):
                    for name, pair in _entries(source).items():
                        found.setdefault(name, pair)
    return found


def _is_merge(key: yaml.Node) -> bool:
    return bool(key.tag == f"{_TAG}merge")


def _key(node: yaml.Node) -> str | None:
    """JSON has text keys only; like Kubernetes' reader, numbers and booleans become text."""
    if not isinstance(node, yaml.ScalarNode) or node.tag == f"{_TAG}null":
        return None
    if node.tag == f"{_TAG}bool":
        return "true" if node.value.lower() in _TRUE else "false"
    return str(node.value)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _scalar(node: Any, path: str, flaws: list[Flaw]) -> Any:
    text = str(node.value)
    match node.tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() in _TRUE
        case "int" if ":" not in text:
            return _integer(text)
        case "float" if ":" not in text:
            return _float(text, node, path, flaws)
        case "str" if not node.style and _EXPONENT.fullmatch(text):
            return _float(text, node, path, flaws)
        case "str" | "int" | "float" | "timestamp" | "value" | "binary" | "merge":
            return text
        case tag:
            flaws.append(Flaw(path, f"unknown YAML tag {tag}", _place(node)))
            return text


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    for prefix, base in (("0x", 16), ("0b", 2)):
        if digits.startswith(prefix):
            return sign * int(digits[2:], base)
    if digits.startswith("0") and len(digits) > 1:
        return sign * int(digits, 8)
    # Python refuses to read very long numbers, which no field can hold anyway.
    return sign * int(digits[:400])


def _float(text: str, node: Any, path: str, flaws: list[Flaw]) -> float:
    bare = text.replace("_", "").lower()
    if bare.lstrip("+-") in (".inf", ".nan"):
        flaws.append(Flaw(path, f"{text} is no number in JSON", _place(node)))
        return 0.0
    return float(bare)


# --- places ---------------------------------------------------------------------------------------


def _place(node: Any) -> Place:
    """Where a node or an event of PyYAML begins."""
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _place_at(text: str, index: int) -> Place:
    before = text[:index]
    return Place(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


def _step(node: yaml.Node, path: str) -> tuple[yaml.Node | None, yaml.Node, str, bool]:
    """One step down ``path``: the key's node, the value's, what is left, whether there was one.

    Names may hold dots and be written in brackets, so the longest one that fits is taken.
    """
    path = path.removeprefix(".")
    if isinstance(node, yaml.SequenceNode) and path.startswith("["):
        index, _, rest = path[1:].partition("]")
        if index.isdecimal() and int(index) < len(node.value):
            item = node.value[int(index)]
            return item, item, rest, True
    if isinstance(node, yaml.MappingNode):
        fits = [(name, pair) for name, pair in _entries(node).items() if _fits(path, name)]
        if fits:
            name, (key, value) = max(fits, key=lambda fit: len(fit[0]))
            length = len(name) + 2 * path.startswith(f"[{name}]")
            return key, value, path[length:], True
    return None, node, path, False


def _fits(path: str, name: str) -> bool:
    if path.startswith(f"[{name}]"):
        return True
    return path.startswith(name) and path[len(name) : len(name) + 1] in ("", ".", "[")


def _aligned(text: str, node: yaml.ScalarNode, offset: int) -> int:
    """The index in ``text`` of character ``offset`` of a scalar, however it is quoted or folded."""
    at, end = node.start_mark.index, node.end_mark.index
    if node.style in ("|", ">"):
        at = text.find("\n", at) + 1
    elif node.style:
        at += 1
    for char in node.value[:offset]:
        at = _past(text, at, end, char, node.style or "")
    while node.style != "'" and at < end and text[at] == "\n":
        at += 1
    rest = text[at:end]
    indented = node.value[offset : offset + 1].strip() and rest[:1] in (" ", "\n")
    return at + (len(rest) - len(rest.lstrip()) if indented else 0)


def _past(text: str, at: int, end: int, char: str, style: str) -> int:
    """Behind the spelling of ``char``, which begins at ``at`` or after white space."""
    if text[at] != char and text[at].isspace():
        while at < end - 1 and text[at].isspace():
            at += 1
        if char.isspace():
            return at
    if style == '"' and text[at] == "\\":
        return at + {"x": 4, "u": 6, "U": 10}.get(text[at + 1], 2)
    if style == "'" and text[at : at + 2] == "''":
        return at + 2
    return min(at + 1, end)
