"""The CRDs that gateways, meshes and monitors publish: they load, and judge as their authors meant.

They are not part of this repository. Without a folder ``../shared/data/crds`` beside it these tests
skip; the same features are tested on small CRDs of our own elsewhere.
"""

import copy
from functools import cache
from pathlib import Path

import pytest
import yaml

from rollouts.sandbox.crd import VersionSchema, load

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "crds"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the published CRDs are not beside the repository"
)
FILES = sorted(p.stem for p in FOLDER.glob("*.yaml")) if FOLDER.is_dir() else []


@cache
def version(file: str, name: str) -> VersionSchema:
    text = (FOLDER / f"{file}.yaml").read_text()
    (crd,) = (doc for doc in yaml.load_all(text, yaml.CSafeLoader) if doc)
    return load(crd).versions[name]


def judge(file: str, name: str, spec, old=None) -> list[str]:
    """The problems of an object with this spec, after pruning and defaulting as a server does."""
    schema = version(file, name)

    def whole(part):
        obj = {
            "apiVersion": f"{schema.group}/{name}",
            "kind": schema.kind,
            "metadata": {"name": "x", "namespace": "default"},
            "spec": copy.deepcopy(part),
        }
        assert schema.prune(obj) == []
        schema.default(obj)
        return obj

    before = None if old is None else whole(old)
    return [str(cause) for cause in schema.validate(whole(spec), before)]


@pytest.mark.parametrize("file", FILES)
def test_it_loads(file):
    for doc in yaml.load_all((FOLDER / f"{file}.yaml").read_text(), yaml.CSafeLoader):
        if doc:
            kind = load(doc)
            assert set(kind.versions) == {v["name"] for v in doc["spec"]["versions"]}
            assert all(v.openapi()["properties"] for v in kind.versions.values())


def backend(**more):
    return {"name": "app", "port": 80, **more}


def http_route(**rule):
    return {"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [backend()], **rule}]}


def test_http_route_splits_traffic_and_gets_its_defaults():
    schema = version("gateway-api-httproutes", "v1")
    obj = {"metadata": {"name": "x"}, "spec": http_route()}
    schema.default(obj)
    rule = obj["spec"]["rules"][0]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert rule["backendRefs"] == [backend(weight=1, group="", kind="Service")]
    assert schema.validate(obj) == []


HTTP_ROUTE = {
    "weight below zero": (
        http_route(backendRefs=[backend(weight=-1)]),
        [
            (
                "spec.rules[0].backendRefs[0].weight: Invalid value: -1: spec.rules[0].backendRefs[0].weight"
                " in body should be greater than or equal to 0"
            )
        ],
    ),
    "Service without port": (
        http_route(backendRefs=[{"name": "app"}]),
        ["spec.rules[0].backendRefs[0]: Invalid value: Must have port for Service reference"],
    ),
    "path without slash": (
        http_route(matches=[{"path": {"type": "Exact", "value": "app"}}]),
        [
            (
                "spec.rules[0].matches[0].path: Invalid value: value must be an absolute path and start"
                " with '/' when type one of ['Exact', 'PathPrefix']"
            )
        ],
    ),
    "filter without its body": (
        http_route(filters=[{"type": "RequestRedirect"}]),
        [
            (
                "spec.rules[0].filters[0]: Invalid value: filter.requestRedirect must be specified for"
                " RequestRedirect filter.type"
            )
        ],
    ),
    "unknown filter": (
        http_route(filters=[{"type": "Magic"}]),
        ['spec.rules[0].filters[0].type: Unsupported value: "Magic": supported values: '],
    ),
    "backend slower than the request": (
        http_route(timeouts={"request": "1s", "backendRequest": "2s"}),
        [
            (
                "spec.rules[0].timeouts: Invalid value: backendRequest timeout cannot be longer than"
                " request timeout"
            )
        ],
    ),
    "timeout that is none": (
        http_route(timeouts={"request": "soon"}),
        ['spec.rules[0].timeouts.request: Invalid value: "soon": '],
    ),
    "the same header twice": (
        http_route(
            filters=[
                {
                    "type": "RequestHeaderModifier",
                    "requestHeaderModifier": {
                        "set": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]
                    },
                }
            ]
        ),
        ['spec.rules[0].filters[0].requestHeaderModifier.set[1]: Duplicate value: {"name":"a"}'],
    ),
    "parent named twice": (
        {"parentRefs": [{"name": "gw"}, {"name": "gw"}]},
        ["spec.parentRefs: Invalid value: sectionName "],
    ),
    "too many hostnames": (
        {"hostnames": [f"h{i}.example.com" for i in range(17)]},
        ["spec.hostnames: Too many: 17: must have at most 16 items"],
    ),
}


@pytest.mark.parametrize("case", HTTP_ROUTE)
def test_http_route_refuses(case):
    spec, expected = HTTP_ROUTE[case]
    found = judge("gateway-api-httproutes", "v1", spec)
    assert [f[: len(e)] for f, e in zip(found, expected, strict=False)] == expected


def listener(**more):
    return {"name": "web", "port": 80, "protocol": "HTTP", **more}


def test_gateway_takes_listeners_and_refuses_contradictions():
    def of(*listeners):
        spec = {"gatewayClassName": "c", "listeners": list(listeners)}
        return judge("gateway-api-gateways", "v1", spec)

    secret = {"certificateRefs": [{"name": "s"}]}
    assert of(listener()) == []
    assert of(listener(), listener(name="tls", port=443, protocol="HTTPS", tls=secret)) == []
    assert of(listener(tls=secret)) == [
        "spec.listeners: Invalid value: tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']"
    ]
    assert of(listener(), listener()) == [
        'spec.listeners[1]: Duplicate value: {"name":"web"}',
        "spec.listeners: Invalid value: Listener name must be unique within the Gateway",
        (
            "spec.listeners: Invalid value: Combination of port, protocol and hostname must be unique for"
            " each listener"
        ),
    ]
    assert of(listener(port=0)) == [
        (
            "spec.listeners[0].port: Invalid value: 0: spec.listeners[0].port in body should be greater"
            " than or equal to 1"
        )
    ]


def test_the_controller_of_a_gateway_class_is_immutable():
    spec, other = {"controllerName": "a.example/x"}, {"controllerName": "b.example/x"}
    assert judge("gateway-api-gatewayclasses", "v1", spec) == []
    assert judge("gateway-api-gatewayclasses", "v1", spec, spec) == []
    assert judge("gateway-api-gatewayclasses", "v1", other, spec) == [
        'spec.controllerName: Invalid value: "b.example/x": field is immutable'
    ]


def virtual_service(*routes):
    return {"hosts": ["app"], "http": [{"name": "primary", "route": list(routes)}]}


def test_virtual_service_splits_traffic():
    to = {"host": "stable"}
    file = "istio-virtualservices"
    good = virtual_service({"destination": to, "weight": 95}, {"destination": to, "weight": 5})
    assert judge(file, "v1", good) == []
    assert judge(file, "v1", virtual_service({"weight": 5})) == [
        "spec.http[0].route[0].destination: Required value",
        (
            '<nil>: Invalid value: "null": some validation rules were not checked because the object was'
            " invalid; correct the existing errors to complete validation"
        ),
    ]
    (problem, *_) = judge(file, "v1", virtual_service({"destination": to, "weight": "5"}))
    assert problem == (
        'spec.http[0].route[0].weight: Invalid value: "string": spec.http[0].route[0].weight in body'
        ' must be of type integer: "string"'
    )


def test_virtual_service_matches_one_way_only():
    def matching(uri):
        return judge(
            "istio-virtualservices",
            "v1",
            {"hosts": ["a"], "http": [{"match": [{"uri": uri}], "redirect": {"uri": "/"}}]},
        )

    assert matching({"prefix": "/"}) == []
    problem = matching({"prefix": "/", "exact": "/"})[0]
    assert problem == (
        '<nil>: Invalid value: "": "spec.http[0].match[0].uri" must validate one and only one schema'
        " (oneOf). Found 2 valid alternatives"
    )


def test_destination_rule_checks_durations_and_labels():
    def pool(**tcp):
        traffic = {"connectionPool": {"tcp": tcp}}
        return judge("istio-destinationrules", "v1", {"host": "a", "trafficPolicy": traffic})

    assert pool(connectTimeout="30ms") == []
    assert pool(connectTimeout="0s") == [
        (
            'spec.trafficPolicy.connectionPool.tcp.connectTimeout: Invalid value: "0s": must be a valid'
            " duration greater than 1ms"
        )
    ]
    problem = pool(connectTimeout="soon")[0]
    assert 'time: invalid duration "soon" evaluating rule' in problem
    subsets = [{"name": "stable", "labels": {"hash": "abc"}}]
    assert judge("istio-destinationrules", "v1", {"host": "a", "subsets": subsets}) == []
    assert judge("istio-destinationrules", "v1", {"host": "a", "subsets": [{}]})[0] == (
        "spec.subsets[0].name: Required value"
    )


def test_http_proxy_weighs_services():
    def route(**more):
        return {"virtualhost": {"fqdn": "a.example.com"}, "routes": [{"services": [more]}]}

    assert judge("contour-httpproxies", "v1", route(name="app", port=80, weight=10)) == []
    assert judge("contour-httpproxies", "v1", route(name="app", port=70000))[0] == (
        "spec.routes[0].services[0].port: Invalid value: 70000: spec.routes[0].services[0].port in"
        " body should be less than 65536"
    )
    assert judge("contour-httpproxies", "v1", route(port=80))[0] == (
        "spec.routes[0].services[0].name: Required value"
    )


def test_traffic_split_names_services_and_weights():
    spec = {"service": "app", "backends": [{"service": "stable", "weight": 100}]}
    assert judge("smi-trafficsplits", "v1alpha4", spec) == []
    missing = judge("smi-trafficsplits", "v1alpha4", {"service": "app"})
    assert missing == ["spec.backends: Required value"]


def test_traefik_service_weighs_services():
    def weighted(**service):
        return judge("traefik-traefikservices", "v1alpha1", {"weighted": {"services": [service]}})

    assert weighted(name="app", port=80, weight=5) == []
    assert weighted(name="app", port="http") == []
    assert weighted(name="app", kind="Pod", port=80) == [
        (
            'spec.weighted.services[0].kind: Unsupported value: "Pod": supported values: "Service",'
            ' "TraefikService"'
        )
    ]


def test_apisix_route_needs_a_name_for_a_match_that_is_not_a_path():
    def matching(subject):
        match = {"exprs": [{"subject": subject, "op": "Equal", "value": "x"}]}
        http = {"name": "r", "match": {"paths": ["/"], **match}}
        return judge("apisix-apisixroutes", "v2", {"http": [http]})

    assert matching({"scope": "Header", "name": "x"}) == []
    assert len(matching({"scope": "Header", "name": ""})) == 1


def test_unknown_fields_are_named():
    schema = version("gateway-api-httproutes", "v1")
    obj = {"metadata": {"name": "x"}, "spec": {"rules": [{"backends": []}], "hostname": "a"}}
    assert schema.prune(obj) == ["spec.hostname", "spec.rules[0].backends"]
