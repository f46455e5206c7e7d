"""Custom types: a definition makes an API, and takes it away again."""

from typing import Any

import pytest

from rollouts.kube.api import Obj, PatchType
from rollouts.kube.errors import ApiError, BadRequest, Conflict, Invalid, NotFound
from rollouts.kube.resources import CRDS, Resource
from rollouts.sandbox.options import Options
from tests.sandbox.serverworld import World, drained, spelled

WIDGETS = Resource("example.com", "v1", "widgets", "Widget")
OLD_WIDGETS = Resource("example.com", "v1beta1", "widgets", "Widget")

SCHEMA: Obj = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1},
                "colour": {"type": "string", "default": "blue"},
                "replicas": {"type": "integer"},
            },
        },
        "status": {
            "type": "object",
            "properties": {
                "phase": {"type": "string"},
                "replicas": {"type": "integer"},
                "selector": {"type": "string"},
            },
        },
    },
}


def version(name: str, *, storage: bool, **more: Any) -> Obj:
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": SCHEMA},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "selectableFields": [{"jsonPath": ".spec.colour"}],
    } | more


def definition(*versions: Obj, plural: str = "widgets") -> Obj:
    kind = plural.removesuffix("s").capitalize()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "shortNames": ["wd"]},
            "versions": list(versions) or [version("v1", storage=True)],
        },
    }


def widget(name: str, api_version: str = "v1", **spec: Any) -> Obj:
    return {
        "apiVersion": f"example.com/{api_version}",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": 1} | spec,
    }


@pytest.fixture
def world() -> World:
    world = World()
    world.create(CRDS, definition())
    return world


def conditions(crd: Obj) -> dict[str, str]:
    return {one["type"]: one["status"] for one in crd["status"]["conditions"]}


def test_a_definition_is_established_and_its_type_served(world):
    crd = world.get(CRDS, "widgets.example.com")
    assert conditions(crd) == {"NamesAccepted": "True", "Established": "True"}
    assert crd["status"]["storedVersions"] == ["v1"]
    assert crd["status"]["acceptedNames"]["listKind"] == "WidgetList"
    info = world.info(WIDGETS)
    assert (info.singular, info.short_names) == ("widget", ("wd",))
    assert world.list(WIDGETS)["kind"] == "WidgetList"


def test_the_registry_tells_that_it_changed(world):
    before = world.server.registry.revision
    world.patch(CRDS, "widgets.example.com", {"metadata": {"labels": {"a": "b"}}})
    assert world.server.registry.revision == before
    world.delete(CRDS, "widgets.example.com")
    assert world.server.registry.revision > before


def test_a_schema_that_is_not_structural_is_refused():
    bad = version("v1", storage=True, schema={"openAPIV3Schema": {"properties": {"spec": {}}}})
    with pytest.raises(Invalid, match=r"spec\.versions"):
        World().create(CRDS, definition(bad, plural="gadgets"))


def test_objects_are_defaulted_and_pruned(world):
    made = world.create(WIDGETS, widget("a", nonsense=True))
    assert made["spec"] == {"size": 1, "colour": "blue"}


def test_unknown_fields_are_refused_when_asked_to_be_strict(world):
    with pytest.raises(BadRequest) as caught:
        world.create(WIDGETS, widget("a", nonsense=True), field_validation="Strict")
    assert caught.value.message == (
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: '
        'unknown field "spec.nonsense"'
    )


def test_an_object_that_breaks_the_schema_is_refused(world):
    with pytest.raises(Invalid, match=r'Widget\.example\.com "a" is invalid: spec\.size'):
        world.create(WIDGETS, widget("a", size=0))


def test_status_and_spec_have_separate_doors(world):
    world.create(WIDGETS, widget("a") | {"status": {"phase": "Forged"}})
    assert "status" not in world.get(WIDGETS, "a")
    world.patch(
        WIDGETS, "a", {"status": {"phase": "Ready"}, "spec": {"size": 9}}, subresource="status"
    )
    seen = world.patch(WIDGETS, "a", {"spec": {"size": 2}, "status": {"phase": "Forged"}})
    assert (seen["spec"]["size"], seen["status"]["phase"]) == (2, "Ready")
    assert seen["metadata"]["generation"] == 2


def test_without_a_status_door_any_change_is_a_new_generation():
    world = World()
    world.create(CRDS, definition(version("v1", storage=True, subresources={})))
    world.create(WIDGETS, widget("a"))
    changed = world.patch(WIDGETS, "a", {"status": {"phase": "Ready"}})
    assert changed["status"] == {"phase": "Ready"}
    assert changed["metadata"]["generation"] == 2
    labelled = world.patch(WIDGETS, "a", {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 2


def test_an_update_must_say_which_version_it_saw(world):
    made = world.create(WIDGETS, widget("a"))
    with pytest.raises(Invalid, match="must be specified for an update"):
        world.update(WIDGETS, widget("a", size=2))
    world.update(WIDGETS, {**made, "spec": {"size": 2}})
    with pytest.raises(Conflict):
        world.update(WIDGETS, {**made, "spec": {"size": 3}})


def test_custom_objects_take_no_strategic_merge(world):
    world.create(WIDGETS, widget("a"))
    with pytest.raises(ApiError) as caught:
        world.patch(WIDGETS, "a", {"spec": {"size": 2}}, PatchType.STRATEGIC)
    status = caught.value.status
    assert (status["code"], status["reason"]) == (415, "UnsupportedMediaType")
    assert status["message"].startswith("the body of the request was in an unknown format")


def test_the_scale_of_a_custom_object_is_where_the_definition_says(world):
    world.create(WIDGETS, widget("a", replicas=3))
    world.patch(
        WIDGETS, "a", {"status": {"replicas": 2, "selector": "app=a"}}, subresource="status"
    )
    scale = world.get(WIDGETS, "a", "scale")
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 2, "selector": "app=a"}
    world.patch(WIDGETS, "a", {"spec": {"replicas": 5}}, subresource="scale")
    assert world.get(WIDGETS, "a")["spec"]["replicas"] == 5


def test_custom_objects_are_selected_by_the_fields_of_their_definition(world):
    world.create(WIDGETS, widget("a"))
    world.create(WIDGETS, widget("b", colour="red"))
    assert world.names(WIDGETS, fields="spec.colour=red") == ["b"]
    with pytest.raises(BadRequest, match="field label not supported"):
        world.names(WIDGETS, fields="spec.size=1")


async def test_two_versions_are_two_names_of_one_object():
    world = World()
    beta = version("v1beta1", storage=False, deprecated=True)
    world.create(CRDS, definition(version("v1", storage=True), beta))
    options = Options()
    info = world.info(OLD_WIDGETS)
    world.server.create(info, "default", widget("a", "v1beta1"), options)
    assert options.warnings == ["example.com/v1beta1 Widget is deprecated"]
    assert world.get(WIDGETS, "a")["apiVersion"] == "example.com/v1"
    assert world.get(OLD_WIDGETS, "a")["apiVersion"] == "example.com/v1beta1"
    watch = world.watch(OLD_WIDGETS)
    world.patch(WIDGETS, "a", {"spec": {"size": 2}})
    events = await drained(watch)
    assert [one.object["apiVersion"] for one in events] == ["example.com/v1beta1"] * 2


def test_objects_older_than_a_default_show_it_when_they_are_read(world):
    made = world.create(WIDGETS, widget("a"))
    newer = definition()
    properties = {**SCHEMA["properties"]["spec"]["properties"], "shape": {"type": "string"}}
    properties["shape"]["default"] = "round"
    spec = {**SCHEMA["properties"]["spec"], "properties": properties}
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "spec": spec}}
    newer["spec"]["versions"][0]["schema"] = {"openAPIV3Schema": schema}
    world.patch(CRDS, "widgets.example.com", {"spec": newer["spec"]})
    seen = world.get(WIDGETS, "a")
    assert seen["spec"]["shape"] == "round"
    assert seen["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_a_version_no_longer_served_is_not_found():
    world = World()
    beta = version("v1beta1", storage=False)
    world.create(CRDS, definition(version("v1", storage=True), beta))
    spec = definition(version("v1", storage=True), beta | {"served": False})["spec"]
    world.patch(CRDS, "widgets.example.com", {"spec": spec})
    with pytest.raises(NotFound, match="could not find the requested resource"):
        world.list(OLD_WIDGETS)


def test_a_definition_keeps_its_scope(world):
    with pytest.raises(Invalid, match=r"spec\.scope.*field is immutable"):
        world.patch(CRDS, "widgets.example.com", {"spec": {"scope": "Cluster"}})


def test_a_second_definition_cannot_take_a_short_name(world):
    crd = world.create(CRDS, definition(plural="gadgets"))
    assert conditions(crd) == {"NamesAccepted": "False", "Established": "False"}
    with pytest.raises(NotFound):
        world.list(Resource("example.com", "v1", "gadgets", "Gadget"))


async def test_deleting_a_definition_takes_its_objects_and_ends_their_watches(world):
    world.create(WIDGETS, widget("a"))
    watch = world.watch(WIDGETS)
    world.delete(CRDS, "widgets.example.com")
    assert spelled([event async for event in watch]) == ["ADDED a", "DELETED a"]
    with pytest.raises(NotFound):
        world.list(WIDGETS)
    assert not world.exists(CRDS, "widgets.example.com")


def test_an_object_with_a_finalizer_keeps_its_definition_waiting(world):
    body = widget("a")
    body["metadata"]["finalizers"] = ["example.com/guard"]
    world.create(WIDGETS, body)
    world.delete(CRDS, "widgets.example.com")
    assert world.get(CRDS, "widgets.example.com")["metadata"]["deletionTimestamp"]
    with pytest.raises(ApiError, match="custom resource definition is terminating"):
        world.create(WIDGETS, widget("b"))
    world.patch(WIDGETS, "a", {"metadata": {"finalizers": None}})
    assert not world.exists(CRDS, "widgets.example.com")


def test_a_definition_comes_back_empty(world):
    world.create(WIDGETS, widget("a"))
    world.delete(CRDS, "widgets.example.com")
    world.create(CRDS, definition())
    assert world.names(WIDGETS) == []
