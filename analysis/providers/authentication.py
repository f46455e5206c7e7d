"""How a request to a metric server says who asks.

Owns basic authentication, OAuth 2 client credentials, and the tokens fetched with them: a token is
kept for the namespace and the client it was given to, never longer than it is good for, and never
handed to anybody else. Leaves AWS signatures to ``analysis.providers.aws``. Used by the Prometheus
and web providers.
"""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlencode

import orjson

from analysis.providers.aws import PROMETHEUS, WORKSPACES, Aws, Identity, workspace_region
from analysis.providers.base import Now, ProviderError
from analysis.providers.config import Authentication, OAuth2, Sigv4
from analysis.providers.http import HttpClient, Request, Response, where
from analysis.redact import MASK, Redactor

_UNSAID: Final = 300.0  # seconds a token is kept whose server does not say how long it is good
_LONGEST: Final = 86_400.0
_MARGIN: Final = 30.0  # seconds before its end from which a token is not used any more
_MOST: Final = 1024  # tokens kept at once


@dataclass(frozen=True, slots=True)
class _Client:
    """Who a token belongs to; the secret only as its hash."""

    namespace: str
    token_url: str
    client_id: str
    secret: bytes
    scopes: tuple[str, ...]
    insecure: bool


@dataclass(frozen=True, slots=True)
class _Token:
    """``until``: when it is not used any more, in seconds since the epoch."""

    text: str = field(repr=False)
    until: float


class Sender:
    """Sends requests as who the metric says it is. One per provider; tokens are kept in it.

    ``aws``: signs requests to Amazon's hosts; without it they are refused.
    """

    def __init__(self, http: HttpClient, now: Now, aws: Aws | None = None) -> None:
        self._http = http
        self._now = now
        self._aws = aws
        self._tokens: OrderedDict[_Client, _Token] = OrderedDict()
        self._fetching: dict[_Client, asyncio.Task[_Token]] = {}

    async def send(
        self, namespace: str, request: Request, authentication: Authentication | None
    ) -> Response:
        """The answer to ``request``, asked for a run in ``namespace``.

        A token the server refuses (401) is dropped and fetched anew, once. Raises ProviderError
        when there are no credentials to be had.
        """
        oauth2 = authentication.oauth2 if authentication is not None else None
        basic = authentication.basic_auth if authentication is not None else None
        if authentication is None:
            return await self._http.send(request)
        if basic is not None:
            identity = (basic.username, basic.password)
            return await self._http.send(replace(request, basic_auth=identity))
        if oauth2 is not None and (oauth2.token_url or oauth2.client_id):
            return await self._send_with_token(namespace, request, oauth2)
        if authentication.sigv4 is not None and WORKSPACES in request.url.lower():
            return await self._send_signed(request, authentication.sigv4)
        return await self._http.send(request)

    async def _send_signed(self, request: Request, sigv4: Sigv4) -> Response:
        region = workspace_region(request)
        if self._aws is None:
            raise ProviderError("authentication.sigv4: requests are not signed here")
        identity = Identity(sigv4.region or region, sigv4.profile, sigv4.role_arn)
        return await self._aws.send(request, PROMETHEUS, identity)

    async def _send_with_token(self, namespace: str, request: Request, oauth2: OAuth2) -> Response:
        client = _client(namespace, request, oauth2)
        kept = self._kept(client)
        token = kept or await self._fetched(client, oauth2, request.timeout)
        response = await self._http.send(_bearing(request, token))
        if response.status == 401 and kept is not None:
            if self._tokens.get(client) == kept:
                del self._tokens[client]
            token = self._kept(client) or await self._fetched(client, oauth2, request.timeout)
            response = await self._http.send(_bearing(request, token))
        return without(response, token.text)

    def _kept(self, client: _Client) -> _Token | None:
        token = self._tokens.get(client)
        if token is None or self._now() >= token.until:
            self._tokens.pop(client, None)
            return None
        self._tokens.move_to_end(client)
        return token

    async def _fetched(self, client: _Client, oauth2: OAuth2, timeout: float) -> _Token:  # noqa: ASYNC109 - the metric's own, for the request
        """A new token; those who need the same one at the same time share the request for it."""
        task = self._fetching.get(client)
        if task is None:
            task = asyncio.create_task(self._fetch(client, oauth2, timeout))
            self._fetching[client] = task
            task.add_done_callback(lambda ended: self._over(client, ended))
        return await asyncio.shield(task)

    def _over(self, client: _Client, ended: "asyncio.Task[_Token]") -> None:
        self._fetching.pop(client, None)
        if not ended.cancelled():
            ended.exception()  # told to those who wait, if any still do

    async def _fetch(self, client: _Client, oauth2: OAuth2, timeout: float) -> _Token:  # noqa: ASYNC109 - see above
        text, seconds = await _ask(self._http, client, oauth2, timeout)
        token = _Token(text, self._now() + seconds - min(_MARGIN, seconds / 4))
        if seconds > 0:
            self._tokens[client] = token
        while len(self._tokens) > _MOST:
            self._tokens.popitem(last=False)
        return token


def _client(namespace: str, request: Request, oauth2: OAuth2) -> _Client:
    return _Client(
        namespace=namespace,
        token_url=oauth2.token_url,
        client_id=oauth2.client_id,
        secret=hashlib.sha256(oauth2.client_secret.encode()).digest(),
        scopes=tuple(oauth2.scopes),
        insecure=request.insecure,
    )


def _bearing(request: Request, token: _Token) -> Request:
    kept = tuple(h for h in request.headers if h[0].lower() != "authorization")
    return replace(request, headers=(*kept, ("Authorization", f"Bearer {token.text}")))


def without(response: Response, *secrets: str) -> Response:
    """The answer without these, which servers that echo requests would put into a status."""
    body = response.body
    for spelling in Redactor.of(secrets).spellings:
        body = body.replace(spelling.encode(), MASK.encode())
    return replace(response, body=body)


async def _ask(
    http: HttpClient,
    client: _Client,
    oauth2: OAuth2,
    timeout: float,  # noqa: ASYNC109 - see above
) -> tuple[str, float]:
    """A token and its seconds to live; the client's identity goes in a header, then in the form."""
    _check(oauth2)
    form = {"grant_type": "client_credentials"}
    if oauth2.scopes:
        form["scope"] = " ".join(oauth2.scopes)
    ask = Request(
        url=oauth2.token_url,
        method="POST",
        headers=(("Content-Type", "application/x-www-form-urlencoded"),),
        body=urlencode(form).encode(),
        timeout=timeout,
        insecure=client.insecure,
        basic_auth=(oauth2.client_id, oauth2.client_secret),
    )
    response = await http.send(ask)
    if response.status in (400, 401):
        form |= {"client_id": oauth2.client_id, "client_secret": oauth2.client_secret}
        response = await http.send(replace(ask, basic_auth=None, body=urlencode(form).encode()))
    return _read_token(response, oauth2)


def _check(oauth2: OAuth2) -> None:
    missing = [
        name
        for name, value in (
            ("tokenUrl", oauth2.token_url),
            ("clientId", oauth2.client_id),
            ("clientSecret", oauth2.client_secret),
        )
        if not value
    ]
    if missing:
        raise ProviderError(f"missing mandatory parameter in oauth2: {', '.join(missing)}")


def _read_token(response: Response, oauth2: OAuth2) -> tuple[str, float]:
    if not 200 <= response.status < 300:
        raise ProviderError(f"{where(oauth2.token_url)} refused a token: status {response.status}")
    try:
        answer = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        answer = None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise ProviderError(f"{where(oauth2.token_url)} sent no access_token")
    said = answer.get("expires_in") if isinstance(answer, dict) else None
    try:
        seconds = _UNSAID if said is None else float(said)
    except (TypeError, ValueError):
        seconds = _UNSAID
    return token, min(max(0.0, seconds), _LONGEST)
