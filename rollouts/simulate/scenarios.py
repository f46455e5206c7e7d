"""Releases worth breaking: what is applied, what a user does meanwhile, and how it must end.

Owns SCENARIOS: each is data and one coroutine that acts as the user would and waits only for what
the user can see, so it plays the same whatever goes wrong underneath. Played by ``runner``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from analysis.times import format_time
from rollouts.kube.api import Obj
from rollouts.simulate.stage import NAME, Stage

Story = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """``ends``: the phase in which everything comes to rest."""

    name: str
    objects: tuple[Obj, ...]
    story: Story
    ends: str = "Healthy"


def rollout(strategy: Obj, *, replicas: int = 5, **spec: object) -> Obj:
    """A Rollout called ``app``."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": NAME},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": NAME}},
            "template": {
                "metadata": {"labels": {"app": NAME}},
                "spec": {"containers": [{"name": "app", "image": "app:1"}]},
            },
            "strategy": strategy,
            **spec,
        },
    }


def with_port(rollout: Obj) -> Obj:
    """The Rollout with a port that its pods declare."""
    for container in rollout["spec"]["template"]["spec"]["containers"]:
        container["ports"] = [{"containerPort": 80}]
    return rollout


def service(name: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": NAME}, "ports": [{"port": 80}]},
    }


def template(name: str, **metric: object) -> Obj:
    """A web metric that must answer ok."""
    web = {"url": f"http://metrics.example/{name}", "jsonPath": "{$.ok}"}
    measured = {"name": name, "successCondition": "result == true", "provider": {"web": web}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": name},
        "spec": {"metrics": [{**measured, **metric}]},
    }


def experiment(**spec: object) -> Obj:
    """An Experiment called ``app`` as well, with pods of two kinds."""
    templates = []
    for name in ("old", "new"):
        labels = {"trial": name}
        container = {"name": "app", "image": f"app:{name}", "ports": [{"containerPort": 80}]}
        pods = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        selector = {"matchLabels": labels}
        templates.append({"name": name, "replicas": 2, "selector": selector, "template": pods})
    templates[1]["service"] = {}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Experiment",
        "metadata": {"name": NAME},
        "spec": {"templates": templates, "scaleDownDelaySeconds": 10, **spec},
    }


def _weight(percent: int) -> Obj:
    return {"setWeight": percent}


def _pause(duration: str = "") -> Obj:
    return {"pause": {"duration": duration} if duration else {}}


def _analysis(*names: str) -> Obj:
    return {"templates": [{"templateName": name} for name in names]}


_CHECK: Final = template("check", count=2, interval="5s")
_WATCH: Final = template("watch", interval="5s")
_CANARY: Final = {
    "maxSurge": 1,
    "maxUnavailable": 0,
    "stableService": "stable",
    "canaryService": "canary",
    "steps": [_weight(20), _pause("10s"), {"analysis": _analysis("check")}, _weight(60), _pause()],
}
_WATCHED: Final = {
    "maxSurge": 1,
    "maxUnavailable": 1,
    "analysis": {**_analysis("watch"), "startingStep": 1},
    "steps": [_weight(20), _pause("10s"), _weight(50), _pause("20s"), _weight(80), _pause("10s")],
}
_BLUE_GREEN: Final = {
    "activeService": "active",
    "previewService": "preview",
    "scaleDownDelaySeconds": 10,
    "prePromotionAnalysis": _analysis("check"),
    "postPromotionAnalysis": _analysis("check"),
}
_BY_ITSELF: Final = {
    "activeService": "active",
    "previewService": "preview",
    "previewReplicaCount": 1,
    "autoPromotionEnabled": True,
    "autoPromotionSeconds": 10,
    "scaleDownDelaySeconds": 20,
    "abortScaleDownDelaySeconds": 15,
}
_ROUTED: Final = {
    **_CANARY,
    "trafficRouting": {"plugins": {"rollouts/memory": {"configMap": "split"}}},
}
_TRIED: Final = {
    "duration": "10s",
    "scaleDownDelaySeconds": 0,
    "templates": [
        {"name": "baseline", "specRef": "stable", "weight": 10},
        {"name": "canary", "specRef": "canary", "weight": 10},
    ],
    "analyses": [{"name": "check", "templateName": "check", "requiredForCompletion": True}],
}
_STEPS: Final = {"steps": [_weight(20), {"experiment": _TRIED}, _weight(60), _pause("5s")]}
_required: Final = {"name": "check", "templateName": "check", "requiredForCompletion": True}
_optional: Final = {"name": "watch", "templateName": "watch"}
_beside: Final = rollout({"canary": {}}, replicas=2)
_SPLIT: Final = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "split"}}
_canary: Final = (
    service("stable"),
    service("canary"),
    _CHECK,
    rollout({"canary": _CANARY}),
)
_watched: Final = (_WATCH, rollout({"canary": _WATCHED}))
_routed, _dynamic = (
    (service("stable"), service("canary"), _CHECK, _SPLIT, rollout({"canary": {**_ROUTED, **how}}))
    for how in ({"scaleDownDelaySeconds": 10}, {"dynamicStableScale": True})
)
_tried: Final = (
    service("stable"),
    service("canary"),
    _CHECK,
    _SPLIT,
    with_port(rollout({"canary": {**_ROUTED, **_STEPS}})),
)
_blue_green: Final = (
    service("active"),
    service("preview"),
    _CHECK,
    rollout({"blueGreen": _BLUE_GREEN}, replicas=3),
)
_by_itself: Final = (
    service("active"),
    service("preview"),
    rollout({"blueGreen": _BY_ITSELF}, replicas=3),
)


async def _update(stage: Stage, image: str = "2") -> None:
    await stage.until_phase("Healthy")
    stage.command(f"image={image}")


async def _step_by_step(stage: Stage) -> None:
    await _update(stage)
    await stage.until_paused_at(4)
    stage.command("promote")


async def _failing_step(stage: Stage) -> None:
    await _update(stage)
    stage.metrics.good = False


async def _failing_once(stage: Stage) -> None:
    await _failing_step(stage)
    await stage.until_phase("Degraded")
    stage.metrics.good = True
    stage.command("retry")


async def _plain(stage: Stage) -> None:
    await _update(stage)


async def _failing_midway(stage: Stage) -> None:
    await _update(stage)
    await stage.until_paused_at(3)
    stage.metrics.good = False


async def _failing_after_switch(stage: Stage) -> None:
    await _update(stage)
    await stage.until(
        lambda s: (s.get("blueGreen") or {}).get("activeSelector") == s["currentPodHash"],
        "never switched",
    )
    stage.metrics.good = False


async def _abort_and_retry(stage: Stage) -> None:
    await _update(stage)
    await stage.until_paused_at(1)
    stage.command("abort")
    await stage.until_phase("Degraded")
    stage.command("retry")
    await stage.until_paused_at(4)
    stage.command("promote")


async def _abort_for_good(stage: Stage) -> None:
    await _update(stage)
    await stage.until_paused_at(4)
    stage.command("abort")


async def _back_within_delay(stage: Stage) -> None:
    await _update(stage)
    await stage.until(lambda s: s.get("stableRS") == s.get("currentPodHash"), "never promoted")
    stage.command("image=1")


async def _scaled_midway(stage: Stage) -> None:
    await _update(stage)
    await stage.until_paused_at(1)
    stage.command("scale=8")
    await stage.until_paused_at(4)
    stage.command("scale=4")
    await stage.until(lambda s: s.get("replicas", 9) <= 5, "never scaled down")
    stage.command("promote")


async def _third_midway(stage: Stage) -> None:
    await _update(stage)
    await stage.until_paused_at(4)
    stage.command("image=3")
    await stage.until(lambda s: s.get("currentStepIndex") in (0, 1, 2), "never started over")
    await stage.until_paused_at(4)
    stage.command("promote")


async def _back_to_stable_midway(stage: Stage) -> None:
    await _update(stage)
    await stage.until_paused_at(4)
    stage.command("image=1")


async def _promoted_in_full(stage: Stage) -> None:
    await _update(stage)
    await stage.until_paused_at(1)
    stage.command("promote-full")


async def _restarted(stage: Stage) -> None:
    await stage.until_phase("Healthy")
    stage.command(f"restart={format_time(stage.clock.wall())}")


async def _trial(stage: Stage) -> None:
    await stage.until_experiment("Successful")


async def _failing_trial(stage: Stage) -> None:
    await stage.until_experiment("Running")
    stage.metrics.good = False
    await stage.until_experiment("Failed")


async def _terminated_trial(stage: Stage) -> None:
    await stage.until_experiment("Running")
    await asyncio.sleep(30)
    stage.command("terminate")
    await stage.until_experiment("Inconclusive")


async def _trial_again(stage: Stage) -> None:
    await _failing_trial(stage)
    stage.metrics.good = True
    stage.command("try-again")
    await stage.until_experiment("Successful")


SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario("canary", _canary, _step_by_step),
        Scenario("canary-failing", _canary, _failing_step, ends="Degraded"),
        Scenario("background", _watched, _plain),
        Scenario("background-failing", _watched, _failing_midway, ends="Degraded"),
        Scenario("blue-green", _blue_green, _plain),
        Scenario("blue-green-failing", _blue_green, _failing_step, ends="Degraded"),
        Scenario("blue-green-failing-after", _blue_green, _failing_after_switch, ends="Degraded"),
        Scenario("blue-green-by-itself", _by_itself, _plain),
        Scenario("blue-green-back", _by_itself, _back_within_delay),
        Scenario("abort-retry", _canary, _abort_and_retry),
        Scenario("abort", _canary, _abort_for_good, ends="Degraded"),
        Scenario("scaled", _canary, _scaled_midway),
        Scenario("third", _canary, _third_midway),
        Scenario("back-to-stable", _canary, _back_to_stable_midway),
        Scenario("promoted-in-full", _canary, _promoted_in_full),
        Scenario("routed", _routed, _step_by_step),
        Scenario("routed-third", _routed, _third_midway),
        Scenario("routed-dynamic", _dynamic, _step_by_step),
        Scenario("routed-dynamic-abort", _dynamic, _abort_for_good, ends="Degraded"),
        Scenario("experiment-step", _tried, _plain),
        Scenario("experiment-step-failing", _tried, _failing_step, ends="Degraded"),
        Scenario("experiment-step-again", _tried, _failing_once),
        Scenario("restarted", _canary, _restarted),
        Scenario(
            "trial",
            (_CHECK, _WATCH, experiment(analyses=[_required, _optional]), _beside),
            _trial,
        ),
        Scenario("trial-timed", (experiment(duration="30s"), _beside), _trial),
        Scenario(
            "trial-failing", (_WATCH, experiment(analyses=[_optional]), _beside), _failing_trial
        ),
        Scenario(
            "trial-terminated",
            (template("check", interval="5s"), experiment(analyses=[_required]), _beside),
            _terminated_trial,
        ),
        Scenario(
            "trial-again",
            (template("check", count=4, interval="5s"), experiment(analyses=[_required]), _beside),
            _trial_again,
        ),
    )
}
