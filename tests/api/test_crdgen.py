"""The generated CRDs: fresh, small, structural, and stating the facts of each kind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from rollouts.api.crdgen import KINDS, crd, crds, render

FILES = Path(__file__).parents[2] / "crds"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_the_committed_file_is_fresh_and_small(kind):
    text = (FILES / kind.file).read_text(encoding="utf-8")
    assert text == render(kind), "run `make crds`"
    assert len(text.encode()) < 100_000


def test_there_is_no_other_file():
    assert {path.name for path in FILES.iterdir()} == {kind.file for kind in KINDS}


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from nodes(node[key], f"{path}[]")


def schema_of(definition: dict[str, Any]) -> dict[str, Any]:
    return definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize("definition", crds(), ids=lambda d: d["spec"]["names"]["kind"])
def test_schemas_are_structural(definition):
    for path, node in nodes(schema_of(definition)):
        free = node.get("x-kubernetes-preserve-unknown-fields")
        assert "type" in node or free or node.get("x-kubernetes-int-or-string"), path
        assert not {"$ref", "anyOf", "allOf", "oneOf", "not", "title", "nullable"} & node.keys(), (
            path
        )
        assert not ("properties" in node and "additionalProperties" in node), path
        assert node.get("type") != "array" or "items" in node, path


@pytest.mark.parametrize("definition", crds(), ids=lambda d: d["spec"]["names"]["kind"])
def test_every_field_is_described(definition):
    root = schema_of(definition)
    for name, node in nodes(root):
        for child, described in node.get("properties", {}).items():
            inside = f"{name}.{child}"
            declared_for_a_rule = ".template.metadata" in inside
            assert "description" in described or inside == ".metadata" or declared_for_a_rule, (
                inside
            )


def test_the_facts_of_each_kind():
    facts = {
        d["metadata"]["name"]: (
            d["spec"]["names"]["shortNames"],
            d["spec"]["scope"],
            sorted(d["spec"]["versions"][0]["subresources"]),
            [c["name"] for c in d["spec"]["versions"][0]["additionalPrinterColumns"]],
        )
        for d in crds()
    }
    assert facts == {
        "rollouts.argoproj.io": (
            ["ro"],
            "Namespaced",
            ["scale", "status"],
            ["Desired", "Current", "Up-to-date", "Available", "Age"],
        ),
        "analysisruns.argoproj.io": (["ar"], "Namespaced", [], ["Status", "Age"]),
        "analysistemplates.argoproj.io": (["at"], "Namespaced", [], ["Age"]),
        "clusteranalysistemplates.argoproj.io": (["cat"], "Cluster", [], ["Age"]),
        "experiments.argoproj.io": (["exp"], "Namespaced", [], ["Status", "Age"]),
    }


def test_the_scale_subresource_of_a_rollout():
    rollout = crd(KINDS[0])["spec"]["versions"][0]["subresources"]["scale"]
    assert rollout == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.HPAReplicas",
        "labelSelectorPath": ".status.selector",
    }


def test_a_definition_is_plain_json():
    assert all(orjson.loads(orjson.dumps(d)) == d for d in crds())
