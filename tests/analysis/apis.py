"""What the tests of providers share: a measurement as the controller makes it, and bad servers."""

import asyncio
from dataclasses import dataclass, field, replace

from analysis.measure import Given, Measurer
from analysis.plan import plan_run
from analysis.providers.address import AddressPolicy
from analysis.providers.base import ProviderError, Providers, RunRef
from analysis.providers.http import HttpClient
from analysis.providers.tools import Tools
from analysis.redact import Redactor
from analysis.schedule import Action, tasks
from analysis.spec import Measurement, MetricResult, Phase, RunSpec, RunStatus
from tests.analysis.servers import reply

NOW = 1_767_323_045.0  # 2026-01-02T03:04:05Z
MAX_BODY = 20_000


@dataclass
class FakeSecrets:
    """Secrets by name, beside the run and beside the controller; remembers what was asked for."""

    run: dict = field(default_factory=dict)
    controller: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    async def of_run(self, name):
        self.asked.append(("run", name))
        return self._found(self.run, name)

    async def of_controller(self, name, usual):
        self.asked.append(("controller", name, usual))
        return self._found(self.controller, name)

    def _found(self, secrets, name):
        if name not in secrets:
            raise ProviderError(f"secret '{name}' not found")
        return secrets[name]


class Client(HttpClient):
    """Finds some addresses of the internet on this machine. ``patience``: seconds at most."""

    def __init__(self, elsewhere=None, patience=60.0, max_body=MAX_BODY):
        super().__init__(policy=AddressPolicy(allow_loopback=True), max_body=max_body)
        self.elsewhere = elsewhere or {}
        self.patience = patience
        self.urls = []
        self.timeouts = []

    async def send(self, request):
        self.urls.append(request.url)
        self.timeouts.append(request.timeout)
        url = request.url
        for address, here in self.elsewhere.items():
            if url.startswith(address):
                url = here + url.removeprefix(address)
        timeout = min(request.timeout, self.patience)
        return await super().send(replace(request, url=url, timeout=timeout))


def impatient():
    return Client(patience=0.05)


async def measured(
    make,
    config,
    *,
    secrets=None,
    environ=None,
    http=None,
    metric=None,
    before=None,
    action=None,
    now=lambda: NOW,
):
    """The measurement of ``config`` (``{provider: {...}}``) by the provider that ``make`` makes.

    ``metric``: other fields of the metric. ``before``: a measurement to go on with.
    """
    client = http or Client()
    (name,) = config
    spec = RunSpec.model_validate(
        {"metrics": [{"name": "m", "provider": config, **(metric or {})}]}
    )
    plan = plan_run(spec)
    status = RunStatus()
    if before is not None:
        status = RunStatus(metric_results=[MetricResult(name="m", measurements=[before])])
    (task,) = tasks(plan, status, NOW + 3600)
    if action is not None:
        task = replace(task, action=action)
    providers = Providers({name: make(Tools(client, now, environ or {}))})
    run = RunRef("team", "run", "uid", secrets or FakeSecrets())
    given = Given({}, Redactor.of(()))
    try:
        (done,) = await Measurer(providers, now).measure(run, [task], given)
    finally:
        await client.aclose()
    assert isinstance(done.measurement, Measurement)
    return done.measurement


TERMINATE = Action.TERMINATE


def silent(_):
    """An answer that never comes."""

    async def never():
        await asyncio.sleep(3600)
        yield b""

    return never()


TROUBLES = {
    "not-authenticated": (reply("nope", "401 Unauthorized"), "credentials (status 401): nope"),
    "not-allowed": (reply("", "403 Forbidden"), "refused the credentials (status 403)"),
    "rate-limit": (
        reply("", "429 Too Many Requests", Retry_After="30"),
        "limits the rate of queries (status 429), and asks to wait 30 s; use a longer interval",
    ),
    "rate-limit-without-a-hint": (
        reply("slow down", "429 Too Many Requests"),
        "limits the rate of queries (status 429); use a longer interval: slow down",
    ),
    "bad-gateway": (reply("<html>oops</html>", "502 Bad Gateway"), "failed (status 502)"),
    "unavailable": (reply("in maintenance", "503 Gone"), "failed (status 503): in maintenance"),
    "not-found": (reply("no such page", "404 Not Found"), "(status 404): no such page"),
    "huge": (reply(b"[" + b"1," * MAX_BODY + b"1]"), f"sent more than {MAX_BODY} bytes"),
}
"""What any server may do instead of answering, and what is said of it."""
GARBAGE = {
    "html": reply("<html><body>Sign in</body></html>"),
    "empty": reply(""),
    "half": reply('{"data": ['),
    "number": reply("17"),
    "list": reply("[[]]"),
    "object": reply("{}"),
    "nested": reply("[" * 5000),
    "bytes": reply(b"\xff\xfe\x00"),
}
"""Good statuses with what is no answer of the API."""


def failed(measurement):
    """The message of a measurement that could not be made."""
    assert measurement.phase is Phase.ERROR
    assert measurement.value == ""
    assert measurement.finished_at
    return measurement.message


def everything(measurement):
    """All text of a measurement."""
    return repr(measurement.to_obj())
