"""Any HTTP endpoint as a measurement.

Owns what is requested and which part of a JSON answer is the result. An answer that is not JSON is
its own text. Any status but 2xx is an error. JSONPath is RFC 9535 in kubectl's braces; functions
and operators with regular expressions are refused, since they could take for ever.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import jsonpath
import orjson

from analysis.model import Model
from analysis.providers.authentication import Sender
from analysis.providers.base import (
    Answer,
    MetricProvider,
    ProviderError,
    Queried,
    Question,
    RunRef,
)
from analysis.providers.config import Web
from analysis.providers.http import Request, without_identity
from analysis.providers.tools import Tools
from analysis.spec import Metric

DEFAULT_TIMEOUT: Final = 10
_METHODS: Final = ("GET", "POST", "PUT")
_MAX_PATH: Final = 1024
_LARGE: Final = 64 * 1024  # bytes above which a path is evaluated in a thread


@dataclass(frozen=True, slots=True)
class WebSource:
    sender: Sender

    def question(self, metric: Metric) -> Question:
        request = _request(metric.provider.web or Web())
        return Question(f"{request.method} {without_identity(request.url)}")

    async def ask(self, run: RunRef, metric: Metric, question: Question) -> Answer:  # noqa: ARG002 - the seam
        config = metric.provider.web or Web()
        request = _request(config)
        response = await self.sender.send(run.namespace, request, config.authentication)
        if not 200 <= response.status < 300:
            raise ProviderError(f"received non 2xx response code: {response.status}")
        if len(response.body) > _LARGE:
            return await asyncio.to_thread(read_answer, response.body, config.json_path)
        return read_answer(response.body, config.json_path)

    def metadata(self, metric: Metric) -> dict[str, str]:  # noqa: ARG002 - nothing to add
        return {}


def provider(tools: Tools) -> MetricProvider:
    """The provider ``web``."""
    return Queried(WebSource(Sender(tools.http, tools.now)), tools.now)


def read_answer(body: bytes, path: str) -> Answer:
    """The result in ``body``; ``path`` is looked for in JSON only."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode("utf-8", "replace")
        return Answer(text, orjson.dumps(text).decode(), suffices=True)
    result = first_match(document, path)
    return Answer(result, orjson.dumps(result).decode(), suffices=True)


def first_match(document: Any, path: str) -> Any:
    """The first value at ``path`` (``{$.a.b}``, ``$.a.b`` or ``.a.b``; empty means everything)."""
    expression = plain_path(path)
    if expression == "$":
        return document
    compiled = _compiled(expression)
    try:
        found = compiled.match(document)
    except (jsonpath.JSONPathError, RecursionError, TypeError, ValueError) as error:
        raise ProviderError(f"jsonPath {path[:128]}: {error}") from error
    if found is None:
        raise ProviderError(f"Could not find JSONPath in body: {path[:128]}")
    return found.obj


def plain_path(path: str) -> str:
    """The spelling of kubectl without its braces and with its root."""
    text = path.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    if not text:
        return "$"
    return text if text.startswith("$") else f"${text if text[0] in '.[' else f'.{text}'}"


@lru_cache(maxsize=128)
def _compiled(expression: str) -> Any:
    if len(expression) > _MAX_PATH:
        raise ProviderError(f"jsonPath has more than {_MAX_PATH} characters")
    if "=~" in expression:
        raise ProviderError("jsonPath with =~ is not supported; use `matches` in a condition")
    try:
        return _environment().compile(expression)
    except (jsonpath.JSONPathError, RecursionError) as error:
        raise ProviderError(f"jsonPath {expression[:128]}: {error}") from error


@lru_cache(maxsize=1)
def _environment() -> jsonpath.JSONPathEnvironment:
    environment = jsonpath.JSONPathEnvironment()
    for name in ("match", "search"):
        environment.function_extensions.pop(name, None)
    return environment


def _request(config: Web) -> Request:
    method = config.method or "GET"
    if method not in _METHODS:
        raise ProviderError(f"web method '{method[:16]}' must be one of {', '.join(_METHODS)}")
    if config.body and config.json_body is not None:
        raise ProviderError("use either body or jsonBody; both cannot exist in a web metric")
    if method == "GET" and (config.body or config.json_body is not None):
        raise ProviderError("body and jsonBody can only be used with POST or PUT")
    timeout = config.timeout_seconds or DEFAULT_TIMEOUT
    if timeout < 0:
        raise ProviderError("web timeoutSeconds must not be negative")
    headers = [(header.key, header.value) for header in config.headers]
    body = config.body.encode()
    if config.json_body is not None:
        body = orjson.dumps(_jsonable(config.json_body))
        if not _has(headers, "content-type"):
            headers.append(("Content-Type", "application/json"))
    return Request(config.url, method, tuple(headers), body, timeout, config.insecure)


def _has(headers: Sequence[tuple[str, str]], name: str) -> bool:
    return any(key.lower() == name for key, _ in headers)


def _jsonable(value: Any) -> Any:
    return value.to_obj() if isinstance(value, Model) else value
