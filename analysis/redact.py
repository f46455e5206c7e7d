"""Secrets out of text.

Owns which spellings of a secret are recognised: as it is, and as it looks in URLs, JSON and base64,
whole or cut off somewhere. Called on everything a measurement says before it is stored or logged.
Pure.
"""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "*****"
_BEGINNING: Final = 8  # characters: so much of a secret gives it away, where a text was cut


@dataclass(frozen=True, slots=True)
class Redactor:
    """Replaces every spelling of the given secrets by ``*****``, longest first."""

    spellings: tuple[str, ...] = ()

    @classmethod
    def of(cls, secrets: Iterable[str]) -> "Redactor":
        found = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        return cls(_longest_first(found))

    def also(self, secrets: Iterable[str]) -> "Redactor":
        """One that knows these secrets, too."""
        more = {*self.spellings, *Redactor.of(secrets).spellings}
        return self if len(more) == len(self.spellings) else Redactor(_longest_first(more))

    def text(self, text: str) -> str:
        for spelling in self.spellings:
            text = text.replace(spelling, MASK)
        for spelling in self.spellings:
            text = _without_beginning(text, spelling)
        return text

    def mapping(self, values: Mapping[str, str]) -> dict[str, str]:
        return {key: self.text(value) for key, value in values.items()}


def _longest_first(spellings: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(spellings, key=lambda text: (-len(text), text)))


def _without_beginning(text: str, spelling: str) -> str:
    """``text`` without the beginnings of ``spelling`` that whoever cut it has left."""
    beginning = spelling[:_BEGINNING]
    if len(spelling) <= _BEGINNING or beginning not in text:
        return text
    parts: list[str] = []
    done = 0
    while (at := text.find(beginning, done)) >= 0:
        parts += (text[done:at], MASK)
        there = text[at : at + len(spelling)]
        done = at + next((i for i, c in enumerate(there) if c != spelling[i]), len(there))
    return "".join((*parts, text[done:]))


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
        *_within_base64(raw),
        repr(secret)[1:-1],
    }


def _within_base64(raw: bytes) -> set[str]:
    """What ``raw`` looks like in the base64 of something longer, e.g. of ``user:password``."""
    found = set()
    for before in range(3):
        whole = (before + len(raw)) * 8 // 6
        text = b64encode(bytes(before) + raw).decode()[-(-before * 8 // 6) : whole]
        if len(text) >= _BEGINNING:
            found |= {text, text.replace("+", "-").replace("/", "_")}
    return found
