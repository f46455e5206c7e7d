"""Which shape and encoding of an answer the client asked for in its Accept header.

Owns content negotiation as an API server does it: the first acceptable entry wins, and an entry
may ask for a Table or for metadata only. Refuses what cannot be served (406). Pure.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rollouts.kube.errors import ApiError

DISCOVERY_GROUP: Final = "apidiscovery.k8s.io"
_SERVED: Final = ("application/json", "application/yaml")
_ANY: Final = ("*/*", "application/*")


class Shape(StrEnum):
    """What the answer is turned into."""

    OBJECT = ""
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"


@dataclass(frozen=True, slots=True)
class Answer:
    """``version`` is that of the Table or metadata asked for (``v1``, ``v1beta1``)."""

    shape: Shape = Shape.OBJECT
    version: str = "v1"
    yaml: bool = False


@dataclass(frozen=True, slots=True)
class _Entry:
    media: str
    parameters: dict[str, str]


def negotiate(accept: str) -> Answer:
    """Raises a 406 error when nothing in ``accept`` can be served."""
    if not accept.strip():
        return Answer()
    for entry in _parse(accept):
        answer = _answer(entry)
        if answer is not None:
            return answer
    raise ApiError(
        "only the following media types are accepted: " + ", ".join(_SERVED),
        code=406,
        reason="NotAcceptable",
    )


def discovery_version(accept: str) -> str:
    """The version of aggregated discovery wanted (``v2``, ``v2beta1``), "" for the plain form."""
    for entry in _parse(accept):
        wanted = entry.parameters
        if wanted.get("as") == "APIGroupDiscoveryList" and wanted.get("g") == DISCOVERY_GROUP:
            if entry.media == "application/json" and wanted.get("v") in {"v2", "v2beta1"}:
                return wanted["v"]
        elif entry.media in (*_SERVED, *_ANY):
            return ""
    return ""


def _answer(entry: _Entry) -> Answer | None:
    yaml = entry.media == "application/yaml"
    if entry.media not in (*_SERVED, *_ANY):
        return None
    wanted = entry.parameters.get("as", "")
    if not wanted:
        return Answer(yaml=yaml)
    version = entry.parameters.get("v", "v1")
    if entry.parameters.get("g") != "meta.k8s.io" or version not in {"v1", "v1beta1"}:
        return None
    if wanted not in set(Shape):
        return None
    return Answer(Shape(wanted), version, yaml)


def _parse(accept: str) -> list[_Entry]:
    """Entries by falling quality, in the order written within one quality."""
    ranked: list[tuple[float, int, _Entry]] = []
    for position, text in enumerate(part.strip() for part in accept.split(",") if part.strip()):
        media, *rest = (piece.strip() for piece in text.split(";"))
        pairs = dict(piece.split("=", 1) for piece in rest if "=" in piece)
        try:
            quality = float(pairs.pop("q", "1"))
        except ValueError:
            quality = 0.0
        if quality > 0:
            ranked.append((-quality, position, _Entry(media.lower(), pairs)))
    return [entry for _, _, entry in sorted(ranked, key=lambda one: one[:2])]
