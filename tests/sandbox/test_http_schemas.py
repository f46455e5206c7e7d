"""Schemas of built-in kinds: derived, kept on disk, compared with what users send."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollouts.sandbox import schemas
from rollouts.sandbox.builtins import BUILTINS
from rollouts.sandbox.http import openapi2

DEPLOYMENT = ("apps", "v1", "Deployment")


def deployment(**spec):
    container = {"name": "app", "image": "nginx:1", "ports": [{"containerPort": 80}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    return {"spec": {"replicas": 2, "template": template, **spec}}


@pytest.mark.parametrize("info", BUILTINS, ids=lambda info: info.resource.group_resource)
def test_every_kind_the_sandbox_serves_has_a_schema(info):
    resource = info.resource
    name = schemas.name_of(resource.group, resource.version, resource.kind)
    assert name is not None
    assert "metadata" in schemas.definitions()[name]["properties"]


def test_a_kind_of_another_group_is_not_taken_for_a_built_in():
    assert schemas.name_of("", "v1", "Event") != schemas.name_of("events.k8s.io", "v1", "Event")
    assert schemas.name_of("apps", "v1", "Unicorn") is None


def test_every_reference_leads_somewhere():
    known = schemas.definitions()
    for name, schema in known.items():
        assert set(schemas.references(schema)) <= set(known), name


def field(kind: str, name: str):
    return schemas.definitions()[f"io.k8s.v1.{kind}"]["properties"][name]


def test_fields_that_take_a_number_or_a_string_say_so():
    for kind, name in (("ServicePort", "targetPort"), ("RollingUpdateDeployment", "maxSurge")):
        assert field(kind, name)["format"] == "int-or-string"
    assert field("ResourceRequirements", "limits")["additionalProperties"] == {
        "oneOf": [{"type": "string"}, {"type": "number"}]
    }


def test_lists_that_merge_say_by_what():
    assert field("PodSpec", "containers")["x-kubernetes-patch-merge-key"] == "name"
    assert field("PodSpec", "volumes")["x-kubernetes-patch-strategy"] == "merge,retainKeys"
    assert field("DeploymentStatus", "conditions")["x-kubernetes-patch-merge-key"] == "type"
    assert "x-kubernetes-patch-merge-key" not in field("ObjectMeta", "finalizers")
    assert field("ObjectMeta", "finalizers")["x-kubernetes-patch-strategy"] == "merge"


def test_what_is_required_and_what_it_means_comes_from_the_models():
    spec = schemas.definitions()["io.k8s.v1.DeploymentSpec"]
    assert set(spec["required"]) == {"selector", "template"}
    assert "Number of desired pods" in spec["properties"]["replicas"]["description"]


class TestUnknownFields:
    def test_they_are_named_by_their_path(self):
        obj = deployment(replicsa=1)
        obj["spec"]["template"]["spec"]["containers"][0]["ports"][0]["nmae"] = "http"
        obj["metadata"] = {"labels": {"any": "thing"}, "lables": {}}
        assert schemas.unknown_fields(DEPLOYMENT, obj) == [
            "spec.template.spec.containers[0].ports[0].nmae",
            "spec.replicsa",
            "metadata.lables",
        ]

    def test_a_correct_object_has_none(self):
        assert schemas.unknown_fields(DEPLOYMENT, deployment()) == []

    def test_a_kind_nobody_knows_has_none(self):
        assert schemas.unknown_fields(("example.test", "v1", "Widget"), {"anything": 1}) == []


class TestTypeErrors:
    @pytest.mark.parametrize(
        ("spec", "error"),
        [
            (
                {"replicas": "three"},
                "string into Go struct field Deployment.spec.replicas of type int32",
            ),
            (
                {"replicas": 1.5},
                "number into Go struct field Deployment.spec.replicas of type int32",
            ),
            ({"paused": "yes"}, "string into Go struct field Deployment.spec.paused of type bool"),
            (
                {"template": []},
                "array into Go struct field Deployment.spec.template of type struct",
            ),
            (
                {"selector": "app"},
                "string into Go struct field Deployment.spec.selector of type struct",
            ),
        ],
    )
    def test_the_first_is_told_in_the_words_of_a_server(self, spec, error):
        found = schemas.type_error(DEPLOYMENT, deployment(**spec))
        assert found == f"json: cannot unmarshal {error}"

    @pytest.mark.parametrize(
        "spec",
        [
            {"replicas": 2.0},
            {"replicas": None},
            {"strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}}},
            {"unknown": {"anything": 1}},
        ],
    )
    def test_there_is_none_where_a_server_would_decode(self, spec):
        assert schemas.type_error(DEPLOYMENT, deployment(**spec)) == ""


class TestCache:
    SCRIPT = (
        "import sys; from rollouts.sandbox import schemas; schemas.definitions(); "
        "print('kubernetes_asyncio' in sys.modules)"
    )

    def derived(self, **environment) -> bool:
        """Whether a fresh process had to import the models."""
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", self.SCRIPT],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env={"PATH": os.environ["PATH"], **environment},
        )
        return done.stdout.strip() == "True"

    def test_the_second_process_reads_what_the_first_derived(self, tmp_path):
        assert self.derived(XDG_CACHE_HOME=str(tmp_path))
        assert not self.derived(XDG_CACHE_HOME=str(tmp_path))
        (kept,) = (tmp_path / "rollouts").iterdir()
        kept.write_text("{torn")
        assert self.derived(XDG_CACHE_HOME=str(tmp_path))

    def test_a_cache_that_cannot_be_written_is_done_without(self, tmp_path):
        blocked = tmp_path / "file"
        blocked.write_text("")
        assert self.derived(XDG_CACHE_HOME=str(blocked))
        assert self.derived()
        assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_nothing_is_derived_before_somebody_asks():
    script = (
        "import sys, rollouts.sandbox.http.server, rollouts.sandbox.cluster; "
        "print('kubernetes_asyncio' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


class TestOldOpenApi:
    def test_a_field_is_written_with_its_type_text_and_merge_key(self):
        schema = {
            "type": "object",
            "properties": {
                "items": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/X"},
                    "x-kubernetes-patch-merge-key": "name",
                }
            },
        }
        written = openapi2.document({"L": schema}, {})
        for part in (
            b"2.0",
            b"#/definitions/X",
            b"array",
            b'x-kubernetes-patch-merge-key\x12\x08\x12\x06"name"',
        ):
            assert part in written

    @pytest.mark.parametrize(
        ("schema", "present", "absent"),
        [
            (
                {"oneOf": [{"type": "integer"}], "format": "int-or-string"},
                b"int-or-string",
                b"integer",
            ),
            ({"x-kubernetes-int-or-string": True}, b"int-or-string", b"integer"),
            (
                {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"known": {"type": "string"}},
                },
                b"object",
                b"known",
            ),
            ({"allOf": [{"$ref": "#/components/schemas/X"}]}, b"#/definitions/X", b"allOf"),
            ({"anyOf": [{"type": "string"}], "description": "d"}, b"d", b"string"),
        ],
    )
    def test_what_it_cannot_say_is_left_open(self, schema, present, absent):
        written = openapi2.document({"L": schema}, {})
        assert present in written
        assert absent not in written
