"""What is wrong with a Rollout by itself: texts, paths and order."""

from typing import Any

import pytest

from rollouts.api.fielderror import invalid_message
from rollouts.api.rollout import Rollout
from rollouts.api.validation import validate
from tests.api import samples
from tests.api.samples import blue_green, canary, container, rollout

ISTIO = {"istio": {"virtualService": {"name": "v"}}}
BOTH = {"canaryService": "c", "stableService": "s"}


def complaint(obj: dict[str, Any], *, resolved: bool = False) -> str:
    return str(validate(Rollout.decode(obj), resolved=resolved) or "")


@pytest.mark.parametrize(
    "obj",
    [
        rollout(),
        blue_green(previewService="other"),
        canary(),
        canary(**BOTH, trafficRouting=ISTIO, steps=[{"setCanaryScale": {"weight": 5}}]),
        canary(steps=[{"setWeight": 10, "plugin": {"name": "a"}}, {"pause": {"duration": 0}}]),
        canary(
            **BOTH,
            trafficRouting={"nginx": {"stableIngress": "i"}, "maxTrafficWeight": 1000},
            steps=[{"setWeight": 1000}],
        ),
    ],
)
def test_what_is_right_is_not_complained_about(obj):
    assert complaint(obj) == ""


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (
            rollout(replicas="x"),
            "spec.replicas: Invalid value: must be an integer, not a string",
        ),
        (
            rollout(replicas=-1),
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            rollout(selector=None),
            "spec.selector: Required value: Rollout has missing field '.spec.selector'",
        ),
        (
            rollout(selector={}),
            "spec.selector: Invalid value: {}: empty selector is invalid for deployment",
        ),
        (
            rollout(selector={"matchExpressions": [{"key": "a", "operator": "Is"}]}),
            'spec.selector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator',
        ),
        (
            rollout(selector={"matchLabels": {"app": "x"}}),
            'spec.template.metadata.labels: Invalid value: {"app":"shop"}: `selector` does not match template `labels`',
        ),
        (
            rollout(workloadRef={"kind": "Deployment", "name": "d"}),
            "spec.template: Internal error: template must be empty for workload reference rollout",
        ),
        (
            rollout(minReadySeconds=-1),
            "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            rollout(minReadySeconds=10, progressDeadlineSeconds=10),
            "spec.progressDeadlineSeconds: Invalid value: 10: must be greater than minReadySeconds",
        ),
        (
            rollout(strategy={}),
            "spec.strategy.strategy: Required value: Rollout has missing field '.spec.strategy.canary or .spec.strategy.blueGreen'",
        ),
        (
            rollout(strategy={"canary": {}, "blueGreen": {}}),
            'spec.strategy.strategy: Invalid value: "blueGreen: true canary: true": Multiple Strategies can not be listed',
        ),
        (
            blue_green(previewService="shop"),
            'spec.strategy.activeService: Invalid value: "shop": This rollout uses the same service for the active and preview services, but two different services are required.',
        ),
        (
            blue_green(scaleDownDelayRevisionLimit=11),
            "spec.strategy.scaleDownDelayRevisionLimit: Invalid value: 11: This rollout's revision history limit can not be smaller than the rollout's scale down limit",
        ),
        (
            blue_green(antiAffinity={}),
            "spec.strategy.antiAffinity: Invalid value: {}: AntiAffinity must have exactly one strategy listed",
        ),
        (
            canary(
                antiAffinity={"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 101}}
            ),
            "spec.strategy.antiAffinity.weight: Invalid value: 101: AntiAffinity weight must be between 1-100",
        ),
        (
            canary(maxSurge="0%", maxUnavailable=0),
            'spec.strategy.maxSurge: Invalid value: "0%": MaxSurge and MaxUnavailable both can not be zero',
        ),
        (
            canary(canaryService="a", stableService="a"),
            'spec.strategy.stableService: Invalid value: "a": This rollout uses the same service for the stable and canary services, but two different services are required.',
        ),
        (
            canary(
                pingPong={"pingService": "a", "pongService": "b"},
                trafficRouting={"smi": {}},
                **BOTH,
            ),
            'spec.strategy.trafficRouting: Invalid value: ["smi"]: Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only',
        ),
        (
            canary(pingPong={"pingService": "a"}, trafficRouting=ISTIO),
            'spec.strategy.pingPong: Invalid value: {"pingService":"a","pongService":""}: Ping service and Pong service must to be set to use Ping-Pong feature',
        ),
        (
            canary(pingPong={"pingService": "a", "pongService": "b"}, trafficRouting={"alb": {}}),
            'spec.strategy.trafficRouting.alb.rootService: Invalid value: "": Root service field is required for the configuration with ALB and ping-pong feature enabled',
        ),
        (
            canary(trafficRouting=ISTIO),
            'spec.strategy.trafficRouting: Invalid value: ["istio"]: Canary service and Stable service must to be set to use Traffic Routing',
        ),
        (
            canary(scaleDownDelaySeconds=5),
            "spec.strategy.scaleDownDelaySeconds: Invalid value: 5: Canary scaleDownDelaySeconds can only be used with traffic routing",
        ),
        (
            canary(dynamicStableScale=True),
            "spec.strategy.dynamicStableScale: Invalid value: true: Canary dynamicStableScale can only be used with traffic routing",
        ),
        (
            canary(**BOTH, trafficRouting=ISTIO, dynamicStableScale=True, scaleDownDelaySeconds=1),
            "spec.strategy.dynamicStableScale: Invalid value: true: Canary dynamicStableScale cannot be used with scaleDownDelaySeconds",
        ),
        (
            canary(**BOTH, trafficRouting={**ISTIO, "maxTrafficWeight": 10}),
            "spec.strategy.trafficRouting.maxTrafficWeight: Invalid value: 10: Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins",
        ),
        (
            canary(steps=[{"setWeight": 5}, {"setWeight": 101}]),
            "spec.strategy.steps[1].setWeight: Invalid value: 101: SetWeight needs to be between 0 and 100",
        ),
        (
            canary(steps=[{}]),
            "spec.strategy.steps[0]: Invalid value: []: Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause",
        ),
        (
            canary(steps=[{"setWeight": 5, "pause": {}}]),
            'spec.strategy.steps[0]: Invalid value: ["pause","setWeight"]: Step must have one of the following set: experiment, setWeight, setCanaryScale, plugin or pause',
        ),
        (
            canary(steps=[{"pause": {"duration": "soon"}}]),
            "spec.strategy.steps[0].pause.duration: Invalid value: -1: Duration needs to be greater than 0",
        ),
        (
            canary(steps=[{"setCanaryScale": {"replicas": 1}}]),
            "spec.strategy.steps[0].setCanaryScale: Required value: SetCanaryScale requires TrafficRouting to be set",
        ),
        (
            canary(steps=[{"setHeaderRoute": {"name": "h"}}]),
            'spec.strategy.steps[0].setHeaderRoute: Invalid value: "h": SetHeaderRoute requires TrafficRouting, supports Istio and ALB and Apisix',
        ),
        (
            canary(**BOTH, trafficRouting=ISTIO, steps=[{"setHeaderRoute": {"name": "h"}}]),
            "spec.strategy.steps[0].setHeaderRoute: Required value: Rollout has missing field 'spec.strategy.canary.trafficRouting.managedRoutes'",
        ),
        (
            canary(
                **BOTH,
                trafficRouting={**ISTIO, "managedRoutes": [{"name": "x"}]},
                steps=[{"setMirrorRoute": {"name": "h"}}],
            ),
            'spec.strategy.steps[0].setMirrorRoute.name: Invalid value: "h": Steps define a route that does not exist in spec.strategy.canary.trafficRouting.managedRoutes',
        ),
        (
            canary(
                **BOTH,
                trafficRouting=ISTIO,
                steps=[
                    {
                        "setHeaderRoute": {
                            "name": "h",
                            "match": [
                                {"headerName": "a", "headerValue": {"exact": "1", "regex": "2"}}
                            ],
                        }
                    }
                ],
            ),
            'spec.strategy.steps[0].setHeaderRoute.match[0].headerValue: Invalid value: {"exact":"1","regex":"2"}: StringMatch match value must have exactly one of the following: exact, regex, prefix',
        ),
        (
            canary(
                steps=[
                    {"experiment": {"templates": [{"name": "a", "specRef": "canary", "weight": 5}]}}
                ]
            ),
            "spec.strategy.steps[0].experiment.templates[0].weight: Invalid value: 5: Experiment template weight cannot be set unless TrafficRouting is enabled",
        ),
        (
            canary(steps=[{"experiment": {"templates": [{"name": "a", "specRef": "newest"}]}}]),
            'spec.strategy.steps[0].experiment.templates[0].specRef: Unsupported value: "newest": supported values: "canary", "stable"',
        ),
        (
            canary(
                **BOTH,
                trafficRouting=ISTIO,
                steps=[
                    {"setWeight": 60},
                    {
                        "experiment": {
                            "templates": [
                                {"name": "a", "specRef": "canary", "weight": 20},
                                {"name": "b", "specRef": "stable", "weight": 21},
                            ]
                        }
                    },
                ],
            ),
            "spec.strategy.steps[1].experiment.templates: Invalid value: 41: together with setWeight 60 the weights exceed 100",
        ),
        (
            canary(
                **BOTH,
                trafficRouting=ISTIO,
                steps=[
                    {
                        "experiment": {
                            "templates": [{"name": "a", "specRef": "canary", "weight": -1}]
                        }
                    },
                ],
            ),
            "spec.strategy.steps[0].experiment.templates[0].weight: Invalid value: -1: must not be negative",
        ),
        (
            canary(
                steps=[
                    {
                        "experiment": {
                            "templates": [
                                {"name": "a", "specRef": "canary"},
                                {"name": "a", "specRef": "stable"},
                            ]
                        }
                    }
                ]
            ),
            'spec.strategy.steps[0].experiment.templates[1].name: Duplicate value: "a"',
        ),
        (
            canary(steps=[{"experiment": {"templates": [], "analyses": [{"templateName": "t"}]}}]),
            "spec.strategy.steps[0].experiment.analyses[0].name: Required value: each needs a name",
        ),
        (
            canary(steps=[{"experiment": {"templates": [], "duration": "1x"}}]),
            'spec.strategy.steps[0].experiment.duration: Invalid value: "1x": time: invalid duration "1x"',
        ),
        (
            canary(steps=[{"experiment": {"templates": [], "duration": "-1m"}}]),
            'spec.strategy.steps[0].experiment.duration: Invalid value: "-1m": must not be negative',
        ),
        (
            canary(
                steps=[
                    {
                        "analysis": {
                            "args": [
                                {
                                    "name": "x",
                                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.generation"}},
                                }
                            ]
                        }
                    }
                ]
            ),
            'spec.strategy.steps[0].analysis.args[0].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.generation": Analyses arguments must refer to valid object metadata supported by downwardAPI',
        ),
    ],
)
def test_what_is_wrong_is_named(obj, text):
    assert complaint(obj) == text


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (container(name=""), "spec.template.spec.containers[0].name: Required value"),
        (container(image=None), "spec.template.spec.containers[0].image: Required value"),
        (
            container(image=" shop:1"),
            'spec.template.spec.containers[0].image: Invalid value: " shop:1": must not have leading or trailing whitespace',
        ),
        (
            container(ports=[{"containerPort": 70000}]),
            "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            container(imagePullPolicy="Sometimes"),
            'spec.template.spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
        ),
        (
            container(volumeMounts=[{"name": "data", "mountPath": "/data"}]),
            'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"',
        ),
        (
            container(livenessProbe={"periodSeconds": 5}),
            "spec.template.spec.containers[0].livenessProbe: Required value: must specify a handler type",
        ),
    ],
)
def test_bad_containers_are_named(obj, text):
    assert complaint(obj) == text


def with_pod(**fields: Any) -> dict[str, Any]:
    obj = samples.rollout()
    obj["spec"]["template"]["spec"].update(fields)
    return obj


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        (with_pod(containers=[]), "spec.template.spec.containers: Required value"),
        (
            with_pod(restartPolicy="Never"),
            'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        ),
        (
            with_pod(activeDeadlineSeconds=5),
            "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",
        ),
        (
            with_pod(containers=[{"name": "a", "image": "i"}, {"name": "a", "image": "i"}]),
            'spec.template.spec.containers[1].name: Duplicate value: "a"',
        ),
    ],
)
def test_bad_pods_are_named(obj, text):
    assert complaint(obj) == text


def test_a_bad_container_name_quotes_the_rule():
    assert complaint(container(name="Main")).startswith(
        'spec.template.spec.containers[0].name: Invalid value: "Main": a lowercase RFC 1123 label'
    )


def test_the_first_error_wins():
    obj = canary(steps=[{"setWeight": 500}])
    obj["spec"]["replicas"] = -3
    assert complaint(obj).startswith("spec.replicas")


def test_a_template_from_a_workload_is_checked_once_it_is_there():
    obj = samples.rollout(workloadRef={"kind": "Deployment", "name": "d"}, template={})
    assert complaint(obj) == ""
    obj["spec"]["template"] = {"metadata": {"labels": {"app": "shop"}}, "spec": {}}
    assert complaint(obj, resolved=True) == "spec.template.spec.containers: Required value"


def test_nonsense_in_the_template_is_an_error_and_never_an_exception():
    for nonsense in (7, "x", [1], {"metadata": 4, "spec": {"containers": [None, {"ports": 3}]}}):
        assert complaint(samples.rollout(template=nonsense)) != ""


def test_the_message_of_the_condition():
    error = validate(Rollout.decode(rollout(replicas=-1)))
    assert error is not None
    assert invalid_message("Rollout", "shop", error) == (
        'The Rollout "shop" is invalid: spec.replicas: Invalid value: -1: '
        "must be greater than or equal to 0"
    )
