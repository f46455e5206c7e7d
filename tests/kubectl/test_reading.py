"""kubectl get in every form, describe, explain, and what the server says about itself."""

import json
import re

import pytest

from tests.kubectl.manifests import config_map, deployment, rollout, service


@pytest.fixture
def web(kubectl):
    """A Deployment and its Service, rolled out."""
    kubectl("apply", "-f", "-", stdin=[deployment(), service()])
    kubectl("rollout", "status", "deployment", "web", "--timeout=20s")
    return kubectl


def columns(table: str) -> list[str]:
    """Column names: they are separated by at least two spaces, or by three in old versions."""
    return re.split(r"\s{2,}", table.splitlines()[0].strip())


class TestGet:
    def test_columns_of_each_kind(self, web):
        assert columns(web("get", "deployment")) == [
            "NAME",
            "READY",
            "UP-TO-DATE",
            "AVAILABLE",
            "AGE",
        ]
        assert columns(web("get", "rs")) == ["NAME", "DESIRED", "CURRENT", "READY", "AGE"]
        assert columns(web("get", "pods")) == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
        assert columns(web("get", "svc")) == [
            "NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"
        ]  # fmt: skip
        assert columns(web("get", "endpointslices")) == [
            "NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"
        ]  # fmt: skip

    def test_wide_columns(self, web):
        table = web("get", "pods", "-o", "wide")
        assert columns(table)[5:] == ["IP", "NODE", "NOMINATED NODE", "READINESS GATES"]
        assert columns(web("get", "rs", "-o", "wide"))[5:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
        assert "sandbox-node-" in table

    def test_rows_say_how_things_are(self, web):
        row = web("get", "deployment", "web", "--no-headers").split()
        assert row[:4] == ["web", "2/2", "2", "2"]
        for line in web("get", "pods", "--no-headers").splitlines():
            assert line.split()[1:4] == ["1/1", "Running", "0"]

    def test_names_jsonpath_and_custom_columns(self, web):
        assert web("get", "deployment,svc", "-o", "name") == "deployment.apps/web\nservice/web\n"
        path = "jsonpath={.items[*].metadata.labels.app}"
        assert web("get", "pods", "-o", path) == "web web"
        chosen = "custom-columns=N:.metadata.name,R:.spec.replicas"
        assert web("get", "deployment", "-o", chosen).split() == ["N", "R", "web", "2"]
        sorted_names = web("get", "pods", "--sort-by=.metadata.name", "-o", "name").splitlines()
        assert sorted_names == sorted(sorted_names)

    def test_yaml_and_json_are_the_object(self, web):
        found = web.object("deployment", "web")
        assert (found["kind"], found["apiVersion"]) == ("Deployment", "apps/v1")
        assert "kind: Deployment" in web("get", "deployment", "web", "-o", "yaml")
        listed = json.loads(web("get", "pods", "-o", "json"))
        assert [one["kind"] for one in listed["items"]] == ["Pod", "Pod"]

    def test_selectors(self, web):
        assert len(web("get", "pods", "-l", "app=web", "-o", "name").splitlines()) == 2
        assert not web("get", "pods", "-l", "app notin (web)", "-o", "name")
        running = web("get", "pods", "--field-selector=status.phase=Running", "-o", "name")
        assert len(running.splitlines()) == 2
        wrong = web.attempt("get", "pods", "--field-selector=spec.color=red")
        assert "field label not supported: spec.color" in wrong.err

    def test_everything_at_once(self, web):
        found = web("get", "all", "-o", "name")
        kinds = {line.partition("/")[0] for line in found.splitlines()}
        assert kinds == {"deployment.apps", "replicaset.apps", "pod", "service"}

    def test_events_are_about_what_happened(self, web):
        found = web("get", "events")
        assert columns(found) == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
        for reason in ("ScalingReplicaSet", "SuccessfulCreate", "Scheduled"):
            assert reason in found

    def test_what_is_not_there(self, kubectl):
        assert kubectl.attempt("get", "pods").err == (
            f"No resources found in {kubectl.namespace} namespace.\n"
        )
        found = kubectl.attempt("get", "deployment", "web")
        assert found.code == 1
        assert found.err == 'Error from server (NotFound): deployments.apps "web" not found\n'
        assert "the server doesn't have a resource type" in kubectl.attempt("get", "unicorns").err

    def test_a_list_longer_than_one_page(self, kubectl):
        kubectl("create", "-f", "-", stdin=[config_map(f"c{n}") for n in range(5)])
        found = kubectl("get", "configmaps", "--chunk-size=2", "-o", "name").splitlines()
        assert found == [f"configmap/c{n}" for n in range(5)]

    def test_watch_prints_a_line_per_change(self, kubectl):
        kubectl("create", "-f", "-", stdin=config_map("a", k="v"))
        with kubectl.running("get", "configmaps", "--watch") as watching:
            assert watching.stdout.readline().split() == ["NAME", "DATA", "AGE"]
            assert watching.stdout.readline().split()[:2] == ["a", "1"]
            kubectl("patch", "cm", "a", "-p", '{"data":{"l":"w"}}')
            assert watching.stdout.readline().split()[:2] == ["a", "2"]
            kubectl("create", "configmap", "b")
            assert watching.stdout.readline().split()[:2] == ["b", "0"]


class TestDescribe:
    def test_a_deployment_and_what_belongs_to_it(self, web):
        found = web("describe", "deployment", "web")
        assert "2 desired | 2 updated | 2 total | 2 available" in found
        assert "ScalingReplicaSet" in found
        (replica_set,) = web("get", "rs", "-o", "name").split()
        assert "2 Running / 0 Waiting / 0 Succeeded / 0 Failed" in web("describe", replica_set)

    def test_a_pod(self, web):
        pod = web("get", "pods", "-o", "name").split()[0]
        found = web("describe", pod)
        assert re.search(r"State: +Running", found)
        assert "Scheduled" in found

    def test_a_service_lists_its_endpoints(self, web):
        found = web("describe", "svc", "web")
        assert re.search(r"Selector: +app=web", found)
        assert re.search(r"Type: +ClusterIP", found)

    def test_a_rollout(self, kubectl):
        kubectl("apply", "-f", "-", stdin=rollout())
        found = kubectl("describe", "rollout", "web")
        assert re.search(r"Set Weight: +50", found)

    def test_a_node(self, kubectl):
        assert re.search(r"Ready +True", kubectl("describe", "node", "sandbox-node-1"))


class TestAboutTheServer:
    def test_api_resources(self, kubectl):
        found = kubectl("api-resources")
        assert re.search(r"^deployments +deploy +apps/v1 +true +Deployment", found, re.MULTILINE)
        assert re.search(r"^rollouts +ro +argoproj.io/v1alpha1 +true +Rollout", found, re.MULTILINE)
        listable = kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name")
        assert "selfsubjectaccessreviews" not in listable
        assert "pods" in listable.split()

    def test_api_versions(self, kubectl):
        found = kubectl("api-versions").split()
        assert {"v1", "apps/v1", "argoproj.io/v1alpha1", "autoscaling/v2"} <= set(found)

    def test_version_and_cluster_info(self, kubectl):
        found = json.loads(kubectl("version", "-o", "json"))
        assert found["serverVersion"]["gitVersion"].endswith("+sandbox")
        assert "is running at" in kubectl("cluster-info")

    def test_auth(self, kubectl):
        assert kubectl("auth", "can-i", "create", "deployments") == "yes\n"
        assert kubectl("auth", "can-i", "delete", "rollouts.argoproj.io") == "yes\n"
        assert "[*]" in kubectl("auth", "can-i", "--list")

    @pytest.mark.parametrize(
        ("path", "word"),
        [
            ("deployment.spec.strategy.rollingUpdate.maxSurge", "maximum number of pods"),
            ("rs.spec.template.spec.containers.readinessProbe", "periodSeconds"),
            ("pod.metadata.labels", "Map of string keys and values"),
            ("service.spec.ports.targetPort", "Number or name of the port"),
            ("rollout.spec.strategy.canary", "setWeight|steps"),
            ("analysistemplate.spec.metrics", "successCondition"),
        ],
    )
    def test_explain(self, kubectl, path, word):
        assert re.search(word, kubectl("explain", path))

    def test_explain_of_a_field_that_is_not_there(self, kubectl):
        found = kubectl.attempt("explain", "deployment.spec.replicsa")
        assert found.code == 1
        assert "does not exist" in found.err
