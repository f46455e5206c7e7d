"""Secrets of metric providers: which ones a run may use, and that none of them shows."""

import asyncio
import base64
import random

import pytest

from analysis.measure import Given, Measurer
from analysis.plan import plan_run
from analysis.providers.base import Answer, ProviderError, Providers, Queried, Question, RunRef
from analysis.redact import Redactor
from analysis.schedule import tasks
from analysis.spec import RunSpec, RunStatus
from rollouts.api.labels import METRIC_CREDENTIALS
from rollouts.controllers.provider_secrets import ClusterSecrets
from rollouts.controllers.settings import Settings
from rollouts.controllers.wiring import controller_set
from rollouts.kube.errors import Forbidden, ServerError
from rollouts.kube.resources import ANALYSIS_RUNS, NAMESPACES, SECRETS
from rollouts.sandbox.cluster import Cluster
from rollouts.simulate.loop import run_virtual, virtual_clock
from tests.analysis.apis import FakeSecrets

HOME, TEAM = "rollouts", "team"


def in_a_cluster(test):
    """Decorator: run with the api of a cluster with both namespaces."""

    def told():
        async def main():
            cluster = Cluster(virtual_clock(), random.Random(7))
            await cluster.start()
            try:
                for name in (HOME, TEAM):
                    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                    await cluster.api.create(NAMESPACES, body)
                await test(cluster.api)
            finally:
                await cluster.stop()

        run_virtual(main())

    told.__name__, told.__doc__ = test.__name__, test.__doc__
    return told


async def put(api, namespace, name, labels=None, **data):
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    meta = {"name": name, "labels": labels or {}}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded}
    await api.create(SECRETS, body, namespace)


@in_a_cluster
async def test_the_usual_secret_works_without_further_ado(api):
    await put(api, HOME, "datadog", token="t")
    assert await ClusterSecrets(api, TEAM, HOME).of_controller("datadog", "datadog") == {
        "token": "t"
    }


@in_a_cluster
async def test_another_secret_beside_the_controller_must_say_that_it_is_for_metrics(api):
    await put(api, HOME, "tls", token="t")
    with pytest.raises(ProviderError) as error:
        await ClusterSecrets(api, TEAM, HOME).of_controller("tls", "datadog")
    for word in ("'rollouts/tls'", f"{METRIC_CREDENTIALS}=true", "'datadog'"):
        assert word in str(error.value)


@in_a_cluster
async def test_with_the_label_it_may_be_used(api):
    await put(api, HOME, "second", {METRIC_CREDENTIALS: "true"}, token="t")
    await put(api, HOME, "third", {METRIC_CREDENTIALS: "false"}, token="t")
    secrets = ClusterSecrets(api, TEAM, HOME)
    assert await secrets.of_controller("second", "datadog") == {"token": "t"}
    with pytest.raises(ProviderError, match="not for metrics"):
        await secrets.of_controller("third", "datadog")


@in_a_cluster
async def test_beside_the_run_any_secret_may_be_used_and_no_other(api):
    await put(api, TEAM, "mine", token="t")
    await put(api, HOME, "theirs", {METRIC_CREDENTIALS: "true"}, token="t")
    secrets = ClusterSecrets(api, TEAM, HOME)
    assert await secrets.of_run("mine") == {"token": "t"}
    with pytest.raises(ProviderError, match="secret 'team/theirs' not found"):
        await secrets.of_run("theirs")


@pytest.mark.parametrize(
    "name", ["", "..", "../rollouts/x", "rollouts/datadog", "A", "a/b", "x?y", "a%2fb", "a" * 254]
)
def test_what_is_no_name_is_refused(name):
    @in_a_cluster
    async def told(api):
        secrets = ClusterSecrets(api, TEAM, HOME)
        with pytest.raises(ProviderError, match="is not valid"):
            await secrets.of_run(name)
        with pytest.raises(ProviderError, match="is not valid"):
            await secrets.of_controller(name, "datadog")

    told()


@in_a_cluster
async def test_what_is_no_text_is_left_out(api):
    await put(api, TEAM, "mixed", token="t")
    encoded = base64.b64encode(b"\xff\xfe").decode()
    await api.patch(SECRETS, "mixed", {"data": {"binary": encoded}}, TEAM)
    assert await ClusterSecrets(api, TEAM, HOME).of_run("mixed") == {"token": "t"}


class Refusing:
    def __init__(self, error):
        self.error = error

    async def get(self, *_):
        raise self.error


async def test_a_secret_that_may_not_be_read_is_an_error_of_the_measurement():
    with pytest.raises(ProviderError, match="'team/x' may not be read: no rights"):
        await ClusterSecrets(Refusing(Forbidden("no rights")), TEAM, HOME).of_run("x")


async def test_an_api_server_in_trouble_is_asked_again_later():
    with pytest.raises(ServerError):
        await ClusterSecrets(Refusing(ServerError("away")), TEAM, HOME).of_run("x")


# --- what shows ---


class Talkative:
    """A source that repeats its credentials wherever it can."""

    def __init__(self, error=False):
        self.error = error

    def question(self, metric):
        return Question(metric.provider.prometheus.query)

    async def ask(self, run, metric, question):  # noqa: ARG002 - the seam
        found = await run.secrets.of_controller("usual", "usual")
        text = f"said {found['token']} to {found['address']} in {found['region']}"
        if self.error:
            raise ProviderError(text)
        return Answer([text], text, {"told": text})

    def metadata(self, metric):  # noqa: ARG002 - the seam
        return {}


READ = {"token": "canary-token", "address": "https://canary.example", "region": "us"}


@pytest.mark.parametrize("error", [False, True])
async def test_whatever_a_provider_has_read_is_masked_in_what_it_reports(error):
    metric = {
        "name": "m",
        "provider": {"prometheus": {"query": "about canary-token"}},
        "successCondition": 'result[0] contains "canary-token"',
    }
    (task,) = tasks(plan_run(RunSpec.model_validate({"metrics": [metric]})), RunStatus(), 0.0)
    measurer = Measurer(
        Providers({"prometheus": Queried(Talkative(error), lambda: 0.0)}), lambda: 0.0
    )
    run = RunRef("team", "run", "uid", FakeSecrets(controller={"usual": READ}))
    (done,) = await measurer.measure(run, [task], Given({}, Redactor.of(())))
    assert "canary" not in repr(done.measurement.to_obj()).replace("result[0] contains", "")
    said = done.measurement.message if error else done.measurement.value
    assert said == "said ***** to ***** in us"


async def test_what_clearing_up_reads_is_masked_as_well():
    class Untidy(Queried):
        async def garbage_collect(self, run, metric, limit):  # noqa: ARG002 - the seam
            raise ProviderError(f"stuck with {await run.secrets.of_run('usual')}")

    metric = {"name": "m", "provider": {"prometheus": {"query": "q"}}}
    (task,) = tasks(plan_run(RunSpec.model_validate({"metrics": [metric]})), RunStatus(), 0.0)
    secrets = FakeSecrets({"usual": READ}, {"usual": READ})
    run = RunRef("team", "run", "uid", secrets)
    providers = Providers({"prometheus": Untidy(Talkative(), lambda: 0.0)})
    measurer = Measurer(providers, lambda: 0.0)
    done = await measurer.measure(run, [task], Given({}, Redactor.of(())))
    ((name, error),) = await measurer.collect_garbage(run, done)
    assert name == "m"
    assert "stuck with" in str(error)
    assert "canary" not in str(error)


@in_a_cluster
async def test_a_run_made_by_hand_cannot_use_the_operators_secrets(api):
    """Templates bypassed: the rule holds where the measurement is made."""
    await put(api, HOME, "admin", **{"api-key": "canary", "app-key": "canary", "address": "x"})
    (manager,) = controller_set(
        api,
        virtual_clock(),
        random.Random(1),
        settings=Settings(namespace=HOME, leader_elect=False),
    )
    running = asyncio.create_task(manager.run())
    provider = {"datadog": {"query": "q", "secretRef": {"name": "admin"}}}
    metric = {"name": "m", "provider": provider, "consecutiveErrorLimit": 0}
    body = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisRun",
        "metadata": {"name": "run"},
        "spec": {"metrics": [metric]},
    }
    await api.create(ANALYSIS_RUNS, body, TEAM)
    await asyncio.sleep(30)
    status = (await api.get(ANALYSIS_RUNS, "run", TEAM))["status"]
    manager.stop()
    await running
    assert status["phase"] == "Error"
    assert "secret 'rollouts/admin' is not for metrics" in status["message"]
    assert "canary" not in repr(status)
