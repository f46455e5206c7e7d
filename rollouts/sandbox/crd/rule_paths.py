"""The fieldPath of a validation rule: dots and quoted keys that name a field of the schema."""

import re
from typing import Final

from rollouts.sandbox.crd.node import Node

_STEP: Final = re.compile(r"\.(?P<name>[^.\[\]']+)|\['(?P<key>(?:[^'\\]|\\.)*)'\]")
_ESCAPES: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "'": "'", "\\": "\\",
}  # fmt: skip


def normalized_path(text: str, node: Node) -> str | None:
    """``.spec['a.b']`` as it is appended to a field's path; None when it names no field."""
    at, out = 0, ""
    here: Node | None = node
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or here is None:
            return None
        name = match["name"] or _unescaped(match["key"] or "")
        if name is None:
            return None
        if here.properties:
            here = here.properties.get(name)
            out += f".{name}"
        else:
            here = here.additional
            out += f"[{name}]"
        if here is None:
            return None
        at = match.end()
    return out or None


def _unescaped(text: str) -> str | None:
    known = all(match[1] in _ESCAPES for match in re.finditer(r"\\(.)", text, re.DOTALL))
    return re.sub(r"\\(.)", lambda m: _ESCAPES[m[1]], text) if known else None
