"""Secrets out of text.

Owns which spellings of a secret are recognised: as it is, and as it looks in URLs, JSON and base64.
Called on everything a measurement says before it is stored or logged. Pure.
"""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "*****"


@dataclass(frozen=True, slots=True)
class Redactor:
    """Replaces every spelling of the given secrets by ``*****``, longest first."""

    spellings: tuple[str, ...] = ()

    @classmethod
    def of(cls, secrets: Iterable[str]) -> "Redactor":
        found = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        return cls(tuple(sorted(found, key=lambda text: (-len(text), text))))

    def text(self, text: str) -> str:
        for spelling in self.spellings:
            text = text.replace(spelling, MASK)
        return text

    def mapping(self, values: Mapping[str, str]) -> dict[str, str]:
        return {key: self.text(value) for key, value in values.items()}


def _spellings(secret: str) -> set[str]:
    raw = secret.encode()
    return {
        secret,
        secret.strip() or secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        b64encode(raw).decode(),
        urlsafe_b64encode(raw).decode(),
        repr(secret)[1:-1],
    }
