"""What users read about a value that does not fit its schema."""

import pytest

from tests.sandbox.crd_world import of, problems, schema_of, widget

INT = {"type": "integer"}
TEXT = {"type": "string"}


def wrong(kind: str, actual: str) -> str:
    return f'spec.a: Invalid value: "{actual}": spec.a in body must be of type {kind}: "{actual}"'


CASES = [
    (INT, 1, None),
    (INT, 1.0, None),
    (INT, "1", wrong("integer", "string")),
    (INT, 1.5, wrong("integer", "number")),
    (INT, True, wrong("integer", "boolean")),
    (INT, None, wrong("integer", "null")),
    ({**INT, "nullable": True}, None, None),
    ({"type": "number"}, 1, None),
    ({"type": "boolean"}, 0, wrong("boolean", "integer")),
    (TEXT, {}, wrong("string", "object")),
    (of(), [], wrong("object", "array")),
    ({"type": "array", "items": INT}, {}, wrong("array", "object")),
    ({"x-kubernetes-int-or-string": True}, 5, None),
    ({"x-kubernetes-int-or-string": True}, "5%", None),
    ({"x-kubernetes-int-or-string": True}, 1.5, wrong("integer,string", "number")),
    (
        {**TEXT, "enum": ["x", "y"]},
        "z",
        'spec.a: Unsupported value: "z": supported values: "x", "y"',
    ),
    ({**INT, "enum": [1, 2]}, 3, 'spec.a: Unsupported value: 3: supported values: "1", "2"'),
    ({**TEXT, "maxLength": 3}, "ééé", None),
    ({**TEXT, "maxLength": 3}, "abcd", "spec.a: Too long: may not be more than 3 bytes"),
    (
        {**TEXT, "minLength": 1},
        "",
        'spec.a: Invalid value: "": spec.a in body should be at least 1 chars long',
    ),
    (
        {**TEXT, "pattern": "^[a-z]+$"},
        "A",
        "spec.a: Invalid value: \"A\": spec.a in body should match '^[a-z]+$'",
    ),
    ({**TEXT, "pattern": "b"}, "abc", None),
    (
        {**INT, "minimum": 0},
        -1,
        "spec.a: Invalid value: -1: spec.a in body should be greater than or equal to 0",
    ),
    (
        {**INT, "minimum": 0, "exclusiveMinimum": True},
        0,
        "spec.a: Invalid value: 0: spec.a in body should be greater than 0",
    ),
    (
        {**INT, "maximum": 9},
        10,
        "spec.a: Invalid value: 10: spec.a in body should be less than or equal to 9",
    ),
    (
        {"type": "number", "maximum": 0.5, "exclusiveMaximum": True},
        0.5,
        "spec.a: Invalid value: 0.5: spec.a in body should be less than 0.5",
    ),
    ({"type": "number", "multipleOf": 0.1}, 0.3, None),
    (
        {**INT, "multipleOf": 5},
        7,
        "spec.a: Invalid value: 7: spec.a in body should be a multiple of 5",
    ),
    ({**INT, "format": "int32"}, 2**31 - 1, None),
    (
        {**INT, "format": "int32"},
        2**31,
        '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.a',
    ),
    (
        {"type": "array", "items": INT, "maxItems": 2},
        [1, 2, 3],
        "spec.a: Too many: 3: must have at most 2 items",
    ),
    (
        {"type": "array", "items": INT, "minItems": 1},
        [],
        "spec.a: Invalid value: 0: spec.a in body should have at least 1 items",
    ),
    (
        {"type": "object", "additionalProperties": INT, "maxProperties": 1},
        {"x": 1, "y": 2},
        "spec.a: Too many: 2: must have at most 1 item",
    ),
    (
        {"type": "object", "additionalProperties": INT, "minProperties": 1},
        {},
        "spec.a: Invalid value: 0: spec.a in body should have at least 1 properties",
    ),
    ({**of(b=INT), "required": ["b"]}, {}, "spec.a.b: Required value"),
    (
        {"type": "array", "items": of(b=INT)},
        [{"b": 1}, {"b": "x"}],
        'spec.a[1].b: Invalid value: "string": spec.a[1].b in body must be of type integer: "string"',
    ),
    (
        {"type": "object", "additionalProperties": INT},
        {"k": "x"},
        'spec.a.k: Invalid value: "string": spec.a.k in body must be of type integer: "string"',
    ),
]


@pytest.mark.parametrize(("schema", "value", "expected"), CASES)
def test_a_value_is_judged_in_the_servers_words(schema, value, expected):
    assert problems(schema_of(of(a=schema)), {"a": value}) == ([expected] if expected else [])


FORMATS = {
    "date-time": (
        ["2024-02-29T12:00:00Z", "2024-01-01T00:00:00.5+02:00"],
        ["2024-02-30T00:00:00Z", "x"],
    ),
    "date": (["2024-02-29"], ["2023-02-29", "2024-2-9"]),
    "byte": (["aGk=", ""], ["a", "*"]),
    "uri": (["https://example.com/a?b", "/path"], ["not a uri", "example"]),
    "email": (["a@example.com"], ["example.com"]),
    "hostname": (["example.com", "a-b"], ["-a", "a..b"]),
    "ipv4": (["10.0.0.1"], ["10.0.0.256", "::1"]),
    "ipv6": (["::1", "fe80::1"], ["10.0.0.1"]),
    "cidr": (["10.0.0.0/8", "::/0"], ["10.0.0.0", "10.0.0.0/33"]),
    "duration": (["1h30m", "-5s", "0", "22 ns", "3 days"], ["1", "1x", ""]),
    "uuid": (["123e4567-e89b-12d3-a456-426614174000"], ["123e4567"]),
    "mac": (["01:23:45:67:89:ab"], ["01:23"]),
    "hexcolor": (["#FFF", "ffffff"], ["#FF"]),
    "isbn": (["0321751043", "978-0321751041"], ["0321751044"]),
    "creditcard": (["4111 1111 1111 1111"], ["4111 1111 1111 1112"]),
    "password": (["anything"], []),
    "no-such-format": (["anything"], []),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_takes_what_it_names(name):
    schema = schema_of(of(a={**TEXT, "format": name}))
    good, bad = FORMATS[name]
    for text in good:
        assert problems(schema, {"a": text}) == []
    for text in bad:
        assert problems(schema, {"a": text}) == [
            f'spec.a: Invalid value: "{text}": spec.a in body must be of type {name}: "{text}"'
        ]


def test_one_of_says_how_many_alternatives_were_valid():
    schema = schema_of({**of(a=TEXT, b=TEXT), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]})
    prefix = '<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf).'
    assert problems(schema, {"a": "x"}) == []
    assert problems(schema, {}) == [f"{prefix} Found none valid", "spec.a: Required value"]
    assert problems(schema, {"a": "x", "b": "y"}) == [f"{prefix} Found 2 valid alternatives"]


def test_any_of_all_of_and_not():
    schema = schema_of(
        of(
            any={**INT, "anyOf": [{"minimum": 10}, {"maximum": 0}]},
            all={**INT, "allOf": [{"minimum": 0}, {"maximum": 9}]},
            no={**TEXT, "not": {"enum": ["root"]}},
        )
    )
    assert problems(schema, {"any": 11, "all": 5, "no": "x"}) == []
    assert problems(schema, {"any": 5})[0] == (
        '<nil>: Invalid value: "": "spec.any" must validate at least one schema (anyOf)'
    )
    assert problems(schema, {"all": 10}) == [
        '<nil>: Invalid value: "": "spec.all" must validate all the schemas (allOf)',
        "spec.all: Invalid value: 10: spec.all in body should be less than or equal to 9",
    ]
    assert problems(schema, {"no": "root"}) == [
        '<nil>: Invalid value: "": "spec.no" must not validate the schema (not)'
    ]


def listing(kind: str, items, **more):
    return {"type": "array", "x-kubernetes-list-type": kind, "items": items, **more}


def test_elements_of_a_set_are_unique():
    schema = schema_of(of(a=listing("set", TEXT)))
    assert problems(schema, {"a": ["x", "y"]}) == []
    assert problems(schema, {"a": ["x", "y", "x", "x"]}) == ['spec.a[2]: Duplicate value: "x"']


def test_keys_of_a_map_list_are_unique():
    ports = {**of(port=INT, protocol={**TEXT, "default": "TCP"}), "required": ["port"]}
    keys = ["port", "protocol"]
    schema = schema_of(of(a=listing("map", ports, **{"x-kubernetes-list-map-keys": keys})))
    tcp, udp = {"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}
    assert problems(schema, {"a": [tcp, udp]}) == []
    assert problems(schema, {"a": [tcp, udp, tcp]}) == [
        'spec.a[2]: Duplicate value: {"port":53,"protocol":"TCP"}'
    ]


def test_an_embedded_resource_needs_a_version_a_kind_and_sane_metadata():
    pod = {
        **of(),
        "x-kubernetes-embedded-resource": True,
        "x-kubernetes-preserve-unknown-fields": True,
    }
    schema = schema_of(of(pod=pod))
    assert (
        problems(schema, {"pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}})
        == []
    )
    assert problems(schema, {"pod": {}}) == [
        "spec.pod.apiVersion: Required value",
        "spec.pod.kind: Required value",
    ]
    broken = {"apiVersion": "", "kind": 1, "metadata": {"name": "a/b", "labels": {"x": "-"}}}
    assert [p.split(": ")[0] for p in problems(schema, {"pod": broken})] == [
        "spec.pod.apiVersion",
        "spec.pod.kind",
        "spec.pod.metadata.name",
        "spec.pod.metadata.labels",
    ]


def test_an_update_is_not_held_to_what_it_leaves_alone():
    strict = schema_of(of(a={**TEXT, "maxLength": 1}, b=INT))
    old = {"a": "too long", "b": 1}
    assert problems(strict, {"a": "too long", "b": 2}, old) == []
    assert problems(strict, {"a": "other", "b": 1}, old) == [
        "spec.a: Too long: may not be more than 1 bytes"
    ]


def test_true_is_not_the_old_one():
    schema = schema_of(of(a=INT))
    assert problems(schema, {"a": True}, {"a": 1}) == [wrong("integer", "boolean")]


def test_an_object_without_spec_lacks_only_what_is_required():
    obj = widget({})
    del obj["spec"]
    assert schema_of(of(a=INT)).validate(obj) == []
