"""What happens to an object before it is judged: pruning, nulls, defaults."""

from tests.sandbox.crd_world import of, schema_of, widget

KEEP = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
TEXT = {"type": "string"}


def pruned(spec_schema, spec):
    obj = widget(spec)
    unknown = schema_of(spec_schema).prune(obj)
    return obj["spec"], unknown


def defaulted(spec_schema, spec):
    obj = widget(spec)
    schema_of(spec_schema).default(obj)
    return obj["spec"]


def test_unknown_fields_go_and_are_named():
    schema = of(a=TEXT, list={"type": "array", "items": of(b=TEXT)})
    spec, unknown = pruned(schema, {"a": "x", "zz": 1, "list": [{"b": "y", "c": 1}, {}]})
    assert spec == {"a": "x", "list": [{"b": "y"}, {}]}
    assert unknown == ["spec.list[0].c", "spec.zz"]


def test_the_resources_own_fields_stay_and_others_at_the_root_go():
    obj = widget({}) | {"extra": 1}
    assert schema_of(of()).prune(obj) == ["extra"]
    assert obj == widget({})


def test_preserved_unknown_fields_stay_but_declared_ones_are_still_pruned():
    schema = {**KEEP, "properties": {"known": of(a=TEXT)}}
    spec, unknown = pruned(schema, {"free": {"x": 1}, "known": {"a": "1", "b": 2}})
    assert spec == {"free": {"x": 1}, "known": {"a": "1"}}
    assert unknown == ["spec.known.b"]


def test_maps_keep_every_key_and_prune_their_values():
    schema = {"type": "object", "additionalProperties": of(a=TEXT)}
    assert pruned(schema, {"k": {"a": "1", "b": 2}}) == ({"k": {"a": "1"}}, ["spec.k.b"])


def test_open_maps_keep_scalars_only():
    schema = {"type": "object", "additionalProperties": True}
    spec, unknown = pruned(schema, {"k": 1, "o": {"a": 1}})
    assert spec == {"k": 1, "o": {}}
    assert unknown == ["spec.o.a"]


def test_an_embedded_resource_keeps_what_resources_have():
    embedded = {**of(spec=of(a=TEXT)), "x-kubernetes-embedded-resource": True}
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "odd": 1}, "b": 1}
    spec, unknown = pruned(of(pod=embedded), {"pod": value})
    assert spec == {"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}}
    assert unknown == ["spec.pod.b", "spec.pod.metadata.odd"]


def test_int_or_string_is_left_alone():
    schema = of(port={"x-kubernetes-int-or-string": True})
    assert pruned(schema, {"port": "80%"}) == ({"port": "80%"}, [])


def test_defaults_fill_what_is_absent_from_the_outside_in():
    schema = of(
        size={"type": "integer", "default": 3},
        box={**of(color={"type": "string", "default": "red"}), "default": {}},
        lid=of(color={"type": "string", "default": "blue"}),
        items={"type": "array", "items": of(n={"type": "integer", "default": 1})},
    )
    assert defaulted(schema, {"items": [{}, {"n": 5}]}) == {
        "size": 3,
        "box": {"color": "red"},
        "items": [{"n": 1}, {"n": 5}],
    }


def test_a_default_is_copied_so_that_objects_share_nothing():
    schema = schema_of(of(box={**of(a=TEXT), "default": {"a": "x"}}))
    first, second = widget({}), widget({})
    schema.default(first)
    first["spec"]["box"]["a"] = "changed"
    schema.default(second)
    assert second["spec"]["box"] == {"a": "x"}


def test_a_null_takes_the_default_unless_null_is_allowed():
    schema = of(
        a={"type": "string", "default": "x"},
        b={"type": "string", "default": "x", "nullable": True},
        c={"type": "string"},
        d={"type": "string", "nullable": True},
    )
    given = dict.fromkeys("abcd")
    assert defaulted(schema, given) == {"a": "x", "b": None, "d": None}


def test_defaults_reach_into_maps():
    schema = {
        "type": "object",
        "additionalProperties": of(n={"type": "integer", "default": 0}),
    }
    assert defaulted(schema, {"a": {}, "b": {"n": 2}}) == {"a": {"n": 0}, "b": {"n": 2}}
