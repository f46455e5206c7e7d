"""The hashes that name revisions and step lists.

Owns ``rollouts-pod-template-hash`` and ``status.currentStepHash``, digit for digit as Argo Rollouts
computes them, so that a cluster can be handed over in either direction. Refuses to look at
ReplicaSets: which one belongs to a template is ``planner.revision``'s question. Pure.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rollouts.planner.gojson import encode

_SAFE_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_STEP_KEYS: Final = (
    "setWeight",
    "pause",
    "experiment",
    "analysis",
    "setCanaryScale",
    "setHeaderRoute",
    "setMirrorRoute",
    "plugin",
)


def fnv1a_32(data: bytes) -> int:
    """FNV-1a, 32 bit."""
    value = 0x811C9DC5
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def safe_encode(text: str) -> str:
    """Each character mapped into the alphabet that cannot spell a word."""
    return "".join(_SAFE_ALPHABET[ord(char) % len(_SAFE_ALPHABET)] for char in text)


def template_hash(template: Mapping[str, Any], collision_count: int | None = None) -> str:
    """The pod template hash of a new revision; ``collision_count`` as in the status."""
    data = encode(template, "PodTemplateSpec").encode()
    if collision_count is not None:
        data += (collision_count & 0xFFFFFFFF).to_bytes(4, "little") + b"\0\0\0\0"
    return safe_encode(str(fnv1a_32(data)))


def step_hash(steps: Sequence[Mapping[str, Any]] | None) -> str:
    """The hash of a canary's step list; an absent list hashes like JSON null.

    Inside a step only the payloads' own key order is kept as written, so two spellings of one step
    may hash differently; the status then says the steps changed, which restarts nothing that is
    already at its end.
    """
    if not steps:
        return safe_encode(str(fnv1a_32(b"null")))
    ordered = [{key: step[key] for key in _STEP_KEYS if key in step} for step in steps]
    text = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False)
    return safe_encode(str(fnv1a_32(text.encode())))
