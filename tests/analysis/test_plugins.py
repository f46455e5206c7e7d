"""Providers of other packages: found by name, made when first needed, trusted with nothing else."""

import sys
import textwrap
from pathlib import Path

import pytest

from analysis.measure import Given, Measurer
from analysis.plan import plan_run
from analysis.providers.address import AddressPolicy
from analysis.providers.base import ProviderError, RunRef
from analysis.providers.http import HttpClient
from analysis.providers.plugins import Plugins, configuration
from analysis.providers.registry import default_providers
from analysis.providers.tools import Tools
from analysis.redact import Redactor
from analysis.schedule import tasks
from analysis.spec import Metric, Phase, RunSpec, RunStatus
from tests.analysis.servers import reply, serving

RUN = RunRef("default", "run", "uid")
DOCUMENTATION = Path("docs/metric-providers.md").read_text(encoding="utf-8")
GOOD = """
    from dataclasses import dataclass
    from analysis.providers.base import Answer, Queried, Question
    from analysis.providers.plugins import configuration

    MADE = []

    @dataclass(frozen=True)
    class Dice:
        def question(self, metric):
            return Question(f"roll {configuration(metric)['sides']}")

        async def ask(self, run, metric, question):
            return Answer(configuration(metric)["sides"], "rolled")

        def metadata(self, metric):
            return {"sides": configuration(metric)["sides"]}

    def provider(tools):
        MADE.append(tools)
        return Queried(Dice(), tools.now)

    def broken(tools):
        raise RuntimeError("no dice")

    def nothing(tools):
        return object()

    class Rude:
        async def run(self, run, metric, ordinal):
            return 42

        async def resume(self, run, metric, measurement):
            raise KeyError("lost")

        terminate = resume

        async def garbage_collect(self, run, metric, limit):
            raise OSError("full")

        def metadata(self, metric):
            return {}

    def rude(tools):
        return Rude()
"""


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """A package with plug-ins, as an installer leaves it behind."""

    def install(name="dice", entries=(), code=GOOD):
        (tmp_path / f"{name}_plugin.py").write_text(textwrap.dedent(code))
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = "\n".join(f"{key} = {name}_plugin:{value}" for key, value in entries)
        (info / "entry_points.txt").write_text(f"[rollouts.metric_providers]\n{lines}\n")

    monkeypatch.syspath_prepend(str(tmp_path))
    yield install
    for module in [name for name in sys.modules if name.endswith("_plugin")]:
        del sys.modules[module]


def metric(plugin, condition="result >= 6"):
    provider = {"plugin": plugin}
    return Metric.model_validate({"name": "m", "provider": provider, "successCondition": condition})


def plugins():
    return Plugins(Tools(HttpClient(), lambda: 1_767_323_045.0, {}))


async def test_a_plugin_measures_like_any_provider(distribution):
    distribution(entries=[("acme/dice", "provider")])
    measurement = await plugins().run(RUN, metric({"acme/dice": {"sides": 6}}), 1)
    assert measurement.phase is Phase.SUCCESSFUL
    assert measurement.metadata["query"] == "roll 6"
    assert measurement.metadata["reason"] == "result >= 6 is true: result = rolled"


async def test_it_is_made_once_and_only_when_a_metric_needs_it(distribution):
    distribution(entries=[("acme/dice", "provider")])
    host = plugins()
    assert "dice_plugin" not in sys.modules
    asked = metric({"acme/dice": {"sides": 3}})
    assert host.metadata(asked) == {"sides": "3"}
    assert (await host.run(RUN, asked, 1)).phase is Phase.FAILED
    assert len(sys.modules["dice_plugin"].MADE) == 1


async def test_a_name_nobody_has_says_what_is_there(distribution):
    distribution(entries=[("acme/dice", "provider"), ("acme/coin", "provider")])
    with pytest.raises(ProviderError) as error:
        await plugins().run(RUN, metric({"acme/card": {}}), 1)
    assert (
        str(error.value) == "plug-in 'acme/card' is not installed; installed: acme/coin, acme/dice"
    )


async def test_with_no_plugin_at_all_it_says_none():
    with pytest.raises(ProviderError, match="installed: none"):
        await Plugins(Tools(HttpClient(), lambda: 0.0, {}), lambda: ()).run(
            RUN, metric({"a/b": {}}), 1
        )


@pytest.mark.parametrize(
    ("code", "factory", "message"),
    [
        ("import nowhere", "provider", "could not be loaded: ModuleNotFoundError"),
        ("raise SystemExit('bye')", "provider", "could not be loaded: SystemExit: bye"),
        (GOOD, "absent", "could not be loaded: AttributeError"),
        (GOOD, "broken", "could not be loaded: RuntimeError: no dice"),
        (GOOD, "nothing", "is no metric provider: it has no run, resume, terminate"),
    ],
)
async def test_one_that_cannot_be_made_is_named(distribution, code, factory, message):
    distribution("bad", entries=[("acme/bad", factory)], code=code)
    host = plugins()
    for _ in range(2):
        with pytest.raises(ProviderError, match=message) as error:
            await host.run(RUN, metric({"acme/bad": {}}), 1)
        assert f"plug-in 'acme/bad' (bad_plugin:{factory})" in str(error.value)


async def test_two_of_one_name_are_not_chosen_between(distribution):
    distribution("one", entries=[("acme/dice", "provider")])
    distribution("two", entries=[("acme/dice", "provider")])
    with pytest.raises(ProviderError, match=r"several plug-ins are called 'acme/dice': one_.*two_"):
        await plugins().run(RUN, metric({"acme/dice": {}}), 1)


@pytest.mark.parametrize("plugin", [{}, {"a/b": {}, "c/d": {}}])
async def test_a_metric_names_exactly_one(plugin):
    with pytest.raises(ProviderError, match="exactly one plug-in"):
        await plugins().run(RUN, metric(plugin), 1)


async def test_answers_that_are_none_are_errors_of_that_metric(distribution):
    distribution(entries=[("acme/rude", "rude")])
    host, asked = plugins(), metric({"acme/rude": {}})
    with pytest.raises(ProviderError, match="'acme/rude' answered with a int, not a Measurement"):
        await host.run(RUN, asked, 1)
    with pytest.raises(ProviderError, match="plug-in 'acme/rude': KeyError: 'lost'"):
        await host.resume(RUN, asked, None)
    with pytest.raises(ProviderError, match="plug-in 'acme/rude': OSError: full"):
        await host.garbage_collect(RUN, asked, 1)


async def test_a_bad_plugin_disturbs_no_other_metric(distribution):
    distribution("bad", entries=[("acme/bad", "broken"), ("acme/dice", "provider")])
    providers = default_providers(Tools(HttpClient(), lambda: 0.0, {}), jobs=None)
    spec = RunSpec.model_validate(
        {
            "metrics": [
                {"name": "bad", "provider": {"plugin": {"acme/bad": {}}}},
                {"name": "good", "provider": {"plugin": {"acme/dice": {"sides": 6}}}},
            ]
        }
    )
    due = tasks(plan_run(spec), RunStatus(), 0.0)
    done = await Measurer(providers, lambda: 0.0).measure(RUN, due, Given({}, Redactor()))
    assert [one.measurement.phase for one in done] == [Phase.ERROR, Phase.SUCCESSFUL]
    assert "plug-in 'acme/bad'" in done[0].measurement.message


def test_a_plugin_reads_what_the_metric_says_to_it():
    assert configuration(metric({"acme/dice": {"sides": 6}})) == {"sides": 6}
    assert configuration(Metric()) is None


async def test_the_example_of_the_documentation_works(distribution):
    code = DOCUMENTATION.partition("```python\n")[2].partition("```")[0]
    distribution("tickets", entries=[("acme/tickets", "provider")], code=code)
    async with serving({"/projects/shop": reply('{"open": 2}')}) as server:
        http = HttpClient(policy=AddressPolicy(allow_loopback=True))
        host = Plugins(Tools(http, lambda: 0.0, {"TICKETS_ADDRESS": server.url}))
        asked = metric({"acme/tickets": {"project": "shop"}}, "result < 3")
        measurement = await host.run(RUN, asked, 1)
        await http.aclose()
    assert (measurement.phase, measurement.value) == (Phase.SUCCESSFUL, "2")
    assert measurement.metadata["query"] == "open tickets of shop"
