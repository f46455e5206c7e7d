"""How a request to a metric server says who asks.

Owns basic authentication and OAuth 2 client credentials. A token is fetched for every measurement
and never kept, so it cannot serve anybody else. Refuses AWS signatures, with a clear message. Used
by the Prometheus and web providers.
"""

from dataclasses import replace
from urllib.parse import urlencode

import orjson

from analysis.providers.base import ProviderError
from analysis.providers.config import Authentication, OAuth2
from analysis.providers.http import HttpClient, Request, Response, where

_AWS_HOST = "aps-workspaces"


async def authenticated(
    http: HttpClient, request: Request, authentication: Authentication | None
) -> Request:
    """``request`` with its credentials. Raises ProviderError when there are none to be had."""
    if authentication is None:
        return request
    if basic := authentication.basic_auth:
        return replace(request, basic_auth=(basic.username, basic.password))
    if (oauth2 := authentication.oauth2) and (oauth2.token_url or oauth2.client_id):
        token = await _token(http, oauth2, request)
        kept = tuple(h for h in request.headers if h[0].lower() != "authorization")
        return replace(request, headers=(*kept, ("Authorization", f"Bearer {token}")))
    if authentication.sigv4 and _AWS_HOST in request.url:
        raise ProviderError("authentication.sigv4 is not supported; use oauth2 or headers")
    return request


async def _token(http: HttpClient, oauth2: OAuth2, request: Request) -> str:
    """Ask for a token, with the client's identity first in a header, then in the form."""
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
    form = {"grant_type": "client_credentials"}
    if oauth2.scopes:
        form["scope"] = " ".join(oauth2.scopes)
    ask = Request(
        url=oauth2.token_url,
        method="POST",
        headers=(("Content-Type", "application/x-www-form-urlencoded"),),
        body=urlencode(form).encode(),
        timeout=request.timeout,
        insecure=request.insecure,
        basic_auth=(oauth2.client_id, oauth2.client_secret),
    )
    response = await http.send(ask)
    if response.status in (400, 401):
        form |= {"client_id": oauth2.client_id, "client_secret": oauth2.client_secret}
        response = await http.send(replace(ask, basic_auth=None, body=urlencode(form).encode()))
    return _read_token(response, oauth2)


def _read_token(response: Response, oauth2: OAuth2) -> str:
    if not 200 <= response.status < 300:
        raise ProviderError(f"{where(oauth2.token_url)} refused a token: status {response.status}")
    try:
        answer = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        answer = None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise ProviderError(f"{where(oauth2.token_url)} sent no access_token")
    return token
