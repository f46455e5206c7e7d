"""Requests signed with the AWS identity of the controller (signature version 4).

Owns finding that identity (the default chain: environment, web identity, pod identity, profile,
instance), assuming a role, signing, and knowing which hosts are Amazon's own. Needs the extra
``aws`` (botocore), which is only imported when something is to be signed. All of that may block, so
it has threads of its own; the request itself goes through the HTTP client. Refuses to sign for any
other host, over an unverified connection, or to repeat in an answer what it has sent. Raises
ProviderError. Used by the Prometheus and CloudWatch providers.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from analysis.providers.base import ProviderError
from analysis.providers.http import HttpClient, Request, Response, endpoint, where
from analysis.redact import MASK, Redactor

PROMETHEUS: Final = "aps"
"""How signatures call Amazon Managed Service for Prometheus."""
REGION_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
WORKSPACES: Final = "aps-workspaces"
_WORKSPACE_HOST: Final = re.compile(
    r"(?:vpce-[0-9a-z-]+\.)?aps-workspaces(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-[0-9])\."
    r"(?:(?:vpce\.)?amazonaws\.com(?:\.cn)?|api\.aws)"
)
_SESSION_NAME: Final = "rollouts"
_THREADS: Final = 4
_MOST: Final = 64  # identities known at once
_CONNECT_SECONDS, _READ_SECONDS = 5, 10  # of the service that hands out a role's credentials

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Identity:
    """Empty fields mean what the controller's own environment says."""

    region: str = ""
    profile: str = ""
    role: str = ""


class Aws:
    """Sends requests as the controller's AWS identity. ``environ``: of the controller."""

    def __init__(self, http: HttpClient, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self._http = http
        self._known: OrderedDict[Identity, Any] = OrderedDict()
        self._endpoints: dict[tuple[str, str], str] = {}
        self._threads: ThreadPoolExecutor | None = None

    async def send(self, request: Request, service: str, identity: Identity) -> Response:
        """The answer to ``request``, signed for ``service`` just before it is sent."""
        signed = await self.blocking(
            lambda: self._signed(request, service, identity), request.timeout
        )
        return _without(await self._http.send(signed), signed)

    async def blocking(self, call: Callable[[], _T], seconds: float) -> _T:
        """What ``call`` gives, from a thread, within ``seconds``."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="aws")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                return await loop.run_in_executor(self._threads, _in_words(call))
        except TimeoutError:
            raise ProviderError(f"no AWS credentials came within {seconds:g} s") from None

    def region(self, identity: Identity) -> str:
        """The region to ask in: the metric's, else the controller's. Blocks."""
        for region in (identity.region, *map(self.environ.get, REGION_VARIABLES)):
            if region:
                return region
        region = session(identity).get_config_variable("region")
        if not region:
            raise ProviderError("no AWS region: set AWS_REGION on the controller")
        return str(region)

    def endpoint(self, service: str, identity: Identity) -> str:
        """The URL of a service by the name botocore has for it. Blocks."""
        region = self.region(identity)
        if (service, region) not in self._endpoints:
            client = session(identity).create_client(service, region)
            self._endpoints[service, region] = str(client.meta.endpoint_url).rstrip("/")
        return self._endpoints[service, region]

    def _signed(self, request: Request, service: str, identity: Identity) -> Request:
        botocore = _botocore()
        identity = replace(identity, region=self.region(identity))
        keys = self._credentials(identity).get_frozen_credentials()
        kept = {name: text for name, text in request.headers if name.lower() != "authorization"}
        draft = botocore.awsrequest.AWSRequest(request.method, request.url, kept, request.body)
        botocore.auth.SigV4Auth(keys, service, identity.region).add_auth(draft)
        return replace(request, headers=tuple((n, str(text)) for n, text in draft.headers.items()))

    def _credentials(self, identity: Identity) -> Any:
        """Credentials that renew themselves."""
        found = self._known.get(identity)
        if found is None:
            found = _found(identity)
            self._known[identity] = found
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return found


def workspace_region(request: Request) -> str:
    """The region of the workspace that ``request`` goes to.

    Raises ProviderError unless the host is Amazon's own and the connection is verified.
    """
    scheme, host, port = endpoint(request.url)
    found = _WORKSPACE_HOST.fullmatch(host)
    if found is None or scheme != "https" or port != 443 or "@" in request.url:
        raise ProviderError(
            f"authentication.sigv4: {where(request.url)} is no workspace of Amazon Managed Service "
            "for Prometheus (https://aps-workspaces.REGION.amazonaws.com/workspaces/ID); AWS "
            "credentials go nowhere else"
        )
    if request.insecure:
        raise ProviderError("authentication.sigv4 needs a verified certificate: remove insecure")
    return found["region"]


def session(identity: Identity) -> Any:
    """What botocore sees of the controller's AWS configuration. Blocks."""
    return _botocore().session.Session(profile=identity.profile or None)


def _botocore() -> Any:
    """The library, with the parts of it that are used."""
    try:
        import botocore
        import botocore.auth
        import botocore.awsrequest
        import botocore.config
        import botocore.credentials
        import botocore.exceptions
        import botocore.session
    except ImportError:
        raise ProviderError(
            "requests to AWS need the extra 'aws': pip install 'rollouts[aws]'"
        ) from None
    return botocore


def _found(identity: Identity) -> Any:
    botocore, chosen = _botocore(), session(identity)
    credentials = chosen.get_credentials()
    if credentials is None:
        raise ProviderError(
            "no AWS credentials: give the controller's service account a role, or set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on it"
        )
    if not identity.role:
        return credentials
    config = botocore.config.Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": 1},
    )

    def client(service: str, **given: Any) -> Any:
        return chosen.create_client(service, identity.region, config=config, **given)

    fetcher = botocore.credentials.AssumeRoleCredentialFetcher(
        client_creator=client,
        source_credentials=credentials,
        role_arn=identity.role,
        extra_args={"RoleSessionName": _SESSION_NAME},
    )
    return botocore.credentials.DeferredRefreshableCredentials(
        refresh_using=fetcher.fetch_credentials, method="assume-role"
    )


def _in_words(call: Callable[[], _T]) -> Callable[[], _T]:
    """``call``, with what goes wrong in the library as a ProviderError."""

    def run() -> _T:
        errors = _botocore().exceptions
        try:
            return call()
        except (errors.BotoCoreError, errors.ClientError) as error:
            raise ProviderError(f"AWS credentials: {error}") from error
        except (OSError, ValueError, KeyError) as error:
            raise ProviderError(f"AWS credentials: {type(error).__name__}") from error

    return run


def _without(response: Response, signed: Request) -> Response:
    """The answer without what the request was signed with: Amazon explains a refused signature by
    repeating the request.
    """
    sent = {name.lower(): text for name, text in signed.headers}
    signature = sent.get("authorization", "").rpartition("Signature=")[2]
    body = response.body
    for spelling in Redactor.of([sent.get("x-amz-security-token", ""), signature]).spellings:
        body = body.replace(spelling.encode(), MASK.encode())
    return replace(response, body=body)
