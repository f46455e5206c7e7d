"""The hashes that name revisions and step lists.

Owns ``rollouts-pod-template-hash`` and ``status.currentStepHash``, digit for digit as Argo Rollouts
computes them, so that a cluster can be handed over in either direction. Refuses to look at
ReplicaSets: which one belongs to a template is ``planner.revision``'s question. Pure: what it
remembers is looked up by content, so forgetting it changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from rollouts.planner.gojson import encode

_SAFE_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_REMEMBERED: Final = 4096  # templates and step lists; hashing one costs a third of a reconcile


def fnv1a_32(data: bytes) -> int:
    """FNV-1a, 32 bit."""
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def safe_encode(text: str) -> str:
    """Each character mapped into the alphabet that cannot spell a word."""
    return "".join(_SAFE_ALPHABET[ord(char) % len(_SAFE_ALPHABET)] for char in text)


@dataclass(frozen=True, slots=True)
class _Content:
    """A JSON value that is equal to another when it is written alike."""

    text: str
    value: Any = field(compare=False)


@lru_cache(maxsize=_REMEMBERED)
def _hash(content: _Content, kind: str, suffix: bytes = b"") -> str:
    return safe_encode(str(fnv1a_32(encode(content.value, kind).encode() + suffix)))


def template_hash(template: Mapping[str, Any], collision_count: int | None = None) -> str:
    """The pod template hash of a new revision; ``collision_count`` as in the status."""
    suffix = b""
    if collision_count is not None:
        suffix = (collision_count & 0xFFFFFFFF).to_bytes(4, "little") + b"\0\0\0\0"
    return _hash(_Content(repr(template), template), "PodTemplateSpec", suffix)


def step_hash(steps: Sequence[Mapping[str, Any]] | None) -> str:
    """The hash of a canary's step list; an absent or empty list hashes like JSON null.

    Two spellings of the same steps hash alike: what Go's types would not keep does not count.
    """
    if not steps:
        return safe_encode(str(fnv1a_32(b"null")))
    return _hash(_Content(repr(steps), steps), "[]CanaryStep")
