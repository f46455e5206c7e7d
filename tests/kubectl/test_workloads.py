"""What runs: rollout status, scale, wait, delete in its three ways, Jobs, logs."""

import json

import pytest

from tests.kubectl.manifests import config_map, deployment, rollout, service

TIMEOUT = "--timeout=20s"


@pytest.fixture
def web(kubectl):
    kubectl("apply", "-f", "-", stdin=deployment())
    kubectl("rollout", "status", "deployment", "web", TIMEOUT)
    return kubectl


class TestRollouts:
    def test_a_deployment_rolls_out_back_and_again(self, web):
        web("set", "image", "deployment/web", "app=nginx:2")
        found = web("rollout", "status", "deployment/web", TIMEOUT)
        assert found.splitlines()[-1] == 'deployment "web" successfully rolled out'
        history = web("rollout", "history", "deployment/web")
        assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2"]
        web("rollout", "undo", "deployment/web")
        web("rollout", "status", "deployment/web", TIMEOUT)
        template = web.object("deployment", "web")["spec"]["template"]
        assert template["spec"]["containers"][0]["image"] == "nginx:1"
        web("rollout", "restart", "deployment/web")
        web("rollout", "status", "deployment/web", TIMEOUT)
        template = web.object("deployment", "web")["spec"]["template"]
        assert "kubectl.kubernetes.io/restartedAt" in template["metadata"]["annotations"]

    def test_a_deployment_that_cannot_roll_out_says_so(self, kubectl):
        stuck = deployment(image="nginx:never-ready")
        stuck["spec"]["progressDeadlineSeconds"] = 1
        kubectl("apply", "-f", "-", stdin=stuck)
        found = kubectl.attempt("rollout", "status", "deployment/web", TIMEOUT)
        assert found.code == 1
        assert "exceeded its progress deadline" in found.err

    def test_a_pod_whose_image_is_not_there(self, kubectl):
        kubectl("apply", "-f", "-", stdin=deployment(image="nginx:does-not-exist", replicas=1))
        reason = "{.status.containerStatuses[0].state.waiting.reason}"
        _until(kubectl, reason, "ErrImagePull", "ImagePullBackOff")
        assert kubectl("get", "pods", "--no-headers").split()[2] in {
            "ErrImagePull",
            "ImagePullBackOff",
        }


def _until(kubectl, path: str, *wanted: str) -> None:
    """Follow the pods until a value of one of them is among the wanted."""
    output = f"jsonpath={path}{{'\\n'}}"
    with kubectl.running("get", "pods", "--watch", "-o", output) as watching:
        assert any(line.strip() in wanted for line in watching.stdout)


class TestScale:
    def test_a_deployment(self, web):
        assert web("scale", "deployment", "web", "--replicas=3") == "deployment.apps/web scaled\n"
        web("rollout", "status", "deployment", "web", TIMEOUT)
        assert len(web("get", "pods", "-o", "name").splitlines()) == 3
        refused = web.attempt("scale", "deployment", "web", "--current-replicas=9", "--replicas=1")
        assert refused.code == 1
        assert "Expected replicas to be 9, was 3" in refused.err

    def test_a_rollout(self, kubectl):
        kubectl("apply", "-f", "-", stdin=rollout())
        assert (
            kubectl("scale", "rollout", "web", "--replicas=5") == "rollout.argoproj.io/web scaled\n"
        )
        assert kubectl.object("rollout", "web")["spec"]["replicas"] == 5


class TestWait:
    def test_for_a_condition(self, kubectl):
        kubectl("apply", "-f", "-", stdin=deployment())
        assert "condition met" in kubectl(
            "wait", "--for=condition=Available", "deployment/web", TIMEOUT
        )
        kubectl("wait", "--for=condition=Ready", "pods", "-l", "app=web", TIMEOUT)

    def test_for_a_value(self, web):
        if web.minor < 23:
            pytest.skip("this kubectl cannot wait for a value")
        web("wait", "--for=jsonpath={.status.readyReplicas}=2", "deployment/web", TIMEOUT)

    def test_for_an_end(self, web):
        with web.running("wait", "--for=delete", "deployment/web", TIMEOUT) as waiting:
            web("delete", "deployment", "web", "--wait=false")
            # An old kubectl that comes too late calls it an error.
            assert waiting.wait(timeout=20) == 0 or web.minor < 24

    def test_in_vain(self, kubectl):
        kubectl("apply", "-f", "-", stdin=deployment(image="nginx:never-ready"))
        found = kubectl.attempt(
            "wait", "--for=condition=Available", "deployment/web", "--timeout=1s"
        )
        assert found.code == 1
        assert "timed out waiting for the condition" in found.err


class TestDelete:
    def test_in_the_background_what_is_owned_follows(self, web):
        found = web("delete", "deployment", "web")
        assert found.startswith('deployment.apps "web" deleted')
        # An old kubectl calls it an error when there is nothing left to wait for.
        web.attempt("wait", "--for=delete", "pods", "-l", "app=web", TIMEOUT)
        assert not web("get", "rs,pods", "-o", "name")

    def test_orphans_stay(self, web):
        web("delete", "deployment", "web", "--cascade=orphan")
        (replica_set,) = web("get", "rs", "-o", "name").split()
        assert "ownerReferences" not in web.object(replica_set)["metadata"]
        web("delete", replica_set)

    def test_in_the_foreground_the_owner_goes_last(self, web):
        web("delete", "deployment", "web", "--cascade=foreground", TIMEOUT)
        assert not web("get", "deployment,rs,pods", "-o", "name")

    def test_a_finalizer_holds_an_object(self, kubectl):
        held = config_map("held")
        held["metadata"]["finalizers"] = ["example.test/hold"]
        kubectl("create", "-f", "-", stdin=held)
        kubectl("delete", "cm", "held", "--wait=false")
        assert "deletionTimestamp" in kubectl.object("cm", "held")["metadata"]
        kubectl("patch", "cm", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        assert kubectl.attempt("get", "cm", "held").code == 1

    def test_by_label_and_by_file(self, kubectl):
        kubectl("apply", "-f", "-", stdin=[deployment(), service()])
        kubectl("delete", "deployment", "-l", "app=web")
        found = kubectl.attempt("delete", "-f", "-", stdin=[deployment(), service()])
        assert 'service "web" deleted' in found.out
        assert "(NotFound)" in found.err
        kubectl("delete", "-f", "-", "--ignore-not-found", stdin=[deployment(), service()])

    def test_a_namespace_takes_everything_with_it(self, web):
        name = web.namespace
        web("delete", "namespace", name, TIMEOUT)
        assert web.attempt("get", "namespace", name).code == 1
        assert not web("get", "deployment,rs,pods,cm", "-o", "name")


class TestJobs:
    def test_a_job_completes(self, kubectl):
        kubectl("create", "job", "once", "--image=busybox", "--", "true")
        kubectl("wait", "--for=condition=Complete", "job/once", TIMEOUT)
        assert "1/1" in kubectl("get", "job", "once")


def test_logs_are_honest(web):
    pod = web("get", "pods", "-o", "name").split()[0]
    assert "is simulated" in web("logs", pod)
    refused = web.attempt("exec", pod, "--", "true")
    assert refused.code == 1
    assert "the sandbox runs none" in refused.err


def test_a_pod_can_be_evicted_and_is_replaced(web):
    pod = web("get", "pods", "-o", "name").split()[0]
    name = pod.removeprefix("pod/")
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": web.namespace},
    }
    path = f"/api/v1/namespaces/{web.namespace}/pods/{name}/eviction"
    web("create", "--raw", path, "-f", "-", stdin=json.dumps(body))
    web("wait", "--for=delete", pod, TIMEOUT)
    web("rollout", "status", "deployment", "web", TIMEOUT)
    assert len(web("get", "pods", "-o", "name").splitlines()) == 2
