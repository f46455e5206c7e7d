"""Strategic merge: lists that merge by key, and the directives kubectl sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.kube.api import PatchType
from rollouts.kube.errors import BadRequest
from rollouts.kube.resources import DEPLOYMENTS, PODS
from rollouts.sandbox.strategic import strategic_merge
from tests.sandbox.serverworld import World, deployment, pod


def merged(base: dict, patch: dict, kind: str = "Pod") -> dict:
    return strategic_merge(kind, base, patch)


def containers(*items: dict) -> dict:
    return {"spec": {"containers": list(items)}}


WEB = {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}]}
SIDE = {"name": "side", "image": "side:1"}


def test_a_container_is_found_by_its_name():
    result = merged(containers(WEB, SIDE), containers({"name": "web", "image": "web:2"}))
    assert result == containers({**WEB, "image": "web:2"}, SIDE)


def test_a_new_container_is_added_behind():
    result = merged(containers(WEB), containers(SIDE))
    assert result == containers(WEB, SIDE)


def test_a_container_is_removed_by_its_name():
    patch = containers({"name": "web", "$patch": "delete"})
    assert merged(containers(WEB, SIDE), patch) == containers(SIDE)


def test_a_list_can_be_replaced_as_a_whole():
    patch = containers({"$patch": "replace"}, SIDE)
    assert merged(containers(WEB), patch) == containers(SIDE)


def test_a_map_can_be_replaced_as_a_whole():
    base = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    patch = {"metadata": {"labels": {"$patch": "replace", "c": "3"}}}
    assert merged(base, patch) == {"metadata": {"labels": {"c": "3"}}}


def test_null_removes_a_field_and_an_environment_variable_merges_by_name():
    patch = containers({"name": "web", "image": None, "env": [{"name": "B", "value": "2"}]})
    result = merged(containers(WEB), patch)
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert result == containers({"name": "web", "env": env})


def test_an_order_rearranges_what_the_patch_does_not_touch():
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "side"}, {"name": "web"}],
            "containers": [{"name": "side", "image": "side:2"}],
        }
    }
    result = merged(containers(WEB, SIDE), patch)
    assert [c["name"] for c in result["spec"]["containers"]] == ["side", "web"]
    assert result["spec"]["containers"][0]["image"] == "side:2"


def test_an_element_only_the_server_has_keeps_its_neighbour():
    injected = {"name": "injected", "image": "mesh:1"}
    patch = {"spec": {"$setElementOrder/containers": [{"name": "side"}, {"name": "web"}]}}
    result = merged(containers(WEB, injected, SIDE), patch)
    assert [c["name"] for c in result["spec"]["containers"]] == ["side", "web", "injected"]


def test_finalizers_merge_and_leave_by_value():
    base = {"metadata": {"finalizers": ["a", "b"]}}
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}}
    assert merged(base, patch) == {"metadata": {"finalizers": ["b", "c"]}}


def test_retained_keys_are_all_that_stays():
    base = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert merged(base, patch, "Deployment") == {"spec": {"strategy": {"type": "Recreate"}}}


def test_a_volume_changes_its_source():
    base = {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}
    change = {"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}
    result = merged(base, {"spec": {"volumes": [change]}})
    assert result == {"spec": {"volumes": [{"name": "v", "configMap": {"name": "c"}}]}}


def test_a_list_without_a_key_is_replaced():
    base = {"spec": {"tolerations": [{"key": "a"}], "containers": []}}
    result = merged(base, {"spec": {"tolerations": [{"key": "b"}]}})
    assert result["spec"]["tolerations"] == [{"key": "b"}]


def test_conditions_and_owners_merge_by_type_and_uid():
    base = {
        "metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]},
        "status": {"conditions": [{"type": "Ready", "status": "False"}]},
    }
    patch = {
        "metadata": {"ownerReferences": [{"uid": "1", "$patch": "delete"}, {"uid": "2"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "New"}]},
    }
    result = merged(base, patch)
    assert result["metadata"]["ownerReferences"] == [{"uid": "2"}]
    assert result["status"]["conditions"] == [
        {"type": "Ready", "status": "True"},
        {"type": "New"},
    ]


@pytest.mark.parametrize(
    "patch",
    [
        containers({"image": "nameless"}),
        {"spec": {"$patch": "explode"}},
        {"spec": {"$retainKeys": "type"}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}},
        {"spec": {"$setElementOrder/containers": "web"}},
        {"spec": {"$setElementOrder/containers": [{"name": ["web"]}]}},
        containers("web"),
        containers({"name": {"not": "a name"}}),
    ],
)
def test_a_patch_that_makes_no_sense_is_a_bad_request(patch):
    with pytest.raises(BadRequest):
        merged(containers(WEB, SIDE) | {"metadata": {"finalizers": ["a"]}}, patch)


def test_the_base_is_never_changed():
    base = containers(WEB, SIDE)
    before = str(base)
    merged(base, containers({"name": "web", "env": [{"name": "A", "$patch": "delete"}]}))
    assert str(base) == before


def test_setting_an_image_the_way_kubectl_does():
    world = World()
    world.create(DEPLOYMENTS, deployment("web"))
    patch = {
        "spec": {
            "template": {
                "spec": {
                    "$setElementOrder/containers": [{"name": "app"}],
                    "containers": [{"name": "app", "image": "nginx:2"}],
                }
            }
        }
    }
    changed = world.patch(DEPLOYMENTS, "web", patch, PatchType.STRATEGIC)
    (container,) = changed["spec"]["template"]["spec"]["containers"]
    assert (container["name"], container["image"]) == ("app", "nginx:2")
    assert container["terminationMessagePolicy"] == "File"


def test_a_condition_patched_by_the_scheduler_leaves_the_others():
    world = World()
    world.create(PODS, pod("a"))
    for kind in ("PodScheduled", "Ready"):
        patch = {"status": {"conditions": [{"type": kind, "status": "True"}]}}
        world.patch(PODS, "a", patch, PatchType.STRATEGIC, "status")
    types = [c["type"] for c in world.get(PODS, "a")["status"]["conditions"]]
    assert types == ["PodScheduled", "Ready"]


NAMES = st.sampled_from(["a", "b", "c", "d"])
ELEMENT = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "image": st.sampled_from(["x:1", "x:2"]),
        "env": st.lists(
            st.fixed_dictionaries({"name": NAMES, "value": st.sampled_from("12")}),
            max_size=3,
            unique_by=lambda one: one["name"],
        ),
        "$patch": st.just("delete"),
    },
)
LISTS = st.lists(ELEMENT, max_size=4, unique_by=lambda one: one["name"])


def plain(items: list[dict]) -> list[dict]:
    return [{k: v for k, v in one.items() if k != "$patch"} for one in items]


@given(base=LISTS, patch=LISTS, order=st.one_of(st.none(), st.permutations(["a", "b", "c", "d"])))
def test_the_same_patch_twice_is_the_patch_once(base, patch, order):
    body = containers(*patch)
    if order is not None:
        body["spec"]["$setElementOrder/containers"] = [{"name": name} for name in order]
    once = merged(containers(*plain(base)), body)
    assert merged(once, body) == once


@given(base=LISTS, patch=LISTS)
def test_what_a_patch_does_not_name_stays(base, patch):
    before = {c["name"]: c for c in plain(base)}
    after = {
        c["name"]: c
        for c in merged(containers(*plain(base)), containers(*patch))["spec"]["containers"]
    }
    named = {one["name"]: one for one in patch}
    for name, container in before.items():
        if name not in named:
            assert after[name] == container
    assert all((name in after) != ("$patch" in one) for name, one in named.items())


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text("ab$", max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abn", max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)
SPECIAL = st.sampled_from(
    [
        "spec",
        "containers",
        "metadata",
        "finalizers",
        "env",
        "name",
        "conditions",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/finalizers",
    ]
)


@given(
    patch=st.recursive(
        JSON,
        lambda inner: st.one_of(
            st.dictionaries(SPECIAL, inner, max_size=3), st.lists(inner, max_size=3)
        ),
        max_leaves=12,
    ).filter(lambda value: isinstance(value, dict))
)
def test_no_patch_does_worse_than_a_bad_request(patch):
    base = containers(WEB, SIDE) | {"metadata": {"finalizers": ["a"], "labels": {"x": "y"}}}
    try:
        result = merged(base, patch)
    except BadRequest:
        return
    assert isinstance(result, dict)
