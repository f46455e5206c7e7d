"""Which providers this build has.

Owns the list; everything else names providers by their key. Called once, when the controller or a
simulation is put together.
"""

from collections.abc import Mapping
from typing import Final

from analysis.providers import (
    cloudwatch,
    datadog,
    graphite,
    influxdb,
    judge,
    kayenta,
    newrelic,
    prometheus,
    sequential,
    skywalking,
    wavefront,
    web,
)
from analysis.providers.base import Providers
from analysis.providers.job import KUBECONFIG_VARIABLE, NAMESPACE_VARIABLE, JobProvider, JobRunner
from analysis.providers.plugins import Plugins
from analysis.providers.tools import Factory, Tools

BUILT_IN: Final[Mapping[str, Factory]] = {
    "cloudWatch": cloudwatch.provider,
    "datadog": datadog.provider,
    "graphite": graphite.provider,
    "influxdb": influxdb.provider,
    "judge": judge.provider,
    "kayenta": kayenta.provider,
    "newRelic": newrelic.provider,
    "prometheus": prometheus.provider,
    "sequential": sequential.provider,
    "skywalking": skywalking.provider,
    "wavefront": wavefront.provider,
    "web": web.provider,
}


def default_providers(tools: Tools, jobs: JobRunner) -> Providers:
    """Jobs run beside their run, or where the environment says."""
    made = {name: make(tools) for name, make in BUILT_IN.items()}
    given = tools.environ
    elsewhere = bool(given.get(KUBECONFIG_VARIABLE))
    job = JobProvider(jobs, tools.now, given.get(NAMESPACE_VARIABLE, ""), elsewhere=elsewhere)
    return Providers({**made, "job": job, "plugin": Plugins(tools)})
