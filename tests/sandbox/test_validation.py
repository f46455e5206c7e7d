"""What built-in kinds get for free and what they are refused for, in Kubernetes' words."""

import base64

import pytest

from rollouts.kube.errors import Invalid
from rollouts.kube.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
)
from rollouts.sandbox.builtins import HPAS, ROLE_BINDINGS
from tests.sandbox.serverworld import World, config_map, deployment, pod, replica_set, service


@pytest.fixture
def world() -> World:
    return World()


def refusals(caught: pytest.ExceptionInfo[Invalid]) -> dict[str, str]:
    """Field to message of every cause."""
    return {one["field"]: one["message"] for one in caught.value.status["details"]["causes"]}


def job(**spec) -> dict:
    template = {"spec": {"restartPolicy": "Never", "containers": pod("x")["spec"]["containers"]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {"template": template} | spec,
    }


def test_a_deployment_is_filled_in(world):
    spec = world.create(DEPLOYMENTS, deployment("web"))["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    assert spec["template"]["spec"]["dnsPolicy"] == "ClusterFirst"


def test_a_replica_set_wants_one_replica_unless_it_says_none(world):
    body = replica_set("one")
    del body["spec"]["replicas"]
    assert world.create(REPLICA_SETS, body)["spec"]["replicas"] == 1
    assert world.create(REPLICA_SETS, replica_set("none", replicas=0))["spec"]["replicas"] == 0


def test_a_job_selects_its_own_pods(world):
    made = world.create(JOBS, job())
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert labels["job-name"] == labels["batch.kubernetes.io/job-name"] == "j"
    numbers = {key: made["spec"][key] for key in ("completions", "parallelism", "backoffLimit")}
    assert numbers == {"completions": 1, "parallelism": 1, "backoffLimit": 6}


def test_a_job_cannot_restart_its_pods_always(world):
    body = job()
    del body["spec"]["template"]["spec"]["restartPolicy"]
    with pytest.raises(Invalid) as caught:
        world.create(JOBS, body)
    assert refusals(caught)["spec.template.spec.restartPolicy"] == (
        'Unsupported value: "Always": supported values: "Never", "OnFailure"'
    )


def test_a_jobs_template_is_fixed(world):
    world.create(JOBS, job())
    patch = {"spec": {"template": {"spec": {"dnsPolicy": "Default"}}}}
    with pytest.raises(Invalid, match=r"spec\.template: Invalid value: .*field is immutable"):
        world.patch(JOBS, "j", patch)


def test_a_service_is_filled_in(world):
    spec = world.create(SERVICES, service("web"))["spec"]
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert spec["sessionAffinity"] == "None"
    assert spec["internalTrafficPolicy"] == "Cluster"
    assert spec["ipFamilies"] == ["IPv4"]


def test_a_secret_is_written_plainly_and_read_encoded(world):
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"token": "abc"},
    }
    made = world.create(SECRETS, body)
    assert made["data"] == {"token": base64.b64encode(b"abc").decode()}
    assert made["type"] == "Opaque"
    assert "stringData" not in made


def test_bad_secret_data_is_refused_without_repeating_it(world):
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    with pytest.raises(Invalid) as caught:
        world.create(SECRETS, body | {"data": {"token": "p@ssw0rd!"}})
    assert "illegal base64 data" in refusals(caught)["data[token]"]
    assert "p@ssw0rd" not in str(caught.value.status)


def test_data_marked_immutable_stays(world):
    world.create(CONFIG_MAPS, config_map("a", x="1") | {"immutable": True})
    for patch in ({"data": {"x": "2"}}, {"immutable": False}):
        with pytest.raises(Invalid, match="field is immutable when `immutable` is set"):
            world.patch(CONFIG_MAPS, "a", patch)


def test_an_autoscaler_watches_the_cpu_by_default(world):
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3},
    }
    spec = world.create(HPAS, body)["spec"]
    assert spec["minReplicas"] == 1
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 80
    with pytest.raises(Invalid, match="maxReplicas"):
        world.patch(HPAS, "h", {"spec": {"minReplicas": 5}})


def test_a_namespace_carries_its_name_as_a_label(world):
    labels = world.get(NAMESPACES, "default")["metadata"]["labels"]
    assert labels == {"kubernetes.io/metadata.name": "default"}


def test_a_role_binding_keeps_its_role(world):
    body = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "system:reader"},
        "roleRef": {"kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "name": "jane"}],
    }
    made = world.create(ROLE_BINDINGS, body)
    assert made["roleRef"]["apiGroup"] == "rbac.authorization.k8s.io"
    with pytest.raises(Invalid, match="cannot change roleRef"):
        world.patch(ROLE_BINDINGS, "system:reader", {"roleRef": {"name": "edit"}})


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Web", "a lowercase RFC 1123 subdomain must consist of"),
        ("web_1", "a lowercase RFC 1123 subdomain must consist of"),
        ("x" * 254, "must be no more than 253 characters"),
        ("", "name or generateName is required"),
    ],
)
def test_names_follow_the_domain_name_rules(world, name, why):
    with pytest.raises(Invalid) as caught:
        world.create(CONFIG_MAPS, config_map(name))
    assert why in refusals(caught)["metadata.name"]


def test_a_service_is_named_by_a_letter_first(world):
    with pytest.raises(Invalid, match="a DNS-1035 label must consist of"):
        world.create(SERVICES, service("1web"))


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({"a b": "x"}, "name part must consist of"),
        ({"a": "x y"}, "a valid label must be an empty string or consist of"),
        ({"a": "x" * 64}, "must be no more than 63 characters"),
    ],
)
def test_labels_follow_theirs(world, labels, why):
    with pytest.raises(Invalid) as caught:
        world.create(CONFIG_MAPS, config_map("a", labels))
    assert why in refusals(caught)["metadata.labels"]


def test_a_selector_must_find_the_pods_of_its_own_template(world):
    body = deployment("web")
    body["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    with pytest.raises(Invalid) as caught:
        world.create(DEPLOYMENTS, body)
    assert caught.value.message == (
        'Deployment.apps "web" is invalid: spec.template.metadata.labels: Invalid value: '
        '{"app":"other"}: `selector` does not match template `labels`'
    )
    assert caught.value.status["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": (
                'Invalid value: {"app":"other"}: `selector` does not match template `labels`'
            ),
            "field": "spec.template.metadata.labels",
        }
    ]


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        ({"replicas": -1}, "spec.replicas", "greater than or equal to 0"),
        ({"selector": None}, "spec.selector", "Required value"),
        ({"selector": {}}, "spec.selector", "empty selector is invalid for deployment"),
        ({"progressDeadlineSeconds": 0}, "spec.progressDeadlineSeconds", "minReadySeconds"),
        ({"strategy": {"type": "Magic"}}, "spec.strategy.type", "Unsupported value"),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}},
            "spec.strategy.rollingUpdate.maxUnavailable",
            "may not be 0 when `maxSurge` is 0",
        ),
        (
            {"strategy": {"type": "Recreate", "rollingUpdate": {}}},
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        ),
    ],
)
def test_a_deployment_that_makes_no_sense(world, change, field, why):
    body = deployment("web")
    body["spec"] |= change
    with pytest.raises(Invalid) as caught:
        world.create(DEPLOYMENTS, body)
    assert why in refusals(caught)[field]


@pytest.mark.parametrize(
    ("containers", "field", "why"),
    [
        ([], "spec.containers", "Required value"),
        ([{"image": "x"}], "spec.containers[0].name", "Required value"),
        ([{"name": "a"}], "spec.containers[0].image", "Required value"),
        ([{"name": "A", "image": "x"}], "spec.containers[0].name", "RFC 1123 label"),
        (
            [{"name": "a", "image": "x"}, {"name": "a", "image": "y"}],
            "spec.containers[1].name",
            'Duplicate value: "a"',
        ),
        (
            [{"name": "a", "image": "x", "ports": [{"containerPort": 70000}]}],
            "spec.containers[0].ports[0].containerPort",
            "must be between 1 and 65535, inclusive",
        ),
        (
            [
                {
                    "name": "a",
                    "image": "x",
                    "ports": [{"containerPort": 1, "name": "much-too-long-name"}],
                }
            ],
            "spec.containers[0].ports[0].name",
            "must be no more than 15 characters",
        ),
        (
            [{"name": "a", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
            "spec.containers[0].volumeMounts[0].name",
            'Not found: "v"',
        ),
        (
            [{"name": "a", "image": "x", "readinessProbe": {}}],
            "spec.containers[0].readinessProbe",
            "must specify a handler type",
        ),
        (
            [{"name": "a", "image": "x", "imagePullPolicy": "Sometimes"}],
            "spec.containers[0].imagePullPolicy",
            "Unsupported value",
        ),
        (
            [{"name": "a", "image": "x", "env": [{"name": "E", "valueFrom": {}}]}],
            "spec.containers[0].env[0].valueFrom",
            "must specify one of",
        ),
        (
            [
                {
                    "name": "a",
                    "image": "x",
                    "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
                }
            ],
            "spec.containers[0].resources.requests",
            "must be less than or equal to cpu limit of 1",
        ),
    ],
)
def test_a_pod_that_makes_no_sense(world, containers, field, why):
    with pytest.raises(Invalid) as caught:
        world.create(PODS, pod("a", containers=containers))
    assert why in refusals(caught)[field]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ports": []}, "spec.ports"),
        ({"ports": [{"port": 0}]}, "spec.ports[0].port"),
        ({"ports": [{"port": 1}, {"port": 2, "name": "b"}]}, "spec.ports[0].name"),
        ({"ports": [{"port": 1, "protocol": "ICMP"}]}, "spec.ports[0].protocol"),
        ({"ports": [{"port": 1, "targetPort": "Bad Name"}]}, "spec.ports[0].targetPort"),
        ({"type": "Magic"}, "spec.type"),
        ({"type": "ExternalName"}, "spec.externalName"),
        ({"clusterIP": "not-an-ip"}, "spec.clusterIPs[0]"),
        ({"type": "NodePort", "ports": [{"port": 1, "nodePort": 80}]}, "spec.ports[0].nodePort"),
    ],
)
def test_a_service_that_makes_no_sense(world, change, field):
    with pytest.raises(Invalid) as caught:
        world.create(SERVICES, service("web", **change))
    assert field in refusals(caught)


def test_annotations_have_room_for_so_much_only(world):
    body = config_map("a")
    body["metadata"]["annotations"] = {"note": "x" * 262144}
    with pytest.raises(Invalid) as caught:
        world.create(CONFIG_MAPS, body)
    why = "Too long: may not be more than 262144 bytes"
    assert refusals(caught)["metadata.annotations"] == why


def test_an_owner_is_named_in_full(world):
    body = config_map("a")
    body["metadata"]["ownerReferences"] = [{"kind": "Pod", "name": "p"}]
    with pytest.raises(Invalid) as caught:
        world.create(CONFIG_MAPS, body)
    assert set(refusals(caught)) == {
        "metadata.ownerReferences[0].apiVersion",
        "metadata.ownerReferences[0].uid",
    }
