"""Absolute URLs and URIs, as Kubernetes' url() reads them."""

from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from rollouts.sandbox.crd.cel.signatures import Library
from rollouts.sandbox.crd.cel.values import EvalError

LIBRARY: Final = Library()
function = LIBRARY.function


@dataclass(frozen=True, slots=True)
class Url:
    cel_type: ClassVar[str] = "kubernetes.URL"
    parts: SplitResult


def parse_url(text: str) -> Url | None:
    """An absolute URI, or an absolute path; None when it is neither."""
    if any(c.isspace() or ord(c) < 32 or ord(c) == 127 for c in text):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    absolute = bool(parts.scheme) and (bool(parts.netloc) or text != f"{parts.scheme}:")
    if not absolute and not text.startswith("/"):
        return None
    return Url(parts)


@function("isURL(string) -> bool")
def is_url(text: str) -> bool:
    return parse_url(text) is not None


@function("url(string) -> kubernetes.URL")
def url(text: str) -> Url:
    parsed = parse_url(text)
    if parsed is None:
        raise EvalError(f"URL parse error during conversion from string: {text}")
    return parsed


@function("kubernetes.URL.getScheme() -> string")
def scheme(value: Url) -> str:
    return value.parts.scheme


@function("kubernetes.URL.getHost() -> string")
def host(value: Url) -> str:
    return value.parts.netloc.rpartition("@")[2]


@function("kubernetes.URL.getHostname() -> string")
def hostname(value: Url) -> str:
    name = host(value)
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


@function("kubernetes.URL.getPort() -> string")
def port(value: Url) -> str:
    number = value.parts.port
    return "" if number is None else str(number)


@function("kubernetes.URL.getEscapedPath() -> string")
def escaped_path(value: Url) -> str:
    return quote(value.parts.path, safe="/%:@!$&'()*+,;=-._~")


@function("kubernetes.URL.getQuery() -> map(string, list(string))")
def query(value: Url) -> dict[str, list[str]]:
    return parse_qs(value.parts.query, keep_blank_values=True)
