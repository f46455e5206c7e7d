"""Wire formats of the sandbox: what clients ask for, what they send, what they get back."""

import struct

import pytest

from rollouts.kube.api import PatchType
from rollouts.kube.errors import ApiError, BadRequest, Invalid
from rollouts.sandbox.http import bodies, params, protobuf
from rollouts.sandbox.http.negotiate import Answer, Shape, discovery_version, negotiate
from rollouts.sandbox.http.paths import Target, parse
from rollouts.sandbox.options import DeleteOptions, Options

KUBECTL_GET = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,"
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


class TestNegotiation:
    @pytest.mark.parametrize(
        ("accept", "answer"),
        [
            ("", Answer()),
            ("*/*", Answer()),
            ("application/json", Answer()),
            ("application/vnd.kubernetes.protobuf,application/json", Answer()),
            ("application/yaml", Answer(yaml=True)),
            (KUBECTL_GET, Answer(Shape.TABLE, "v1")),
            ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Answer(Shape.TABLE, "v1beta1")),
            (
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
                Answer(Shape.METADATA_LIST),
            ),
            ("application/json;q=0.1, application/yaml", Answer(yaml=True)),
            ("application/json;as=Table;v=v7;g=meta.k8s.io, application/json", Answer()),
        ],
    )
    def test_the_first_acceptable_entry_wins(self, accept, answer):
        assert negotiate(accept) == answer

    @pytest.mark.parametrize(
        "accept",
        ["text/html", "application/cbor", "application/json;q=0", "application/json;as=Chart;v=v1"],
    )
    def test_what_cannot_be_served_is_406(self, accept):
        with pytest.raises(ApiError) as refused:
            negotiate(accept)
        assert (refused.value.code, refused.value.reason) == (406, "NotAcceptable")

    def test_discovery_is_aggregated_in_the_version_named_first(self):
        form = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
        both = f"{form.format('v2')},{form.format('v2beta1')},application/json"
        assert discovery_version(both) == "v2"
        assert discovery_version(form.format("v2beta1") + ",application/json") == "v2beta1"
        assert not discovery_version("application/json," + form.format("v2"))
        assert not discovery_version("")


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "target"),
        [
            ("/api/v1/pods", Target("", "v1", "pods")),
            ("/api/v1/namespaces", Target("", "v1", "namespaces")),
            ("/api/v1/namespaces/a", Target("", "v1", "namespaces", "", "a")),
            ("/api/v1/namespaces/a/status", Target("", "v1", "namespaces", "", "a", "status")),
            ("/api/v1/namespaces/a/finalize", Target("", "v1", "namespaces", "", "a", "finalize")),
            ("/api/v1/namespaces/a/pods", Target("", "v1", "pods", "a")),
            ("/api/v1/namespaces/a/pods/p/log", Target("", "v1", "pods", "a", "p", "log")),
            ("/apis/apps/v1/deployments", Target("apps", "v1", "deployments")),
            (
                "/apis/argoproj.io/v1alpha1/namespaces/a/rollouts/r/scale",
                Target("argoproj.io", "v1alpha1", "rollouts", "a", "r", "scale"),
            ),
        ],
    )
    def test_a_path_names_a_collection_an_object_or_a_subresource(self, path, target):
        assert parse(path) == target

    @pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/metrics", "/api/v1/a/b/c/d"])
    def test_other_paths_name_nothing(self, path):
        assert parse(path) is None


class TestParameters:
    def test_a_list_is_asked_for_with_selectors_pages_and_versions(self):
        options = params.list_options(
            {
                "labelSelector": "app=web",
                "fieldSelector": "metadata.name=x",
                "limit": "500",
                "continue": "tok",
                "resourceVersion": "7",
                "resourceVersionMatch": "Exact",
            }
        )
        assert (options.labels, options.fields, options.limit) == (
            "app=web",
            "metadata.name=x",
            500,
        )
        assert (options.continue_token, options.resource_version) == ("tok", "7")
        assert options.resource_version_match == "Exact"

    def test_a_number_that_is_none_is_a_bad_request(self):
        with pytest.raises(BadRequest, match="limit"):
            params.list_options({"limit": "many"})

    @pytest.mark.parametrize(
        ("text", "value"), [("", True), ("1", True), ("true", True), ("false", False), ("0", False)]
    )
    def test_flags_are_read_as_go_reads_them(self, text, value):
        assert params.flag({"watch": text}, "watch") is value

    def test_a_flag_that_is_none_is_a_bad_request(self):
        with pytest.raises(BadRequest, match="watch"):
            params.flag({"watch": "perhaps"}, "watch")

    def test_a_write_warns_about_unknown_fields_unless_told_otherwise(self):
        assert params.write_options({}, "kubectl/v1.32").field_validation == "Warn"
        assert params.write_options({"fieldValidation": "Strict"}, "").field_validation == "Strict"
        with pytest.raises(Invalid, match="Sometimes"):
            params.write_options({"fieldValidation": "Sometimes"}, "")

    def test_a_write_without_a_manager_is_the_program_that_made_it(self):
        assert params.write_options({}, "kubectl/v1.32 (linux)").field_manager == "kubectl"
        assert params.write_options({"fieldManager": "me"}, "kubectl/v1").field_manager == "me"

    def test_only_all_of_a_write_can_be_dry(self):
        assert params.write_options({"dryRun": "All"}, "").dry_run
        with pytest.raises(Invalid, match="Half"):
            params.write_options({"dryRun": "Half"}, "")

    def test_a_deletion_is_described_by_its_body_or_by_the_query(self):
        body = {
            "propagationPolicy": "Foreground",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": "u", "resourceVersion": "5"},
            "dryRun": ["All"],
        }
        assert params.delete_options({}, body) == (DeleteOptions("Foreground", "u", "5", 0), True)
        query = {"propagationPolicy": "Orphan", "gracePeriodSeconds": "3"}
        assert params.delete_options(query, None) == (DeleteOptions("Orphan", "", "", 3), False)
        assert params.delete_options({}, None) == (DeleteOptions(), False)

    def test_an_unknown_propagation_policy_is_refused(self):
        with pytest.raises(Invalid, match="Sideways"):
            params.delete_options({}, {"propagationPolicy": "Sideways"})


class TestBodies:
    def test_json_and_yaml_mean_the_same(self):
        yaml = b"kind: Pod\nmetadata:\n  name: a\n  creationTimestamp: 2026-01-01T00:00:00Z\n"
        json = b'{"kind":"Pod","metadata":{"name":"a"}}'
        assert bodies.object_of(json, "application/json; charset=utf-8", Options(), "Pod") == {
            "kind": "Pod",
            "metadata": {"name": "a"},
        }
        assert bodies.object_of(yaml, "application/yaml", Options(), "Pod")["kind"] == "Pod"

    @pytest.mark.parametrize(
        ("data", "media"), [(b"{", "application/json"), (b"a: [", "application/yaml")]
    )
    def test_a_broken_body_is_a_bad_request(self, data, media):
        with pytest.raises(BadRequest):
            bodies.object_of(data, media, Options(), "Pod")

    def test_another_media_type_is_415(self):
        with pytest.raises(ApiError) as refused:
            bodies.object_of(b"<pod/>", "application/xml", Options(), "Pod")
        assert (refused.value.code, refused.value.reason) == (415, "UnsupportedMediaType")

    def test_a_field_given_twice_is_a_warning_or_a_refusal(self):
        body = b'{"spec":{"replicas":1,"replicas":2,"c":[{"a":1,"a":2}]}}'
        options = Options(field_validation="Warn")
        bodies.object_of(body, "application/json", options, "Deployment")
        assert options.warnings == [
            'duplicate field "spec.replicas"',
            'duplicate field "spec.c[0].a"',
        ]
        with pytest.raises(
            BadRequest, match=r'strict decoding error: duplicate field "spec.replicas"'
        ):
            bodies.object_of(
                body, "application/json", Options(field_validation="Strict"), "Deployment"
            )

    def test_a_patch_is_known_by_its_media_type(self):
        assert bodies.patch_of(b"[]", "application/json-patch+json") == (PatchType.JSON, [])
        assert bodies.patch_of(b"{}", "application/merge-patch+json")[0] is PatchType.MERGE
        assert (
            bodies.patch_of(b"{}", "application/strategic-merge-patch+json")[0]
            is PatchType.STRATEGIC
        )

    def test_server_side_apply_is_refused_with_a_way_out(self):
        with pytest.raises(ApiError, match="use kubectl apply without --server-side") as refused:
            bodies.patch_of(b"{}", "application/apply-patch+yaml")
        assert refused.value.code == 415

    def test_a_patch_of_no_known_type_lists_the_known_ones(self):
        with pytest.raises(ApiError, match="application/merge-patch") as refused:
            bodies.patch_of(b"{}", "application/json")
        assert refused.value.code == 415


def text(number: int, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def whole(number: int, value: int) -> bytes:
    return bytes([number << 3]) + (
        bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7])
    )


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    body = text(1, text(1, api_version) + text(2, kind))
    size = len(raw)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return b"k8s\x00" + body + bytes([2 << 3 | 2]) + length + raw


class TestProtobuf:
    def test_an_access_review_as_kubectl_sends_it(self):
        attributes = (
            text(1, "default") + text(2, "create") + text(3, "apps") + text(5, "deployments")
        )
        raw = text(1, text(3, "")) + text(2, text(1, attributes)) + text(3, whole(1, 0))
        found = protobuf.decode(envelope("authorization.k8s.io/v1", "SelfSubjectAccessReview", raw))
        assert found["spec"] == {
            "resourceAttributes": {
                "namespace": "default",
                "verb": "create",
                "group": "apps",
                "resource": "deployments",
            }
        }

    def test_maps_bytes_and_times(self):
        meta = text(1, "s") + text(8, whole(1, 100)) + text(11, text(1, "app") + text(2, "web"))
        raw = text(1, meta) + text(2, text(1, "key") + text(2, b"\x00\xff")) + text(3, "Opaque")
        found = protobuf.decode(envelope("v1", "Secret", raw))
        assert found == {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "s",
                "creationTimestamp": "1970-01-01T00:01:40Z",
                "labels": {"app": "web"},
            },
            "data": {"key": "AP8="},
            "type": "Opaque",
        }

    def test_a_service_with_ports_of_either_kind(self):
        by_number = (
            text(2, "TCP") + whole(3, 80) + text(4, whole(1, 0) + whole(2, 80) + text(3, ""))
        )
        by_name = (
            text(1, "m") + whole(3, 90) + text(4, whole(1, 1) + text(3, "metrics")) + whole(5, 0)
        )
        found = protobuf.decode(
            envelope("v1", "Service", text(2, text(1, by_number) + text(1, by_name)))
        )
        assert found["spec"]["ports"] == [
            {"protocol": "TCP", "port": 80, "targetPort": 80},
            {"name": "m", "port": 90, "targetPort": "metrics"},
        ]

    def test_zero_is_kept_where_it_means_something(self):
        deployment = text(2, whole(1, 0) + whole(5, 0))
        found = protobuf.decode(envelope("apps/v1", "Deployment", deployment))
        assert found["spec"] == {"replicas": 0}

    def test_another_kind_is_refused_with_a_way_out(self):
        with pytest.raises(ApiError, match="kubectl apply -f") as refused:
            protobuf.decode(envelope("networking.k8s.io/v1", "Ingress", b""))
        assert refused.value.code == 415

    def test_a_field_that_would_be_lost_is_refused(self):
        volumes = text(1, text(1, "data"))
        with pytest.raises(ApiError, match="field 1 of PodSpec") as refused:
            protobuf.decode(envelope("v1", "Pod", text(2, volumes)))
        assert refused.value.code == 415

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"k8s\x00",
            b"k8s\x00\xff",
            envelope("v1", "Secret", text(1, text(1, b"\xff"))),
            envelope("v1", "Secret", b"\x0a\x7f"),
            envelope("v1", "Secret", whole(1, 5)),
            envelope("v1", "Secret", b"\x0b"),
            envelope("v1", "Secret", bytes([1 << 3 | 1]) + struct.pack("<q", 1)),
        ],
    )
    def test_garbage_is_a_bad_request(self, body):
        with pytest.raises(BadRequest):
            protobuf.decode(body)
