"""kubectl apply, create, replace, diff, edit and patch, as users write them."""

import pytest

from tests.kubectl.manifests import config_map, deployment, rollout, service, widgets


def test_apply_creates_changes_and_leaves_alone(kubectl):
    both = [deployment(), service()]
    assert kubectl("apply", "-f", "-", stdin=both).splitlines() == [
        "deployment.apps/web created",
        "service/web created",
    ]
    changed = [deployment(image="nginx:2"), service()]
    found = kubectl.attempt("apply", "-f", "-", stdin=changed)
    assert found.out.splitlines() == ["deployment.apps/web configured", "service/web unchanged"]
    assert not found.err
    assert "deployment.apps/web unchanged" in kubectl("apply", "-f", "-", stdin=changed)
    live = kubectl.object("deployment", "web")
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"


def test_apply_removes_what_the_manifest_no_longer_has(kubectl):
    kubectl("apply", "-f", "-", stdin=config_map(a="1", b="2"))
    kubectl("apply", "-f", "-", stdin=config_map(a="1"))
    assert kubectl.object("cm", "settings")["data"] == {"a": "1"}


def test_apply_merges_containers_by_name(kubectl):
    first = deployment()
    kubectl("apply", "-f", "-", stdin=first)
    kubectl("patch", "deployment", "web", "-p", _sidecar("2"))
    kubectl("apply", "-f", "-", stdin=deployment(image="nginx:3"))
    containers = kubectl.object("deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["image"] for one in containers} == {
        "app": "nginx:3",
        "proxy": "envoy:2",
    }


def _sidecar(tag: str) -> str:
    proxy = f'{{"name":"proxy","image":"envoy:{tag}"}}'
    return f'{{"spec":{{"template":{{"spec":{{"containers":[{proxy}]}}}}}}}}'


def test_apply_refuses_a_field_that_does_not_exist(kubectl):
    wrong = deployment()
    wrong["spec"]["replicsa"] = 3
    found = kubectl.attempt("apply", "-f", "-", stdin=wrong)
    assert found.code == 1
    assert 'unknown field "' in found.err
    assert "replicsa" in found.err
    assert kubectl.attempt("get", "deployment", "web").code == 1


def test_apply_refuses_a_value_that_is_not_allowed(kubectl):
    wrong = deployment()
    wrong["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    found = kubectl.attempt("apply", "-f", "-", stdin=wrong)
    assert found.code == 1
    assert "is invalid" in found.err
    assert "selector" in found.err


def test_apply_on_the_server_without_doing_it(kubectl):
    found = kubectl("apply", "--dry-run=server", "-f", "-", stdin=config_map(a="1"))
    assert found == "configmap/settings created (server dry run)\n"
    assert kubectl.attempt("get", "cm", "settings").code == 1


def test_server_side_apply_is_refused_with_a_way_out(kubectl):
    found = kubectl.attempt("apply", "--server-side", "-f", "-", stdin=config_map(a="1"))
    assert found.code == 1
    assert "use kubectl apply without --server-side" in found.err


def test_diff_shows_what_apply_would_change(kubectl):
    kubectl("apply", "-f", "-", stdin=deployment())
    assert not kubectl("diff", "-f", "-", stdin=deployment())
    found = kubectl.attempt("diff", "-f", "-", stdin=deployment(image="nginx:2"))
    assert found.code == 1
    assert "-      - image: nginx:1" in found.out
    assert "+      - image: nginx:2" in found.out


def test_create_refuses_what_exists_and_replace_replaces_it(kubectl):
    kubectl("create", "-f", "-", stdin=config_map(a="1"))
    again = kubectl.attempt("create", "-f", "-", stdin=config_map(a="1"))
    assert again.code == 1
    assert "(AlreadyExists)" in again.err
    assert kubectl("replace", "-f", "-", stdin=config_map(b="2")) == "configmap/settings replaced\n"
    assert kubectl.object("cm", "settings")["data"] == {"b": "2"}


def test_typed_create_commands(kubectl):
    kubectl("create", "configmap", "c", "--from-literal=k=v")
    kubectl("create", "secret", "generic", "s", "--from-literal=password=hunter2")
    kubectl("create", "serviceaccount", "sa")
    kubectl("create", "namespace", f"{kubectl.namespace}-2")
    kubectl("create", "deployment", "web", "--image=nginx:1")
    kubectl("create", "service", "clusterip", "web", "--tcp=80:8080")
    kubectl("create", "role", "r", "--verb=get,list", "--resource=pods,deployments.apps")
    kubectl("create", "rolebinding", "rb", "--role=r", "--serviceaccount=default:sa")
    kubectl("autoscale", "deployment", "web", "--max=3")
    assert kubectl.object("cm", "c")["data"] == {"k": "v"}
    assert kubectl.object("secret", "s")["data"] == {"password": "aHVudGVyMg=="}
    assert kubectl.object("svc", "web")["spec"]["ports"][0]["targetPort"] == 8080
    assert kubectl.object("hpa", "web")["spec"]["maxReplicas"] == 3
    assert kubectl.object("role", "r")["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]},
    ]
    assert kubectl.object("rolebinding", "rb")["subjects"][0]["name"] == "sa"
    containers = kubectl.object("deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert [one["image"] for one in containers] == ["nginx:1"]
    assert kubectl.object("ns", f"{kubectl.namespace}-2")["status"]["phase"] == "Active"


def test_a_typed_create_the_sandbox_cannot_read_says_what_to_do(kubectl):
    found = kubectl.attempt("create", "ingress", "web", "--rule=a.test/b=web:80")
    if kubectl.minor >= 32:
        assert "use kubectl apply -f" in found.err
    else:
        assert found.code == 0, found.err


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        (
            "strategic",
            '{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"x:9"}]}}}}',
        ),
        (
            "json",
            '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"x:9"}]',
        ),
        ("merge", '{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"x:9"}]}}}}'),
    ],
)
def test_patches_of_all_three_types(kubectl, kind, patch):
    kubectl("apply", "-f", "-", stdin=deployment())
    found = kubectl("patch", "deployment", "web", f"--type={kind}", "-p", patch)
    assert found == "deployment.apps/web patched\n"
    container = kubectl.object("deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "x:9"
    assert ("ports" in container) == (kind != "merge")
    again = kubectl("patch", "deployment", "web", f"--type={kind}", "-p", patch)
    assert again == "deployment.apps/web patched (no change)\n"


def test_a_patch_that_tests_in_vain_changes_nothing(kubectl):
    kubectl("create", "-f", "-", stdin=config_map(a="1"))
    patch = '[{"op":"test","path":"/data/a","value":"2"},{"op":"remove","path":"/data/a"}]'
    found = kubectl.attempt("patch", "cm", "settings", "--type=json", "-p", patch)
    assert found.code == 1
    assert kubectl.object("cm", "settings")["data"] == {"a": "1"}


def test_edit_with_an_editor(kubectl):
    kubectl("apply", "-f", "-", stdin=deployment())
    editor = "sed -i -e s/nginx:1/nginx:7/ -e s/containerPort:.80/containerPort:\\ 81/"
    assert kubectl("edit", "deployment", "web", EDITOR=editor) == "deployment.apps/web edited\n"
    container = kubectl.object("deployment", "web")["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["ports"][0]["containerPort"]) == ("nginx:7", 81)
    unchanged = kubectl.attempt("edit", "deployment", "web", EDITOR="true")
    assert "Edit cancelled, no changes made." in unchanged.out + unchanged.err


def test_labels_and_annotations(kubectl):
    kubectl("apply", "-f", "-", stdin=deployment())
    assert kubectl("label", "deployment", "web", "tier=front") == "deployment.apps/web labeled\n"
    refused = kubectl.attempt("label", "deployment", "web", "tier=back")
    assert "already has a value" in refused.err
    kubectl("label", "--overwrite", "deployment", "web", "tier=back")
    kubectl("annotate", "deployment", "web", "note=a word")
    found = kubectl("get", "deployment", "-l", "tier in (back)", "-o", "name")
    assert found == "deployment.apps/web\n"
    kubectl("label", "deployment", "web", "tier-")
    metadata = kubectl.object("deployment", "web")["metadata"]
    assert "tier" not in metadata["labels"]
    assert metadata["annotations"]["note"] == "a word"


class TestCustomTypes:
    def test_a_rollout_is_applied_like_anything_else(self, kubectl):
        kubectl("apply", "-f", "-", stdin=rollout())
        assert "unchanged" in kubectl("apply", "-f", "-", stdin=rollout())
        assert "configured" in kubectl("apply", "-f", "-", stdin=rollout(image="nginx:2"))
        kubectl("patch", "rollout", "web", "--type=merge", "-p", '{"spec":{"paused":true}}')
        assert kubectl.object("rollout", "web")["spec"]["paused"] is True
        kubectl("edit", "rollout", "web", EDITOR="sed -i s/nginx:2/nginx:3/")
        strategic = kubectl.attempt("patch", "rollout", "web", "-p", '{"spec":{"paused":false}}')
        assert strategic.code == 1
        assert "application/merge-patch+json" in strategic.err

    def test_a_contradiction_is_refused_when_it_is_applied(self, kubectl):
        wrong = rollout()
        wrong["spec"]["strategy"]["blueGreen"] = {"activeService": "a"}
        found = kubectl.attempt("apply", "-f", "-", stdin=wrong)
        assert found.code == 1
        assert "spec.strategy" in found.err
        wrong = rollout()
        wrong["spec"]["strategy"]["canary"]["stepps"] = []
        found = kubectl.attempt("apply", "-f", "-", stdin=wrong)
        assert "stepps" in found.err

    def test_a_new_type_is_usable_at_once(self, kubectl):
        kubectl("apply", "-f", "-", stdin=widgets())
        kubectl("wait", "--for=condition=Established", "crd/widgets.example.test", "--timeout=5s")
        widget = {
            "apiVersion": "example.test/v1",
            "kind": "Widget",
            "metadata": {"name": "w"},
            "spec": {"size": 3},
        }
        kubectl("apply", "-f", "-", stdin=widget)
        assert kubectl("get", "wd", "w", "-o", "jsonpath={.spec.color}") == "blue"
        lines = kubectl("get", "wd").splitlines()
        assert lines[0].split() == ["NAME", "SIZE"]
        assert lines[1].split() == ["w", "3"]
        assert kubectl("get", "wd", "-o", "wide").splitlines()[0].split() == [
            "NAME",
            "SIZE",
            "COLOR",
        ]
        assert "how large it is" in kubectl("explain", "widget.spec.size")
        widget["spec"] = {"size": 0}
        found = kubectl.attempt("apply", "-f", "-", stdin=widget)
        assert "spec.size" in found.err
        kubectl("delete", "crd", "widgets.example.test")
        assert kubectl.attempt("get", "wd").code == 1
