"""Create, update and patch, as a client of the API server lives through them."""

import pytest

from rollouts.kube.api import PatchType
from rollouts.kube.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
)
from rollouts.kube.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
)
from rollouts.sandbox.builtins import HPAS, HPAS_V1, NEW_EVENTS
from rollouts.sandbox.options import Options
from tests.sandbox.serverworld import World, config_map, deployment, pod, replica_set, service


@pytest.fixture
def world() -> World:
    return World()


def test_a_new_object_gets_an_identity_and_a_birthday(world):
    made = world.create(REPLICA_SETS, replica_set("web"))["metadata"]
    assert made["creationTimestamp"] == "2026-01-01T12:00:00Z"
    assert made["generation"] == 1
    assert made["namespace"] == "default"
    assert len(made["uid"]) == 36
    assert made["resourceVersion"] == str(world.server.store.revision)


def test_the_client_keeps_its_own_copy(world):
    body = config_map("a", x="1")
    world.create(CONFIG_MAPS, body)
    body["data"]["x"] = "2"
    assert world.get(CONFIG_MAPS, "a")["data"] == {"x": "1"}


def test_generated_names_differ_and_start_with_what_was_asked(world):
    body = config_map("") | {"metadata": {"generateName": "run-"}}
    names = {world.create(CONFIG_MAPS, body)["metadata"]["name"] for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith("run-") and len(name) == 9 for name in names)


def test_two_objects_cannot_share_a_name(world):
    world.create(DEPLOYMENTS, deployment("web"))
    with pytest.raises(AlreadyExists) as caught:
        world.create(DEPLOYMENTS, deployment("web"))
    assert caught.value.status["message"] == 'deployments.apps "web" already exists'
    assert caught.value.status["details"] == {
        "name": "web",
        "group": "apps",
        "kind": "deployments",
    }


def test_an_object_needs_a_namespace_that_exists(world):
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        world.create(CONFIG_MAPS, config_map("a"), "nowhere")


def test_nothing_new_enters_a_namespace_on_its_way_out(world):
    world.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "old"}})
    world.delete(NAMESPACES, "old")
    with pytest.raises(Forbidden, match="because it is being terminated") as caught:
        world.create(CONFIG_MAPS, config_map("a"), "old")
    assert caught.value.status["details"]["causes"][0]["reason"] == "NamespaceTerminating"


def test_the_namespace_of_the_object_and_of_the_request_must_agree(world):
    body = config_map("a")
    body["metadata"]["namespace"] = "kube-system"
    with pytest.raises(BadRequest, match="does not match the namespace sent on the request"):
        world.create(CONFIG_MAPS, body)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Secret"}, "does not match the expected kind"),
        ({"apiVersion": "v2"}, "does not match the expected API version"),
    ],
)
def test_the_type_must_be_the_endpoints(world, change, message):
    with pytest.raises(BadRequest, match=message):
        world.create(CONFIG_MAPS, config_map("a") | change)


def test_types_of_kubernetes_may_leave_out_what_the_endpoint_says(world):
    body = config_map("a") | {"kind": "", "apiVersion": ""}
    made = world.create(CONFIG_MAPS, body)
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")


def test_a_dry_run_says_what_would_be_and_leaves_no_trace(world):
    before = world.server.store.revision
    made = world.create(DEPLOYMENTS, deployment("web"), dry_run=True)
    assert made["spec"]["revisionHistoryLimit"] == 10
    assert "resourceVersion" not in made["metadata"]
    assert not world.exists(DEPLOYMENTS, "web")
    assert world.server.store.revision == before


def test_a_dry_run_still_finds_what_is_wrong(world):
    world.create(CONFIG_MAPS, config_map("a"))
    with pytest.raises(AlreadyExists):
        world.create(CONFIG_MAPS, config_map("a"), dry_run=True)


def test_only_a_change_of_the_spec_is_a_new_generation(world):
    world.create(DEPLOYMENTS, deployment("web"))
    labelled = world.patch(DEPLOYMENTS, "web", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    status = world.patch(DEPLOYMENTS, "web", {"status": {"replicas": 2}}, subresource="status")
    assert status["metadata"]["generation"] == 1
    scaled = world.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 5}})
    assert scaled["metadata"]["generation"] == 2


def test_the_main_endpoint_leaves_the_status_alone(world):
    world.create(DEPLOYMENTS, deployment("web"))
    world.patch(DEPLOYMENTS, "web", {"status": {"replicas": 2}}, subresource="status")
    changed = world.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 5}, "status": {"replicas": 9}})
    assert (changed["spec"]["replicas"], changed["status"]["replicas"]) == (5, 2)


def test_the_status_endpoint_touches_nothing_but_the_status(world):
    made = world.create(DEPLOYMENTS, deployment("web"))
    made = world.get(DEPLOYMENTS, "web")
    body = {
        **made,
        "metadata": {**made["metadata"], "labels": {"new": "label"}, "finalizers": ["x.io/y"]},
        "spec": {**made["spec"], "replicas": 9},
        "status": {"replicas": 2},
    }
    changed = world.update(DEPLOYMENTS, body, "status")
    assert changed["status"] == {"replicas": 2}
    assert changed["spec"] == made["spec"]
    assert "labels" not in changed["metadata"]
    assert "finalizers" not in changed["metadata"]


def test_a_new_object_does_not_bring_its_status(world):
    body = replica_set("web") | {"status": {"replicas": 7}}
    assert world.create(REPLICA_SETS, body)["status"] == {"replicas": 0}


def test_a_node_does_bring_its_status(world):
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    status = {"capacity": {"cpu": "4"}}
    assert world.create(NODES, body | {"status": status})["status"] == status


def test_an_update_of_an_older_state_is_a_conflict(world):
    old = world.create(CONFIG_MAPS, config_map("a"))
    world.patch(CONFIG_MAPS, "a", {"data": {"x": "1"}})
    with pytest.raises(Conflict) as caught:
        world.update(CONFIG_MAPS, {**old, "data": {"y": "2"}})
    assert caught.value.message == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def test_an_update_without_a_version_wins_where_the_type_allows_it(world):
    world.create(CONFIG_MAPS, config_map("a"))
    assert world.update(CONFIG_MAPS, config_map("a", y="2"))["data"] == {"y": "2"}


def test_a_lease_is_never_updated_without_a_version(world):
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}}
    world.create(LEASES, lease)
    with pytest.raises(Invalid, match=r"resourceVersion.*must be specified for an update"):
        world.update(LEASES, lease)


def test_an_update_meant_for_a_namesake_is_a_conflict(world):
    old = world.create(CONFIG_MAPS, config_map("a"))
    world.delete(CONFIG_MAPS, "a")
    world.create(CONFIG_MAPS, config_map("a"))
    body = config_map("a")
    body["metadata"]["uid"] = old["metadata"]["uid"]
    with pytest.raises(Conflict, match="Precondition failed: UID in precondition"):
        world.update(CONFIG_MAPS, body)


def test_system_metadata_is_the_servers(world):
    made = world.create(REPLICA_SETS, replica_set("web"))
    forged = {
        "creationTimestamp": "1999-01-01T00:00:00Z",
        "generation": 99,
        "deletionTimestamp": "1999-01-01T00:00:00Z",
        "managedFields": [{"manager": "me"}],
    }
    assert world.patch(REPLICA_SETS, "web", {"metadata": forged}) == made


def test_a_patch_without_a_version_never_conflicts(world):
    world.create(CONFIG_MAPS, config_map("a"))
    for value in "123":
        world.patch(CONFIG_MAPS, "a", {"data": {value: value}})
    assert world.get(CONFIG_MAPS, "a")["data"] == {"1": "1", "2": "2", "3": "3"}


def test_a_patch_with_an_older_version_does(world):
    made = world.create(CONFIG_MAPS, config_map("a"))
    world.patch(CONFIG_MAPS, "a", {"data": {"x": "1"}})
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {}}
    with pytest.raises(Conflict):
        world.patch(CONFIG_MAPS, "a", stale)


def test_a_json_patch_whose_test_fails_changes_nothing(world):
    world.create(CONFIG_MAPS, config_map("a", x="1"))
    operations = [
        {"op": "replace", "path": "/data/x", "value": "2"},
        {"op": "test", "path": "/data/x", "value": "9"},
    ]
    with pytest.raises(Invalid, match="the server rejected our request"):
        world.patch(CONFIG_MAPS, "a", operations, PatchType.JSON)
    assert world.get(CONFIG_MAPS, "a")["data"] == {"x": "1"}


def test_a_patch_may_not_rename(world):
    world.create(CONFIG_MAPS, config_map("a"))
    with pytest.raises(BadRequest, match="does not match the name on the URL"):
        world.patch(CONFIG_MAPS, "a", {"metadata": {"name": "b"}})


def test_a_patch_of_what_is_not_there_is_not_found(world):
    with pytest.raises(NotFound):
        world.patch(CONFIG_MAPS, "a", {})


def test_unknown_fields_are_refused_when_asked_to_be_strict(world):
    body = deployment("web")
    body["spec"]["replicsa"] = 3
    body["spec"]["template"]["spec"]["containers"][0]["imag"] = "x"
    with pytest.raises(BadRequest) as caught:
        world.create(DEPLOYMENTS, body, field_validation="Strict")
    assert caught.value.message == (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
        'unknown field "spec.replicsa", unknown field "spec.template.spec.containers[0].imag"'
    ) or sorted(caught.value.message.split("error: ")[1].split(", ")) == [
        'unknown field "spec.replicsa"',
        'unknown field "spec.template.spec.containers[0].imag"',
    ]


def test_unknown_fields_are_dropped_with_a_warning_otherwise(world):
    body = deployment("web")
    body["spec"]["template"]["spec"]["containers"][0]["imag"] = "x"
    options = Options(field_validation="Warn")
    made = world.server.create(world.info(DEPLOYMENTS), "default", body, options)
    assert options.warnings == ['unknown field "spec.template.spec.containers[0].imag"']
    assert "imag" not in made["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("validation", ["Strict", "Ignore"])
def test_a_field_of_the_wrong_type_is_named(world, validation):
    body = deployment("web")
    body["spec"]["template"]["spec"] = "many"
    with pytest.raises(BadRequest, match=r"cannot unmarshal string.*spec\.template\.spec"):
        world.create(DEPLOYMENTS, body, field_validation=validation)


def test_a_strict_patch_names_the_unknown_field(world):
    world.create(DEPLOYMENTS, deployment("web"))
    with pytest.raises(Invalid, match=r'strict decoding error: unknown field "spec\.replicsa"'):
        world.patch(DEPLOYMENTS, "web", {"spec": {"replicsa": 1}}, field_validation="Strict")


def test_a_refused_patch_of_a_secret_is_not_quoted(world):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    world.create(SECRETS, secret)
    with pytest.raises(Invalid) as caught:
        world.patch(
            SECRETS, "s", {"data": {"k": "aHVudGVyMg=="}, "x": 1}, field_validation="Strict"
        )
    assert 'unknown field "x"' in caught.value.message
    assert "aHVudGVyMg" not in str(caught.value.status)


def test_the_first_namespaces_are_there(world):
    assert world.names(NAMESPACES) == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert world.get(NAMESPACES, "default")["status"] == {"phase": "Active"}


def test_a_subresource_a_type_does_not_have_is_not_found(world):
    world.create(CONFIG_MAPS, config_map("a"))
    with pytest.raises(NotFound, match="could not find the requested resource"):
        world.patch(CONFIG_MAPS, "a", {}, subresource="status")


def test_a_review_can_only_be_created(world):
    reviews = world.server.info("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
    with pytest.raises(ApiError) as caught:
        world.server.get(reviews, None, "x")
    assert caught.value.status["code"] == 405


def test_everything_is_allowed_to_whoever_asks(world):
    reviews = world.server.info("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
    }
    answer = world.server.create(reviews, None, body, Options())
    assert answer["status"] == {"allowed": True}


def test_both_kinds_of_event_are_one(world):
    world.create(
        EVENTS,
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "e"},
            "involvedObject": {"kind": "Pod", "name": "web"},
            "message": "hello",
            "count": 2,
        },
    )
    seen = world.get(NEW_EVENTS, "e")
    assert seen["apiVersion"] == "events.k8s.io/v1"
    assert (seen["note"], seen["deprecatedCount"]) == ("hello", 2)
    assert seen["regarding"] == {"kind": "Pod", "name": "web"}
    world.patch(NEW_EVENTS, "e", {"note": "bye"})
    assert world.get(EVENTS, "e")["message"] == "bye"


def test_an_autoscaler_written_in_v1_keeps_what_v1_cannot_say(world):
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 70}},
    }
    world.create(
        HPAS,
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"},
            "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"},
                "maxReplicas": 5,
                "metrics": [memory],
            },
        },
    )
    patch = {"spec": {"targetCPUUtilizationPercentage": 50}}
    assert world.patch(HPAS_V1, "web", patch)["spec"]["targetCPUUtilizationPercentage"] == 50
    names = [m["resource"]["name"] for m in world.get(HPAS, "web")["spec"]["metrics"]]
    assert sorted(names) == ["cpu", "memory"]
    assert "annotations" not in world.get(HPAS, "web")["metadata"]


def test_a_selector_stays_as_it_was_created(world):
    world.create(DEPLOYMENTS, deployment("web"))
    labels = {"app": "other"}
    patch = {
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}},
        }
    }
    with pytest.raises(Invalid, match=r"spec\.selector: Invalid value: .*: field is immutable"):
        world.patch(DEPLOYMENTS, "web", patch)


def test_a_pod_keeps_its_spec_apart_from_the_image(world):
    world.create(PODS, pod("a"))
    image = [{"op": "replace", "path": "/spec/containers/0/image", "value": "nginx:2"}]
    changed = world.patch(PODS, "a", image, PatchType.JSON)
    assert changed["spec"]["containers"][0]["image"] == "nginx:2"
    with pytest.raises(Invalid, match="spec: Forbidden: pod updates may not change fields"):
        world.patch(PODS, "a", {"spec": {"hostNetwork": True}})


def test_services_get_addresses_of_their_own_and_keep_them(world):
    first = world.create(SERVICES, service("one"))["spec"]
    second = world.create(SERVICES, service("two"))["spec"]
    assert first["clusterIP"] != second["clusterIP"]
    assert first["clusterIPs"] == [first["clusterIP"]]
    replaced = world.update(SERVICES, service("one", selector={"app": "new"}))
    assert replaced["spec"]["clusterIP"] == first["clusterIP"]
    with pytest.raises(Invalid, match="may not change once set"):
        world.patch(SERVICES, "one", {"spec": {"clusterIP": "10.97.0.1", "clusterIPs": None}})


def test_a_headless_service_has_no_address(world):
    assert world.create(SERVICES, service("h", clusterIP="None"))["spec"]["clusterIP"] == "None"


def test_a_node_port_is_given_once(world):
    made = world.create(SERVICES, service("np", type="NodePort"))["spec"]["ports"][0]["nodePort"]
    assert 30000 <= made <= 32767
    again = world.update(SERVICES, service("np", type="NodePort"))
    assert again["spec"]["ports"][0]["nodePort"] == made


def test_the_same_seed_makes_the_same_cluster():
    def story() -> list[str]:
        world = World()
        body = config_map("") | {"metadata": {"generateName": "x-"}}
        made = [world.create(CONFIG_MAPS, body)["metadata"] for _ in range(3)]
        return [part for one in made for part in (one["name"], one["uid"])]

    assert story() == story()
