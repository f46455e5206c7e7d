"""What the API server fills in for a pod template, and the spelling of quantities."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.kube.poddefaults import default_pod_template, fill_pod, pull_policy
from rollouts.kube.quantities import canonical_quantity, parse_quantity


def template(*containers: dict, **spec) -> dict:
    return {"spec": {"containers": list(containers) or [{"name": "a", "image": "x:1"}], **spec}}


def container(**fields) -> dict:
    result = default_pod_template(template({"name": "a", "image": "x:1", **fields}))
    return result["spec"]["containers"][0]


def test_the_smallest_template_gets_everything():
    assert default_pod_template(template()) == {
        "spec": {
            "containers": [
                {
                    "name": "a",
                    "image": "x:1",
                    "imagePullPolicy": "IfNotPresent",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                }
            ],
            "dnsPolicy": "ClusterFirst",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
        }
    }


def test_the_argument_stays_as_it_was():
    given_template = template()
    default_pod_template(given_template)
    assert given_template == template()


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry.example.com:5000/team/app", "Always"),
        ("registry.example.com:5000/team/app:v1", "IfNotPresent"),
        (f"nginx@sha256:{'0' * 64}", "IfNotPresent"),
        (f"nginx:latest@sha256:{'0' * 64}", "Always"),
        ("", "IfNotPresent"),
        ("Not An Image", "IfNotPresent"),
    ],
)
def test_the_tag_decides_how_an_image_is_pulled(image, policy):
    assert pull_policy(image) == policy


def test_ports_probes_and_hooks_get_their_numbers():
    made = container(
        ports=[{"containerPort": 80}],
        readinessProbe={"httpGet": {"port": 80}},
        livenessProbe={"exec": {"command": ["true"]}, "periodSeconds": 3},
        lifecycle={"preStop": {"httpGet": {"port": 80, "path": "/bye"}}},
    )
    assert made["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert made["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert made["livenessProbe"]["periodSeconds"] == 3
    assert made["lifecycle"]["preStop"]["httpGet"]["scheme"] == "HTTP"


def test_references_to_fields_say_their_version():
    env = [
        {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ]
    field, resource = (one["valueFrom"] for one in container(env=env)["env"])
    assert field["fieldRef"]["apiVersion"] == "v1"
    assert resource["resourceFieldRef"]["divisor"] == "0"


def test_volumes_get_their_modes_and_a_volume_of_nothing_is_empty():
    volumes = [
        {"name": "nothing"},
        {"name": "secret", "secret": {"secretName": "s"}},
        {"name": "map", "configMap": {"name": "c", "defaultMode": 256}},
        {"name": "path", "hostPath": {"path": "/x"}},
        {"name": "all", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
    ]
    made = default_pod_template(template(volumes=volumes))["spec"]["volumes"]
    assert made[0] == {"name": "nothing", "emptyDir": {}}
    assert made[1]["secret"]["defaultMode"] == 420
    assert made[2]["configMap"]["defaultMode"] == 256
    assert made[3]["hostPath"]["type"] == ""
    assert made[4]["projected"] == {
        "defaultMode": 420,
        "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
    }


def test_a_volume_that_may_be_written_says_nothing_about_it():
    claim = {"claimName": "c", "readOnly": False}
    made = default_pod_template(template(volumes=[{"name": "v", "persistentVolumeClaim": claim}]))
    assert made["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "c"}


def test_on_the_hosts_network_ports_are_the_hosts():
    made = default_pod_template(
        template({"name": "a", "image": "x", "ports": [{"containerPort": 80}]}, hostNetwork=True)
    )
    assert made["spec"]["containers"][0]["ports"][0]["hostPort"] == 80


def test_zeroes_that_say_nothing_disappear():
    made = default_pod_template(template(hostNetwork=False, serviceAccountName="", nodeName=None))
    assert made == default_pod_template(template())


def test_the_service_account_is_spelled_both_ways():
    spec = default_pod_template(template(serviceAccountName="robot"))["spec"]
    assert spec["serviceAccount"] == "robot"


def test_a_pod_requests_what_it_is_limited_to():
    pod = template({"name": "a", "image": "x", "resources": {"limits": {"cpu": "1000m"}}})
    fill_pod(pod)
    assert pod["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "1"},
        "requests": {"cpu": "1"},
    }
    assert pod["spec"]["enableServiceLinks"] is True


def test_two_spellings_of_one_template_are_equal():
    short = template({"name": "a", "image": "x:1", "resources": {"limits": {"cpu": "0.5"}}})
    spelled = default_pod_template(
        template({"name": "a", "image": "x:1", "resources": {"limits": {"cpu": "500m"}}})
    )
    assert default_pod_template(short) == spelled


IMAGES = st.sampled_from(["x", "x:1", "x:latest", ""])
CONTAINERS = st.fixed_dictionaries(
    {"name": st.just("a"), "image": IMAGES},
    optional={
        "ports": st.lists(st.fixed_dictionaries({"containerPort": st.integers(1, 9)}), max_size=2),
        "readinessProbe": st.fixed_dictionaries({"httpGet": st.just({"port": 1})}),
        "resources": st.fixed_dictionaries(
            {"limits": st.dictionaries(st.just("cpu"), st.sampled_from(["1", "0.1", "2e3"]))}
        ),
        "stdin": st.booleans(),
    },
)


@given(one=CONTAINERS, network=st.booleans())
def test_filling_in_twice_is_filling_in_once(one, network):
    once = default_pod_template(template(one, hostNetwork=network))
    assert default_pod_template(once) == once


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("1000Ki", "1000Ki"),
        ("0.5Gi", "512Mi"),
        ("512", "512"),
        ("1000", "1k"),
        ("1e3", "1e3"),
        ("1500e3", "1500e3"),
        ("2000000000", "2G"),
        ("0", "0"),
        ("0Mi", "0"),
        ("100n", "100n"),
        ("-1500m", "-1500m"),
        (2, "2"),
        (0.25, "250m"),
        ("many", "many"),
    ],
)
def test_quantities_have_one_spelling(text, canonical):
    assert canonical_quantity(text) == canonical


NUMBERS = st.one_of(
    st.integers(0, 10**6).map(str), st.decimals(0, 1000, places=3).map(lambda d: format(d, "f"))
)
SUFFIXES = st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E6"])


@given(number=NUMBERS, suffix=SUFFIXES)
def test_the_canonical_spelling_is_the_same_number_and_stays_itself(number, suffix):
    text = f"{number}{suffix}"
    canonical = canonical_quantity(text)
    assert parse_quantity(canonical) == parse_quantity(text)
    assert canonical_quantity(canonical) == canonical


def test_a_text_that_is_no_quantity_has_no_number():
    assert parse_quantity("1x") is None
    assert parse_quantity("1e999") is None
    assert parse_quantity("1.5Gi") == Decimal(1536 * 1024 * 1024)
