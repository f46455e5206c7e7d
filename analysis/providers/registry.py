"""Which providers this build has.

Owns the list; everything else names providers by their key. Called once, when the controller or a
simulation is put together.
"""

from analysis.providers.base import Now, Providers, Queried
from analysis.providers.http import HttpClient
from analysis.providers.job import JobProvider, JobRunner
from analysis.providers.prometheus import PrometheusSource
from analysis.providers.web import WebSource


def default_providers(
    http: HttpClient,
    now: Now,
    jobs: JobRunner,
    *,
    prometheus_address: str = "",
    job_namespace: str = "",
) -> Providers:
    """``prometheus_address``: for metrics without one. ``job_namespace``: where Jobs run, when
    not beside their run.
    """
    return Providers(
        {
            "prometheus": Queried(PrometheusSource(http, now, prometheus_address), now),
            "web": Queried(WebSource(http), now),
            "job": JobProvider(jobs, now, job_namespace),
        }
    )
