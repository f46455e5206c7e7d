"""A CRD is accepted with everything it says, or refused with every reason at once."""

import copy

import pytest

from rollouts.kube.errors import Invalid
from rollouts.sandbox.crd import PrinterColumn, ScalePaths, load
from tests.sandbox.crd_world import definition, of, schema_of

ROOT = "spec.versions[0].schema.openAPIV3Schema"
SPEC = f"{ROOT}.properties[spec]"


def refused(crd) -> set[str]:
    with pytest.raises(Invalid) as raised:
        load(crd)
    return {f"{c['field']}: {c['message']}" for c in raised.value.details["causes"]}


def test_names_and_versions_are_read_with_the_servers_defaults():
    kind = load(definition())
    assert (kind.group, kind.plural, kind.singular) == ("example.com", "widgets", "widget")
    assert (kind.kind, kind.list_kind, kind.namespaced) == ("Widget", "WidgetList", True)
    assert kind.storage.name == "v1"
    assert [v.name for v in kind.served] == ["v1"]
    assert kind.resource("v1").path("ns", "a") == "/apis/example.com/v1/namespaces/ns/widgets/a"


def test_everything_beside_the_schema_is_read():
    crd = definition(
        of(color={"type": "string"}),
        additionalPrinterColumns=[
            {"name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1}
        ],
        subresources={
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        selectableFields=[{"jsonPath": ".spec.color"}],
        deprecated=True,
    )
    crd["spec"]["names"] |= {"shortNames": ["wd"], "categories": ["all"]}
    kind = load(crd)
    v1 = kind.versions["v1"]
    assert (kind.short_names, kind.categories) == (("wd",), ("all",))
    assert v1.columns == (PrinterColumn("Color", "string", ".spec.color", priority=1),)
    assert v1.status
    assert v1.scale == ScalePaths(".spec.replicas", ".status.replicas", ".status.selector")
    assert v1.selectable == (".spec.color",)
    assert v1.deprecation == "example.com/v1 Widget is deprecated"
    assert v1.field({"spec": {"replicas": 3}}, v1.scale.spec_replicas) == 3


def test_the_age_column_appears_only_when_no_column_is_declared():
    (age,) = load(definition()).versions["v1"].columns
    assert (age.name, age.type, age.path) == ("Age", "date", ".metadata.creationTimestamp")


def test_the_refusal_reads_as_the_api_servers():
    crd = definition({"type": "array"})
    with pytest.raises(Invalid) as raised:
        load(crd)
    assert raised.value.message == (
        'CustomResourceDefinition.apiextensions.k8s.io "widgets.example.com" is invalid:'
        f" {SPEC}.items: Required value: must be specified"
    )
    assert raised.value.status["details"]["causes"] == [
        {
            "reason": "FieldValueRequired",
            "message": "Required value: must be specified",
            "field": f"{SPEC}.items",
        }
    ]


STRUCTURAL = {
    "untyped field": (
        of(a={}),
        "a].type: Required value: must not be empty for specified object fields",
    ),
    "untyped item": (
        of(a={"type": "array", "items": {}}),
        "a].items.type: Required value: must not be empty for specified array items",
    ),
    "reference": (
        of(a={"type": "object", "$ref": "#/x"}),
        "a].$ref: Forbidden: $ref is not supported",
    ),
    "definitions": (
        of(a={"type": "object", "definitions": {"x": {}}}),
        "a].definitions: Forbidden: definitions is not supported",
    ),
    "unknown type": (
        of(a={"type": "text"}),
        (
            'a].type: Unsupported value: "text": supported values: "array", "boolean", "integer",'
            ' "number", "object", "string"'
        ),
    ),
    "null type": (
        of(a={"type": "null"}),
        "a].type: Forbidden: type cannot be set to null, use nullable as an alternative",
    ),
    "unique items": (
        of(a={"type": "array", "uniqueItems": True, "items": {"type": "string"}}),
        (
            "a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity"
            " becomes quadratic"
        ),
    ),
    "properties and additional properties": (
        of(a={**of(b={"type": "string"}), "additionalProperties": {"type": "string"}}),
        "a].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
    ),
    "type inside anyOf": (
        of(a={"type": "string", "anyOf": [{"type": "string"}]}),
        "a].anyOf[0].type: Forbidden: must be empty to be structural",
    ),
    "default inside oneOf": (
        of(a={"type": "string", "oneOf": [{"default": "x"}]}),
        "a].oneOf[0].default: Forbidden: must be undefined to be structural",
    ),
    "description inside not": (
        of(a={"type": "string", "not": {"description": "x"}}),
        "a].not.description: Forbidden: must be empty to be structural",
    ),
    "field only inside oneOf": (
        of(a={"type": "object", "oneOf": [{"properties": {"b": {"minLength": 1}}}]}),
        f"a].properties[b]: Required value: because it is defined in {SPEC}.properties[a].oneOf[0].properties[b]",
    ),
    "int-or-string with a type": (
        of(a={"type": "string", "x-kubernetes-int-or-string": True}),
        'a].type: Invalid value: "string": must be empty if x-kubernetes-int-or-string is true',
    ),
    "preserve false": (
        of(a={"type": "object", "x-kubernetes-preserve-unknown-fields": False}),
        "a].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
    ),
    "embedded resource without fields": (
        of(a={"type": "object", "x-kubernetes-embedded-resource": True}),
        (
            "a].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true"
            " without x-kubernetes-preserve-unknown-fields"
        ),
    ),
    "list type on an object": (
        of(a={"type": "object", "x-kubernetes-list-type": "set"}),
        'a].type: Invalid value: "object": must be array if x-kubernetes-list-type is specified',
    ),
    "map list without keys": (
        of(a={"type": "array", "x-kubernetes-list-type": "map", "items": of(k={"type": "string"})}),
        "a].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
    ),
    "map list with an optional key": (
        of(
            a={
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k"],
                "items": of(k={"type": "string"}),
            }
        ),
        (
            "a].items.properties[k].default: Required value: this property is in"
            " x-kubernetes-list-map-keys, so it must have a default or be a required property"
        ),
    ),
    "pattern": (
        of(a={"type": "string", "pattern": "("}),
        (
            'a].pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: error parsing'
            " regexp: missing ): ("
        ),
    ),
    "look-ahead": (
        of(a={"type": "string", "pattern": "(?=x)"}),
        (
            'a].pattern: Invalid value: "(?=x)": must be a valid regular expression, but isn\'t: error'
            " parsing regexp: invalid perl operator: (?="
        ),
    ),
    "default of the wrong type": (
        of(a={"type": "integer", "default": "one"}),
        f'a].default: Invalid value: "string": {SPEC}.properties[a].default in body must be of type integer: "string"',
    ),
    "default with unknown fields": (
        of(a={**of(b={"type": "string"}), "default": {"c": 1}}),
        'a].default: Invalid value: {"c":1}: must not have unknown fields',
    ),
    "properties that are a list": (
        {"type": "object", "properties": []},
        f'{SPEC}.properties: Invalid value: "array": {SPEC}.properties in body must be of type object: "array"',
    ),
}


@pytest.mark.parametrize("case", STRUCTURAL, ids=str)
def test_a_schema_that_is_not_structural_is_refused(case):
    schema, expected = STRUCTURAL[case]
    where = expected if expected.startswith(SPEC) else f"{SPEC}.properties[{expected}"
    assert refused(definition(schema)) == {where}


def test_the_two_spellings_of_int_or_string_are_structural():
    either = [{"type": "integer"}, {"type": "string"}]
    load(definition(of(a={"x-kubernetes-int-or-string": True, "anyOf": either})))
    load(
        definition(
            of(
                a={
                    "x-kubernetes-int-or-string": True,
                    "allOf": [{"anyOf": either}, {"pattern": "x"}],
                }
            )
        )
    )


def test_metadata_of_the_root_may_restrict_the_name_and_nothing_else():
    crd = definition()
    root = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    root["properties"]["metadata"] = of(name={"type": "string", "maxLength": 63})
    load(crd)
    root["properties"]["metadata"] = of(labels={"type": "object"})
    assert refused(crd) == {
        (
            f"{ROOT}.properties[metadata]: Forbidden: must not specify anything other than name and"
            " generateName, but metadata is implicitly specified"
        )
    }


def changed(change) -> dict:
    crd = copy.deepcopy(definition())
    change(crd["spec"])
    return crd


SPECS = {
    "no scope": (lambda s: s.pop("scope"), "spec.scope: Required value"),
    "wrong scope": (
        lambda s: s.update(scope="World"),
        'spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"',
    ),
    "no storage version": (
        lambda s: s["versions"][0].update(storage=False),
        'spec.versions: Invalid value: ["v1"]: must have exactly one version marked as storage version',
    ),
    "two storage versions": (
        lambda s: s["versions"].append({**s["versions"][0], "name": "v2"}),
        'spec.versions: Invalid value: ["v1","v2"]: must have exactly one version marked as storage version',
    ),
    "the same version twice": (
        lambda s: s["versions"].append({**s["versions"][0], "storage": False}),
        'spec.versions: Invalid value: ["v1","v1"]: must contain unique version names',
    ),
    "no schema": (
        lambda s: s["versions"][0].pop("schema"),
        f"{ROOT}: Required value: schemas are required",
    ),
    "kind is its own list": (
        lambda s: s["names"].update(listKind="Widget"),
        'spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same',
    ),
    "column of an unknown type": (
        lambda s: s["versions"][0].update(
            additionalPrinterColumns=[{"name": "A", "type": "text", "jsonPath": ".a"}]
        ),
        (
            'spec.versions[0].additionalPrinterColumns[0].type: Invalid value: "text": must be one of'
            " boolean,date,integer,number,string"
        ),
    ),
    "scale outside status": (
        lambda s: s["versions"][0].update(
            subresources={"scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".spec.n"}}
        ),
        (
            'spec.versions[0].subresources.scale.statusReplicasPath: Invalid value: ".spec.n": should be'
            " a json path under .status"
        ),
    ),
    "selectable field without a schema": (
        lambda s: s["versions"][0].update(selectableFields=[{"jsonPath": ".spec.nope"}]),
        (
            'spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".spec.nope": must point to a'
            " field of type string, boolean or integer. Enum string fields and strings with formats are"
            " allowed."
        ),
    ),
    "preserveUnknownFields": (
        lambda s: s.update(preserveUnknownFields=True),
        (
            "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set"
            " x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        ),
    ),
}


@pytest.mark.parametrize("case", SPECS, ids=str)
def test_a_definition_that_contradicts_itself_is_refused(case):
    change, expected = SPECS[case]
    assert refused(changed(change)) == {expected}


def test_a_definition_named_otherwise_than_its_plural_and_group_is_refused():
    crd = definition()
    crd["metadata"]["name"] = "things.example.com"
    assert refused(crd) == {
        (
            'metadata.name: Invalid value: "things.example.com": must be'
            ' spec.names.plural+"."+spec.group'
        )
    }


@pytest.mark.parametrize("broken", [{}, {"spec": 1}, {"spec": {"versions": [1]}}, {"metadata": []}])
def test_nonsense_is_refused_and_not_a_crash(broken):
    assert refused(broken)


def test_the_published_schema_has_what_every_resource_has():
    schema = schema_of(
        of(
            a={
                "type": "object",
                "x-kubernetes-embedded-resource": True,
                "x-kubernetes-preserve-unknown-fields": True,
            }
        )
    )
    published = schema.openapi()
    assert set(published["properties"]) == {"apiVersion", "kind", "metadata", "spec"}
    assert published["x-kubernetes-group-version-kind"] == [
        {"group": "example.com", "version": "v1", "kind": "Widget"}
    ]
    embedded = published["properties"]["spec"]["properties"]["a"]
    assert set(embedded["properties"]) == {"apiVersion", "kind", "metadata"}
    assert "properties" not in schema.node.properties["spec"].properties["a"].raw
