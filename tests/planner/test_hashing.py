"""Hashes: the vectors every takeover depends on, and what must not change them."""

import pytest

from rollouts.planner.hashing import step_hash, template_hash


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
