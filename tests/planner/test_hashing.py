"""Hashes: the vectors every takeover depends on, and what must not change them."""

import pytest

from rollouts.planner.hashing import fnv1a_32, safe_encode, step_hash, template_hash


def template(name: str, **spec) -> dict:
    container = {
        "name": name,
        "image": "nginx:1.19-alpine",
        "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}},
    }
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **spec}}


GATE = {"readinessGates": [{"conditionType": "argoproj.io/e2e-readiness"}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (template("canary-scaledowndelay"), "674d8cf959"),
        (template("dynamic-stable-scale", **GATE), "6b56c8cdb4"),
    ],
)
def test_known_templates(value, expected):
    assert template_hash(value) == expected


def test_spelling_and_unknown_fields_do_not_matter():
    plain = template("canary-scaledowndelay")
    other = template("canary-scaledowndelay")
    other["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "0.005"
    other["spec"]["containers"][0]["env"] = []
    other["spec"]["unheardOf"] = 1
    other["metadata"]["creationTimestamp"] = None
    assert template_hash(other) == template_hash(plain)


def test_a_collision_gives_another_hash():
    plain = template("canary-scaledowndelay")
    assert len({template_hash(plain), template_hash(plain, 0), template_hash(plain, 1)}) == 3


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([{"pause": {}}], "6b9b86fbd5"),
        ([{"pause": {}}, {"pause": {}}], "79c9b9f6bf"),
        (None, "5ffbfbbd64"),
    ],
)
def test_known_steps(steps, expected):
    assert step_hash(steps) == expected


TYPED = (
    '[{"setWeight":0},{"pause":{"duration":"10m"}},'
    '{"analysis":{"templates":[{"templateName":"ok"},{"templateName":"all","clusterScope":true}],'
    '"args":[{"name":"hash","valueFrom":{"podTemplateHashValue":"Latest"}},'
    '{"name":"rule","value":"a \\u003c b"}],"analysisRunMetadata":{}}},'
    '{"setCanaryScale":{"weight":0}},'
    '{"setHeaderRoute":{"name":"h","match":[{"headerName":"x","headerValue":{"exact":"y"}}]}},'
    '{"plugin":{"name":"p","config":{"a":[1],"b":"\\u0026"}}}]'
)
STEPS = [
    {"setWeight": 0},
    {"pause": {"duration": "10m"}},
    {
        "analysis": {
            "args": [
                {"valueFrom": {"podTemplateHashValue": "Latest"}, "name": "hash"},
                {"value": "a < b", "name": "rule", "unheardOf": 1},
            ],
            "dryRun": [],
            "templates": [
                {"clusterScope": False, "templateName": "ok"},
                {"clusterScope": True, "templateName": "all"},
            ],
        }
    },
    {"setCanaryScale": {"matchTrafficWeight": False, "weight": 0}},
    {
        "setHeaderRoute": {
            "match": [{"headerValue": {"exact": "y", "regex": ""}, "headerName": "x"}],
            "name": "h",
        }
    },
    {"plugin": {"config": {"b": "&", "a": [1]}, "name": "p"}},
]


def test_steps_are_hashed_as_typed_clients_write_them():
    """Declared order, no defaults, no unknown fields, escaped as Go escapes."""
    assert step_hash(STEPS) == safe_encode(str(fnv1a_32(TYPED.encode())))


def test_an_experiment_step_keeps_its_plain_structs():
    steps = [{"experiment": {"duration": "5m", "templates": [{"specRef": "canary", "name": "c"}]}}]
    typed = (
        '[{"experiment":{"templates":[{"name":"c","specRef":"canary","metadata":{}}],'
        '"duration":"5m","analysisRunMetadata":{}}}]'
    )
    assert step_hash(steps) == safe_encode(str(fnv1a_32(typed.encode())))


def test_what_a_step_says_does_matter():
    said = [[{"setWeight": 1}], [{"setWeight": 2}], [{"pause": {}}], [{"pause": {"duration": 0}}]]
    assert len({step_hash(steps) for steps in said}) == len(said)
