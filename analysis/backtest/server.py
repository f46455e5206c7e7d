"""Prometheus' past, through prometheus-api-client.

Owns the requests: that library asks from a few threads of its own, and its every request goes
through ``analysis.providers.http``, so that addresses, credentials, certificates, time and size are
bounded as those of live metrics are (the library by itself waits for ever, retries for seconds,
and drops the server's reasons and warnings). Refuses to interpret samples. Used by ``history``.
"""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from analysis.providers.base import ProviderError
from analysis.providers.config import Prometheus
from analysis.providers.http import Response
from analysis.providers.prometheus import PrometheusSource, read_document

if TYPE_CHECKING:
    from requests import PreparedRequest
    from requests import Response as Received

THREADS: Final = 4
SECONDS: Final = 120.0  # for one request: it may hold thousands of instants
MAX_BODY: Final = 64 * 1024 * 1024
_ANYWHERE: Final = "http://prometheus"  # the real address is known to the metric alone

Series = dict[str, Any]
"""One series as the HTTP API writes it."""


class Server(Protocol):
    """Where the past is read. Both raise ProviderError; times are whole seconds since the epoch."""

    async def range(self, config: Prometheus, start: int, end: int, step: int) -> list[Series]:
        """The query at ``start``, ``start + step``, … up to ``end``."""
        ...

    async def instant(self, config: Prometheus, moment: int) -> Any:
        """The query at one instant: a list of series, or the pair that is a scalar."""
        ...


class PastServer:
    """``source`` knows how a metric reaches its server. Close it when done."""

    def __init__(self, source: PrometheusSource) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="history")
        self.warnings: set[str] = set()

    async def range(self, config: Prometheus, start: int, end: int, step: int) -> list[Series]:
        def ask() -> Any:
            return self._client(config).custom_query_range(
                config.query, _instant(start), _instant(end), str(step)
            )

        found: list[Series] = await self._loop.run_in_executor(self._pool, _asked, ask)
        return found

    async def instant(self, config: Prometheus, moment: int) -> Any:
        def ask() -> Any:
            return self._client(config).custom_query(config.query, params={"time": moment})

        return await self._loop.run_in_executor(self._pool, _asked, ask)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _client(self, config: Prometheus) -> Any:
        """A client of its own for every request: sessions are not made for several threads."""
        import requests
        from prometheus_api_client import PrometheusConnect
        from urllib3.util.retry import Retry

        session = requests.Session()
        session.trust_env = False
        client = PrometheusConnect(_ANYWHERE, session=session, retry=Retry(0), timeout=SECONDS)
        session.mount(_ANYWHERE, self._transport(config))  # instead of the one it has mounted
        return client

    def _transport(self, config: Prometheus) -> Any:
        import requests

        def send(request: "PreparedRequest") -> "Received":
            url = urlsplit(str(request.url))
            form = dict(parse_qsl(url.query, keep_blank_values=True))
            exchange = self._source.exchange(config, url.path, form, SECONDS, namespace="")
            answer = asyncio.run_coroutine_threadsafe(exchange, self._loop).result()
            self._listen(_checked(read_document(answer)))
            return _received(request, answer)

        class Transport(requests.adapters.BaseAdapter):
            def send(self, request: "PreparedRequest", *_: Any, **__: Any) -> "Received":
                return send(request)

            def close(self) -> None:
                """Connections are closed by whoever opened them."""

        return Transport()

    def _listen(self, document: dict[str, Any]) -> None:
        warnings = document.get("warnings")
        if isinstance(warnings, list):
            self.warnings.update(str(text)[:256] for text in warnings)


def _asked(ask: Any) -> Any:
    """What the library complains about is an answer that is none."""
    from prometheus_api_client.exceptions import PrometheusApiClientException
    from requests import RequestException

    try:
        return ask()
    except (PrometheusApiClientException, RequestException) as error:
        raise ProviderError(str(error)[:1024]) from error


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    """The document, if it holds what the library takes for granted."""
    data = document.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("result"), list):
        raise ProviderError("bad_response: the answer has no list of results")
    return document


def _received(request: "PreparedRequest", answer: Response) -> "Received":
    import requests

    made = requests.Response()
    made.status_code = answer.status
    made.url = str(request.url)
    made.request = request
    made.encoding = "utf-8"
    made.raw = io.BytesIO(answer.body)
    return made


def _instant(moment: int) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
