"""The sandbox's API server over a real socket, as a client without manners would use it."""

import asyncio
import contextlib
import io
import json
import random

import aiohttp
import pytest
import yaml

from rollouts.kube.api import Obj
from rollouts.runtime.clock import SystemClock
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.http.server import (
    HttpServer,
    is_sandbox_kubeconfig,
    kubeconfig,
    write_kubeconfig,
)

PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
WIDGETS: Obj = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.test"},
    "spec": {
        "group": "example.test",
        "scope": "Namespaced",
        "names": {
            "plural": "widgets",
            "singular": "widget",
            "kind": "Widget",
            "shortNames": ["wd"],
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "description": "what is wanted",
                                "properties": {"size": {"type": "integer"}},
                            }
                        },
                    }
                },
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}
                ],
            }
        ],
    },
}


class Client:
    """One session against one server."""

    def __init__(self, session: aiohttp.ClientSession, api: ApiServer) -> None:
        self.session = session
        self.api = api

    async def __call__(self, method: str, path: str, body=None, **kwargs):
        """Status, headers and the decoded body."""
        headers = dict(kwargs.pop("headers", {}))
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        async with self.session.request(
            method, path, data=body, headers=headers, allow_redirects=False, **kwargs
        ) as answer:
            raw = await answer.read()
            is_json = answer.content_type == "application/json"
            return answer.status, answer.headers, json.loads(raw) if is_json and raw else raw


@pytest.fixture
async def client():
    clock = SystemClock()
    api = ApiServer(clock, random.Random(0))
    server = HttpServer(api, clock)
    url = await server.start()
    async with aiohttp.ClientSession(url) as session:
        yield Client(session, api)
    await server.stop()


def config_map(name: str, **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str) -> Obj:
    labels = {"app": name}
    container = {"name": "app", "image": "nginx:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


class TestOutsideResources:
    @pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/readyz/ping"])
    async def test_health(self, client, path):
        assert (await client("GET", path))[2] == b"ok"
        assert b"readyz check passed" in (await client("GET", "/readyz?verbose"))[2]

    async def test_version_names_a_release_and_says_what_it_is(self, client):
        _, _, found = await client("GET", "/version")
        assert found["major"] == "1"
        assert found["gitVersion"].endswith("+sandbox")

    async def test_an_unknown_path_is_a_status_with_404(self, client):
        for path in ("/nowhere", "/api/v9/pods", "/apis/none/v1", "/openapi/v9", "/openapi/v2"):
            code, _, found = await client("GET", path)
            assert (code, found["kind"], found["reason"]) == (404, "Status", "NotFound"), path


class TestWhoMayAsk:
    @pytest.mark.parametrize(
        "host", ["evil.test", "evil.test:80", "10.0.0.1", "127.0.0.1.evil.test", ""]
    )
    async def test_only_requests_to_a_loopback_name_are_answered(self, client, host):
        code, _, found = await client("GET", "/api", headers={"Host": host})
        assert (code, found["reason"]) == (403, "Forbidden")

    @pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1", "[::1]:80", "LOCALHOST"])
    async def test_loopback_names_are_answered(self, client, host):
        assert (await client("GET", "/api", headers={"Host": host}))[0] == 200

    async def test_no_web_page_is_answered(self, client):
        for origin in ("http://evil.test", "null", "http://127.0.0.1"):
            code, _, _ = await client("GET", "/api", headers={"Origin": origin})
            assert code == 403


class TestObjects:
    async def test_create_read_replace_patch_delete(self, client):
        code, _, made = await client("POST", MAPS, config_map("a", k="1"))
        assert (code, made["data"]) == (201, {"k": "1"})
        code, _, read = await client("GET", f"{MAPS}/a")
        assert (code, read) == (200, made)
        code, _, put = await client("PUT", f"{MAPS}/a", {**made, "data": {"k": "2"}})
        assert (code, put["data"]) == (200, {"k": "2"})
        code, _, patched = await client(
            "PATCH",
            f"{MAPS}/a",
            {"data": {"l": "3"}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert (code, patched["data"]) == (200, {"k": "2", "l": "3"})
        code, _, gone = await client("DELETE", f"{MAPS}/a")
        assert (code, gone["status"], gone["details"]["name"]) == (200, "Success", "a")
        assert (await client("GET", f"{MAPS}/a"))[0] == 404

    async def test_errors_are_statuses_with_their_code_and_reason(self, client):
        _, _, made = await client("POST", MAPS, config_map("a"))
        code, _, found = await client("POST", MAPS, config_map("a"))
        assert (code, found["reason"], found["details"]["name"]) == (409, "AlreadyExists", "a")
        await client("PUT", f"{MAPS}/a", {**made, "data": {"k": "v"}})
        code, _, found = await client("PUT", f"{MAPS}/a", {**made, "data": {"k": "w"}})
        assert (code, found["reason"]) == (409, "Conflict")
        code, _, found = await client("GET", f"{MAPS}/b")
        assert (code, found["message"]) == (404, 'configmaps "b" not found')
        code, headers, found = await client("GET", f"{MAPS}?watch=1&resourceVersion=999999")
        assert (code, found["reason"], headers["Retry-After"]) == (504, "Timeout", "1")

    async def test_bodies_in_yaml_and_answers_in_yaml(self, client):
        headers = {"Content-Type": "application/yaml", "Accept": "application/yaml"}
        body = yaml.safe_dump(config_map("y", k="v")).encode()
        code, answered, raw = await client("POST", MAPS, body, headers=headers)
        assert (code, answered["Content-Type"]) == (201, "application/yaml")
        assert yaml.safe_load(raw)["data"] == {"k": "v"}

    async def test_what_cannot_be_read_or_written_is_said_with_the_right_code(self, client):
        async def code(method, path, body=None, **headers):
            return (await client(method, path, body, headers=headers))[0]

        json_type = {"Content-Type": "application/json"}
        assert await code("GET", MAPS, Accept="text/html") == 406
        assert await code("POST", MAPS, b"<a/>", **{"Content-Type": "application/xml"}) == 415
        assert await code("POST", MAPS, b"{", **json_type) == 400
        assert await code("POST", MAPS, b"[]", **json_type) == 400
        assert await code("POST", MAPS, b"", **json_type) == 400
        too_much = io.BytesIO(b" " * (3 * 1024 * 1024 + 1))
        assert await code("POST", MAPS, too_much, **json_type) == 413
        assert await code("POST", "/api/v1/configmaps", config_map("a")) == 405
        assert await code("PUT", MAPS, config_map("a")) == 405
        assert await code("OPTIONS", MAPS) == 405
        assert await code("DELETE", "/api/v1/configmaps") == 405
        assert await code("GET", f"{MAPS}?limit=x") == 400
        assert await code("GET", "/api/v1/namespaces/default/nodes") == 404

    async def test_unknown_fields_warn_or_refuse(self, client):
        body = deployment("web")
        body["spec"]["replicsa"] = 3
        code, headers, _ = await client("POST", f"{DEPLOYMENTS}?dryRun=All", body)
        assert code == 201
        assert headers.getall("Warning") == ['299 - "unknown field \\"spec.replicsa\\""']
        code, _, found = await client("POST", f"{DEPLOYMENTS}?fieldValidation=Strict", body)
        assert code == 400
        assert 'strict decoding error: unknown field "spec.replicsa"' in found["message"]
        code, headers, _ = await client("POST", f"{DEPLOYMENTS}?fieldValidation=Ignore", body)
        assert (code, headers.getall("Warning", [])) == (201, [])

    async def test_a_value_of_the_wrong_type_is_refused(self, client):
        body = deployment("web")
        body["spec"]["replicas"] = "three"
        code, _, found = await client("POST", DEPLOYMENTS, body)
        assert code == 400
        assert "cannot unmarshal string" in found["message"]

    async def test_a_dry_run_changes_nothing(self, client):
        assert (await client("POST", f"{MAPS}?dryRun=All", config_map("a")))[0] == 201
        assert (await client("GET", f"{MAPS}/a"))[0] == 404

    async def test_a_collection_is_deleted_by_selector(self, client):
        for name in ("a", "b"):
            body = config_map(name)
            body["metadata"]["labels"] = {"name": name}
            await client("POST", MAPS, body)
        await client("DELETE", f"{MAPS}?labelSelector=name%3Da")
        _, _, left = await client("GET", MAPS)
        assert [one["metadata"]["name"] for one in left["items"]] == ["b"]

    async def test_a_namespace_can_be_told_twice_to_go(self, client):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "leaving"}}
        await client("POST", "/api/v1/namespaces", body)
        for _ in range(2):
            code, _, found = await client("DELETE", "/api/v1/namespaces/leaving")
            assert (code, found["status"]["phase"]) == (200, "Terminating")

    async def test_pages(self, client):
        for name in ("a", "b", "c"):
            await client("POST", MAPS, config_map(name))
        _, _, page = await client("GET", f"{MAPS}?limit=2")
        assert page["metadata"]["remainingItemCount"] == 1
        _, _, rest = await client("GET", MAPS, params={"continue": page["metadata"]["continue"]})
        assert [one["metadata"]["name"] for one in rest["items"]] == ["c"]

    async def test_server_side_apply_says_what_to_do_instead(self, client):
        headers = {"Content-Type": "application/apply-patch+yaml"}
        code, _, found = await client("PATCH", f"{MAPS}/a", config_map("a"), headers=headers)
        assert code == 415
        assert "use kubectl apply without --server-side" in found["message"]

    async def test_scale_is_a_kind_of_its_own(self, client):
        await client("POST", DEPLOYMENTS, deployment("web"))
        accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
        _, _, scale = await client("GET", f"{DEPLOYMENTS}/web/scale", headers=accept)
        assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
        assert scale["spec"]["replicas"] == 1


class TestWatch:
    async def lines(self, client, path, count, **headers):
        found = []
        async with client.session.get(path, headers=headers) as answer:
            assert answer.status == 200
            async for line in answer.content:
                found.append(json.loads(line))
                if len(found) == count:
                    break
        return found

    async def test_what_is_there_and_what_comes(self, client):
        await client("POST", MAPS, config_map("a"))
        reading = asyncio.create_task(self.lines(client, f"{MAPS}?watch=true", 3))
        await client("POST", MAPS, config_map("b"))
        await client("DELETE", f"{MAPS}/a")
        events = [(one["type"], one["object"]["metadata"]["name"]) for one in await reading]
        assert events == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]

    async def test_the_beginning_is_marked_when_asked_for(self, client):
        await client("POST", MAPS, config_map("a"))
        query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
        added, bookmark = await self.lines(client, f"{MAPS}?{query}", 2)
        assert (added["type"], bookmark["type"]) == ("ADDED", "BOOKMARK")
        assert bookmark["object"]["metadata"]["annotations"] == {
            "k8s.io/initial-events-end": "true"
        }

    async def test_one_object_by_its_path(self, client):
        for name in ("a", "b"):
            await client("POST", MAPS, config_map(name))
        (event,) = await self.lines(client, f"{MAPS}/b?watch=true", 1)
        assert event["object"]["metadata"]["name"] == "b"

    async def test_rows_instead_of_objects(self, client):
        await client("POST", MAPS, config_map("a", k="v"))
        accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
        (event,) = await self.lines(client, f"{MAPS}?watch=true", 1, Accept=accept)
        assert event["object"]["kind"] == "Table"
        assert event["object"]["rows"][0]["cells"][:2] == ["a", 1]

    async def test_it_ends_after_the_time_asked_for(self, client):
        code, _, raw = await client("GET", f"{MAPS}?watch=true&timeoutSeconds=1")
        assert (code, raw) == (200, b"")

    async def test_a_past_that_is_forgotten_is_gone(self, client):
        await client("POST", MAPS, config_map("a"))
        await client("POST", MAPS, config_map("b"))
        client.api.store.compact()
        code, _, found = await client("GET", f"{MAPS}?watch=true&resourceVersion=2")
        assert (code, found["reason"]) == (410, "Expired")

    async def test_stopping_the_server_ends_it(self):
        clock = SystemClock()
        server = HttpServer(ApiServer(clock, random.Random(0)), clock)
        url = await server.start()
        async with aiohttp.ClientSession(url) as session:
            answer = await session.get(f"{MAPS}?watch=true")
            stopping = asyncio.create_task(server.stop())
            with contextlib.suppress(aiohttp.ClientError):
                assert await asyncio.wait_for(answer.read(), 5) == b""
            await stopping


class TestDiscovery:
    AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    async def test_both_forms_name_the_same_types(self, client):
        _, headers, found = await client("GET", "/apis", headers={"Accept": self.AGGREGATED})
        assert headers["Content-Type"] == self.AGGREGATED
        assert found["apiVersion"] == "apidiscovery.k8s.io/v2"
        whole = {
            (group["metadata"]["name"], version["version"], one["resource"])
            for group in found["items"]
            for version in group["versions"]
            for one in version["resources"]
        }
        _, _, groups = await client("GET", "/apis")
        plain = set()
        for group in groups["groups"]:
            for version in group["versions"]:
                _, _, listed = await client("GET", f"/apis/{version['groupVersion']}")
                plain |= {
                    (group["name"], version["version"], one["name"])
                    for one in listed["resources"]
                    if "/" not in one["name"]
                }
        assert whole == plain
        assert ("apps", "v1", "deployments") in whole

    async def test_a_subresource_has_the_kind_it_answers_with(self, client):
        _, _, listed = await client("GET", "/apis/apps/v1")
        (scale,) = [one for one in listed["resources"] if one["name"] == "deployments/scale"]
        assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")

    async def test_the_core_group_is_under_api(self, client):
        _, _, found = await client("GET", "/api", headers={"Accept": self.AGGREGATED})
        (core,) = found["items"]
        assert "name" not in core["metadata"]
        assert "pods" in [one["resource"] for one in core["versions"][0]["resources"]]
        assert (await client("GET", "/api"))[2]["versions"] == ["v1"]

    async def test_a_group_answers_for_itself(self, client):
        _, _, found = await client("GET", "/apis/autoscaling")
        assert found["preferredVersion"] == {"groupVersion": "autoscaling/v2", "version": "v2"}

    async def test_a_custom_type_is_there_at_once_with_columns_and_schema(self, client):
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert (await client("POST", crds, WIDGETS))[0] == 201
        _, _, listed = await client("GET", "/apis/example.test/v1")
        assert listed["resources"][0]["shortNames"] == ["wd"]
        widgets = "/apis/example.test/v1/namespaces/default/widgets"
        body = {
            "apiVersion": "example.test/v1",
            "kind": "Widget",
            "metadata": {"name": "w"},
            "spec": {"size": 4},
        }
        await client("POST", widgets, body)
        accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        _, _, table = await client("GET", widgets, headers=accept)
        assert table["rows"][0]["cells"] == ["w", 4]
        _, _, document = await client("GET", "/openapi/v3/apis/example.test/v1")
        schema = document["components"]["schemas"]["test.example.v1.Widget"]
        assert schema["properties"]["spec"]["description"] == "what is wanted"
        await client("DELETE", f"{crds}/widgets.example.test")
        assert (await client("GET", widgets))[0] == 404
        assert (await client("GET", "/apis/example.test/v1"))[0] == 404


class TestOpenApi:
    async def test_documents_are_found_by_the_index_and_may_be_kept(self, client):
        _, _, index = await client("GET", "/openapi/v3")
        url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
        code, headers, document = await client("GET", url)
        assert (code, headers["Cache-Control"]) == (200, "public, immutable")
        assert "io.k8s.v1.Deployment" in document["components"]["schemas"]
        code, headers, _ = await client("GET", "/openapi/v3/apis/apps/v1")
        assert headers["Cache-Control"] == "no-cache, private"
        again = {"If-None-Match": headers["ETag"]}
        assert (await client("GET", "/openapi/v3/apis/apps/v1", headers=again))[0] == 304
        code, headers, _ = await client("GET", "/openapi/v3/apis/apps/v1?hash=OLD")
        assert (code, headers["Location"]) == (301, url)

    async def test_every_reference_leads_somewhere(self, client):
        from rollouts.sandbox.schemas import references

        _, _, index = await client("GET", "/openapi/v3")
        for path in index["paths"]:
            _, _, document = await client("GET", f"/openapi/v3/{path}")
            known = document["components"]["schemas"]
            assert set(references(document)) <= set(known), path

    async def test_a_patch_says_what_it_accepts(self, client):
        _, _, document = await client("GET", "/openapi/v3/apis/apps/v1")
        patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"][
            "patch"
        ]
        assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
        assert "fieldValidation" in [one["name"] for one in patch["parameters"]]
        assert patch["x-kubernetes-group-version-kind"]["kind"] == "Deployment"


class TestSubresourcesWithoutAStore:
    async def test_a_log_says_that_nothing_runs(self, client):
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "app", "image": "nginx:1"}]},
        }
        await client("POST", PODS, body)
        code, headers, raw = await client("GET", f"{PODS}/p/log?tailLines=1")
        assert (code, headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
        assert raw.startswith(b"[sandbox] image nginx:1")
        assert (await client("GET", f"{PODS}/p/log?container=none"))[0] == 400
        assert (await client("GET", f"{PODS}/q/log"))[0] == 404
        code, _, found = await client("POST", f"{PODS}/p/exec")
        assert (code, "runs none" in found["message"]) == (405, True)

    async def test_a_token_belongs_to_an_account_that_exists(self, client):
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sa"}}
        await client("POST", accounts, account)
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        code, _, found = await client("POST", f"{accounts}/sa/token", request)
        assert (code, found["status"]["token"]) == (201, "sandbox.default.sa")
        assert (await client("POST", f"{accounts}/other/token", request))[0] == 404

    async def test_everything_is_allowed(self, client):
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "delete", "resource": "nodes"}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        code, _, found = await client("POST", path, review)
        assert (code, found["status"]["allowed"]) == (201, True)


def test_a_kubeconfig_is_told_from_somebody_elses(tmp_path):
    ours = tmp_path / "ours"
    write_kubeconfig(ours, "http://127.0.0.1:1", "team")
    assert yaml.safe_load(ours.read_text()) == kubeconfig("http://127.0.0.1:1", "team")
    assert ours.stat().st_mode & 0o077 == 0
    assert is_sandbox_kubeconfig(ours)
    for content in ("", "a: [", "clusters: [{name: prod}]"):
        other = tmp_path / "other"
        other.write_text(content)
        assert not is_sandbox_kubeconfig(other)
    assert not is_sandbox_kubeconfig(tmp_path / "absent")
