"""``python -m tests.security.leak``: a whole controller measures with a Secret; what it leaves behind.

Real sockets and real time, a server that repeats everything it is told, and logs of all libraries
at their most talkative on standard error. Prints every object of the cluster (Secrets aside) and the
metrics text. A process of its own, so that nothing it says is lost.
"""

import asyncio
import base64
import importlib.metadata
import json
import logging
import random
import sys
import types
from typing import Any

from analysis.providers.base import ProviderError
from analysis.providers.plugins import GROUP, configuration
from rollouts.controllers.metrics import Metrics
from rollouts.controllers.settings import Settings
from rollouts.controllers.wiring import controller_set
from rollouts.kube.resources import ANALYSIS_RUNS, SECRETS
from rollouts.runtime.clock import SystemClock
from rollouts.runtime.logging import configure
from rollouts.sandbox.cluster import Cluster
from tests.analysis.servers import reply, serving

TOKENS = {
    "plain": "canary-0123456789abcdef",
    "nasty": 'canary "quoted" \\ back/slash?a=b&c=d+e%41 <tag>',
    "long": "canary-" + "0123456789abcdef" * 400,
}
ENDS = ("Successful", "Failed", "Error", "Inconclusive")
T = "{{args.token}}"


class Answers(dict):
    """Every path is answered; most answers repeat the question."""

    def __missing__(self, path: str) -> Any:
        return self.echo

    @staticmethod
    def echo(seen: Any) -> bytes:
        body = seen.body.decode(errors="replace")
        said = {"target": seen.target, "headers": seen.headers, "body": body}
        kind = seen.target.strip("/").partition("/")[0].partition("?")[0]
        text = json.dumps(said)
        match kind:
            case "fails":
                return reply(text, "500 Broken")
            case "redirects":
                where = seen.target.replace("redirects", "elsewhere")
                return reply(status="302 Found", Location=f"http://169.254.169.254{where}")
            case "shortened":
                return reply(json.dumps("x" * 4080 + body))
            case "prom":
                error = {"status": "error", "errorType": "bad_data", "error": f"parse: {body}"}
                return reply(json.dumps(error), "400 Bad")
            case "token":
                return reply(json.dumps({"access_token": "canary-access-token-0123456789"}))
            case _:
                return reply(text)


def providers(url: str, host: str) -> dict[str, dict[str, Any]]:
    """Every way to use a Secret in a metric, by a name for it."""

    def web(**fields: Any) -> dict[str, Any]:
        return {"web": {"timeoutSeconds": 5, **fields}}

    def header(key: str, value: str) -> list[dict[str, str]]:
        return [{"key": key, "value": value}]

    oauth2 = {"tokenUrl": f"{url}/token", "clientId": "me", "clientSecret": T}
    prom = {"address": f"{url}/prom", "query": f'up{{token="{T}"}}'}
    return {
        "header": web(url=f"{url}/echo", headers=header("Authorization", f"Bearer {T}")),
        "url": web(url=f"{url}/echo?token={T}"),
        "identity": web(url=f"http://user:{T}@{host}/echo"),
        "body": web(url=f"{url}/echo", method="POST", body=T),
        "json": web(url=f"{url}/echo", method="POST", jsonBody={"k": [T]}),
        "shortened": web(url=f"{url}/shortened", method="POST", body=T),
        "fails": web(url=f"{url}/fails/{T}"),
        "redirects": web(url=f"{url}/redirects/{T}"),
        "nobody": web(url=f"http://127.0.0.1:1/{T}?{T}"),
        "no-url": web(url=f"http://[{T}/"),
        "no-scheme": web(url=f"{T}://{host}/"),
        "path": web(url=f"{url}/echo", jsonPath=f"{{$['{T}']}}"),
        "bad-path": web(url=f"{url}/echo", jsonPath=f"{{$[{T}}}"),
        "query": {"prometheus": prom},
        "basic": {
            "prometheus": {
                "address": url,
                "query": "up",
                "authentication": {"basicAuth": {"username": "me", "password": T}},
            }
        },
        "address": {"prometheus": {"address": f"prometheus-{T}", "query": "up"}},
        "range": {"prometheus": {**prom, "rangeQuery": {"start": T, "end": "now()", "step": "1m"}}},
        "oauth2": web(url=f"{url}/echo", authentication={"oauth2": oauth2}),
        "no-token": web(
            url=f"{url}/echo",
            authentication={"oauth2": {**oauth2, "tokenUrl": f"{url}/fails/{T}"}},
        ),
        "plugin": {"plugin": {"test/loud": {"token": T}}},
        "absent": {"plugin": {f"test/{T}": {}}},
    }


CONDITIONS = {
    "no-match": f"result == '{T}'",
    "broken": f"result == {T} &&",
    "lacking": f"result.{T} > 1",
    "typed": f"{T}",
}


def loud(tools: Any) -> Any:
    """A plug-in that says everything it knows."""

    class Loud:
        async def run(self, _run: Any, metric: Any, _more: Any) -> Any:
            raise ProviderError(f"loud: {configuration(metric)} {metric!r}")

        resume = terminate = garbage_collect = run

        def metadata(self, metric: Any) -> dict[str, str]:
            return {"about": str(configuration(metric))}

    return Loud()


def install_plugin() -> None:
    module = types.ModuleType("loud_plugin")
    module.provider = loud  # type: ignore[attr-defined]
    sys.modules["loud_plugin"] = module
    entry = importlib.metadata.EntryPoint("test/loud", "loud_plugin:provider", GROUP)
    importlib.metadata.entry_points = lambda **_: (entry,)  # type: ignore[assignment]
    sys.modules["analysis.providers.plugins"].entry_points = lambda **_: (entry,)  # type: ignore[attr-defined]


def run_of(name: str, provider: dict[str, Any], condition: str, token: str) -> dict[str, Any]:
    ref = {"secretKeyRef": {"name": "creds", "key": token}}
    metric = {
        "name": f"m-{T}" if name == "named" else "m",
        "provider": provider,
        "successCondition": condition,
        "consecutiveErrorLimit": 0,
    }
    return {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": "AnalysisRun",
        "metadata": {"name": f"{token}-{name}"},
        "spec": {"metrics": [metric], "args": [{"name": "token", "valueFrom": ref}]},
    }


async def everything(cluster: Cluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for info in cluster.server.registry.all():
        resource = info.resource
        if resource == SECRETS or "list" not in info.verbs:
            continue
        found += (await cluster.api.list(resource, None)).get("items") or []
    return found


async def main() -> dict[str, Any]:
    clock, metrics = SystemClock(), Metrics()
    cluster = Cluster(clock, random.Random(1))
    settings = Settings(leader_elect=False, analysis_workers=100)
    (manager,) = controller_set(
        cluster.api,
        clock,
        random.Random(2),
        settings=settings,
        metrics=metrics,
        allow_loopback=True,
    )
    data = {key: base64.b64encode(text.encode()).decode() for key, text in TOKENS.items()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "creds"}, "data": data}
    await cluster.api.create(SECRETS, secret, "default")
    async with serving(Answers()) as server:
        running = asyncio.create_task(manager.run())
        ways = {**providers(server.url, f"127.0.0.1:{server.port}")}
        bodies = [
            run_of(name, provider, "result == 1", token)
            for token in TOKENS
            for name, provider in (*ways.items(), ("named", ways["header"]))
        ]
        bodies += [
            run_of(f"condition-{name}", ways["body"], condition, token)
            for token in TOKENS
            for name, condition in CONDITIONS.items()
        ]
        for body in bodies:
            await cluster.api.create(ANALYSIS_RUNS, body, "default")
        async with asyncio.timeout(60):
            while True:
                runs = (await cluster.api.list(ANALYSIS_RUNS, "default"))["items"]
                if all((run.get("status") or {}).get("phase") in ENDS for run in runs):
                    break
                await asyncio.sleep(0.2)
        heard = [str(seen) for seen in server.seen]
        await asyncio.sleep(0.5)
        manager.stop()
        await running
    return {
        "objects": await everything(cluster),
        "metrics": metrics.text().decode(),
        "runs": len(runs),
        "heard": sum("canary-" in one for one in heard),
    }


if __name__ == "__main__":
    configure("debug", "text")
    logging.getLogger().setLevel(logging.DEBUG)
    install_plugin()
    sys.stdout.write(json.dumps(asyncio.run(main(), debug=True)))
