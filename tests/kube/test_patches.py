"""Patches: RFC 7386, RFC 6902 and the smallest difference."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.kube import patches
from rollouts.kube.errors import BadRequest, Invalid

scalars = st.one_of(st.booleans(), st.integers(0, 2), st.sampled_from(["", "x"]), st.just(1.5))
keys = st.sampled_from("abc")
documents: Any = st.dictionaries(
    keys,
    st.recursive(
        scalars,
        lambda inner: st.dictionaries(keys, inner, max_size=3) | st.lists(inner, max_size=2),
        max_leaves=6,
    ),
    max_size=3,
)


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_as_in_the_rfc(document: Any, patch: Any, result: Any) -> None:
    assert patches.apply_merge(document, patch) == result


@given(documents, documents)
def test_the_difference_leads_from_old_to_new(old: Any, new: Any) -> None:
    before = copy.deepcopy(old)
    result = patches.apply_merge(old, patches.merge_diff(old, new))
    assert repr(sort(result)) == repr(sort(new))  # repr, since True == 1 == 1.0 in Python
    assert old == before


@given(documents)
def test_no_difference_is_no_patch(document: Any) -> None:
    assert patches.merge_diff(document, copy.deepcopy(document)) == {}


def sort(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sort(value[key]) for key in sorted(value)}
    return [sort(item) for item in value] if isinstance(value, list) else value


def test_the_difference_is_minimal() -> None:
    old = {"spec": {"replicas": 1, "paused": True, "template": {"x": 1}}, "kind": "A"}
    new = {"spec": {"replicas": 2, "template": {"x": 1}}, "kind": "A"}
    assert patches.merge_diff(old, new) == {"spec": {"replicas": 2, "paused": None}}


def test_json_patch() -> None:
    document = {"a": {"b": [1]}}
    patched = patches.apply_json(
        document,
        [
            {"op": "test", "path": "/a/b/0", "value": 1},
            {"op": "add", "path": "/a/b/-", "value": 2},
            {"op": "move", "from": "/a/b", "path": "/c"},
        ],
    )
    assert patched == {"a": {}, "c": [1, 2]}
    assert document == {"a": {"b": [1]}}


@pytest.mark.parametrize(
    "operations",
    [
        {"op": "add"},
        "text",
        ["x"],
        [{"op": "bogus", "path": "/a"}],
        [{"op": "add"}],
        [{"op": "add", "path": "a", "value": 1}],
    ],
)
def test_a_malformed_json_patch_is_a_bad_request(operations: Any) -> None:
    with pytest.raises(BadRequest, match="error decoding patch"):
        patches.apply_json({"a": 1}, operations)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": "other"},
        {"op": "remove", "path": "/x"},
        {"op": "replace", "path": "/x/y", "value": 1},
        {"op": "copy", "from": "/x", "path": "/y"},
    ],
)
def test_a_json_patch_that_does_not_fit_is_invalid_and_quotes_no_content(operation: Any) -> None:
    with pytest.raises(Invalid, match=operation["path"]) as caught:
        patches.apply_json({"a": "hunter2"}, [operation])
    assert "hunter2" not in caught.value.message
