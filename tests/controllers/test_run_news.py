"""Which changes of an AnalysisRun are news to what it was made for."""

import asyncio
import copy
from typing import Any

import pytest

from rollouts.controllers.runnews import of_run
from rollouts.kube.api import Obj
from rollouts.kube.resources import ANALYSIS_RUNS, ROLLOUTS
from tests.controllers.experiments_world import (
    ARGO,
    SHOP,
    Shop,
    analysis,
    experiment,
    metric,
    story,
)

EVERY_SECOND = {"interval": "1s"}
RUN: Obj = {
    "metadata": {
        "name": "run",
        "resourceVersion": "1",
        "generation": 1,
        "labels": {"step-index": "1"},
        "annotations": {"rollout.argoproj.io/judged": "uid"},
    },
    "spec": {"metrics": [{"name": "ok"}]},
    "status": {"phase": "Running", "metricResults": [{"name": "ok", "count": 1}]},
}


def changed(part: str, **fields: Any) -> Obj:
    return {**RUN, part: {**RUN[part], **fields}}


@pytest.mark.parametrize(
    "after",
    [
        changed("status", phase="Failed"),
        changed("status", message="why"),
        changed("spec", terminate=True),
        changed("metadata", labels={}),
        changed("metadata", annotations={"rollout.argoproj.io/pods-lost": "2026-01-01T00:00:00Z"}),
        changed("metadata", ownerReferences=[{"uid": "other", "controller": True}]),
        changed("metadata", deletionTimestamp="2026-01-01T00:00:00Z"),
        changed("metadata", uid="another"),
        {**RUN, "status": None},
    ],
)
def test_what_decisions_rest_on_is_news(after: Obj) -> None:
    assert of_run(after) != of_run(RUN)


def test_a_measurement_is_no_news() -> None:
    measured = copy.deepcopy(RUN)
    measured["metadata"] |= {"resourceVersion": "2", "generation": 2}
    measured["status"]["metricResults"] = [{"name": "ok", "count": 2}]
    assert of_run(measured) == of_run(RUN)


def reconciles(shop: Shop, name: str) -> int:
    """How often the controller has looked at objects of a kind."""
    samples = [s for family in shop.metrics.registry.collect() for s in family.samples]
    return int(sum(s.value for s in samples if s.name == f"{name}_reconcile_count"))


def pods(image: str) -> Obj:
    container = {"name": "main", "image": image}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}


def rollout() -> Obj:
    background = {"templates": [{"templateName": "ok"}]}
    return {
        "apiVersion": ARGO,
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": pods("web:1"),
            "strategy": {
                "canary": {"steps": [{"setWeight": 50}, {"pause": {}}], "analysis": background}
            },
        },
    }


async def measured(shop: Shop) -> int:
    (run,) = (await shop.all(ANALYSIS_RUNS)).values()
    return int(run["status"]["metricResults"][0]["count"])


@story()
async def test_a_rollout_is_not_looked_at_for_every_measurement(shop: Shop) -> None:
    await shop.apply(metric("ok", **EVERY_SECOND))
    await shop.api.create(ROLLOUTS, rollout(), SHOP)
    await asyncio.sleep(20)
    await shop.api.patch(ROLLOUTS, "web", {"spec": {"template": pods("web:2")}}, SHOP)
    await asyncio.sleep(30)
    before, count = reconciles(shop, "rollout"), await measured(shop)
    await asyncio.sleep(60)
    assert await measured(shop) >= count + 50
    assert reconciles(shop, "rollout") - before <= 3
    shop.answers.good = False
    await asyncio.sleep(5)
    assert (await shop.api.get(ROLLOUTS, "web", SHOP))["status"]["abort"]


@story()
async def test_an_experiment_is_not_looked_at_for_every_measurement(shop: Shop) -> None:
    await shop.apply(metric("ok", **EVERY_SECOND), experiment(analyses=[analysis("ok")]))
    await asyncio.sleep(30)
    before, count = reconciles(shop, "experiment"), await measured(shop)
    await asyncio.sleep(60)
    assert await measured(shop) >= count + 50
    assert reconciles(shop, "experiment") - before <= 3
    shop.answers.good = False
    await shop.until_phase("Failed")
