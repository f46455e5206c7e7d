"""Columns as ``kubectl get`` prints them: built-in kinds and custom ones."""

import random
from datetime import UTC, datetime

import pytest

from rollouts.kube.human import duration, first, selector
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.http.columns import LAYOUTS
from rollouts.sandbox.http.customcolumns import finder, layout
from rollouts.sandbox.http.negotiate import Answer, Shape
from rollouts.sandbox.http.tables import Tables, encode

BORN = "2026-01-01T00:00:00Z"
NOW = datetime(2026, 1, 1, 0, 5, 0, tzinfo=UTC).timestamp()


class FixedClock:
    def wall(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def named(name: str, **fields):
    return {"metadata": {"name": name, "creationTimestamp": BORN}, **fields}


def cells(group_resource: str, obj) -> dict:
    found = LAYOUTS[group_resource]
    return dict(zip([column.name for column in found.columns], found.cells(obj, NOW), strict=True))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-0.5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 1200, "3h20m"),
        (8 * 3600, "8h"),
        (47 * 3600 + 3599, "47h"),
        (48 * 3600, "2d"),
        (52 * 3600, "2d4h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (731 * 86400, "2y1d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages_get_coarser_as_they_grow(seconds, text):
    assert duration(seconds) == text


def test_a_long_list_is_cut_and_counted():
    assert first(["a", "b", "c", "d", "e"], 3) == "a,b,c + 2 more..."
    assert first(["a"], 3) == "a"
    assert first([], 3) == "<none>"


def test_a_selector_is_one_line():
    found = {
        "matchLabels": {"b": "2", "a": "1"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["x", "w"]},
            {"key": "new", "operator": "Exists"},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    }
    assert selector(found) == "a=1,b=2,tier in (w,x),new,!old"
    assert selector({}) == "<none>"


class TestBuiltins:
    def test_a_replica_set(self):
        obj = named(
            "web-1",
            spec={
                "replicas": 3,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"spec": {"containers": [{"name": "app", "image": "nginx:1"}]}},
            },
            status={"replicas": 2, "readyReplicas": 1},
        )
        assert cells("replicasets.apps", obj) == {
            "Name": "web-1",
            "Desired": 3,
            "Current": 2,
            "Ready": 1,
            "Age": "5m",
            "Containers": "app",
            "Images": "nginx:1",
            "Selector": "app=web",
        }

    def test_a_deployment(self):
        status = {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}
        found = cells("deployments.apps", named("web", spec={"replicas": 2}, status=status))
        assert (found["Ready"], found["Up-to-date"], found["Available"]) == ("1/2", 2, 1)

    def test_services_of_each_type(self):
        ports = [
            {"port": 80, "protocol": "TCP"},
            {"port": 53, "nodePort": 30053, "protocol": "UDP"},
        ]
        spec = {
            "type": "ClusterIP",
            "clusterIP": "10.0.0.1",
            "ports": ports,
            "selector": {"a": "b"},
        }
        found = cells("services", named("web", spec=spec))
        assert found["Port(s)"] == "80/TCP,53:30053/UDP"
        assert (found["Cluster-IP"], found["External-IP"]) == ("10.0.0.1", "<none>")
        assert found["Selector"] == "a=b"
        waiting = cells("services", named("web", spec={"type": "LoadBalancer"}))
        assert waiting["External-IP"] == "<pending>"
        outside = {"type": "ExternalName", "externalName": "example.test"}
        assert cells("services", named("web", spec=outside))["External-IP"] == "example.test"

    def test_an_event_of_either_api(self):
        old = {
            "metadata": {"name": "e", "namespace": "d"},
            "involvedObject": {"kind": "Pod", "name": "web"},
            "lastTimestamp": BORN,
            "firstTimestamp": BORN,
            "type": "Normal",
            "reason": "Started",
            "message": "it runs\n",
            "source": {"component": "kubelet", "host": "n1"},
            "count": 3,
        }
        found = cells("events", old)
        assert found == {
            "Last Seen": "5m",
            "Type": "Normal",
            "Reason": "Started",
            "Object": "pod/web",
            "Subobject": "",
            "Source": "kubelet, n1",
            "Message": "it runs",
            "First Seen": "5m",
            "Count": 3,
            "Name": "e",
        }
        new = {
            "metadata": {"name": "e"},
            "regarding": {"kind": "Pod", "name": "web"},
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "me",
            "note": "it runs",
        }
        found = cells("events.events.k8s.io", new)
        assert (found["Object"], found["Last Seen"], found["Source"]) == ("pod/web", "5m", "me")

    @pytest.mark.parametrize(
        ("conditions", "state"),
        [
            ([], "Running"),
            ([{"type": "Complete", "status": "True"}], "Complete"),
            ([{"type": "Complete", "status": "False"}], "Running"),
            ([{"type": "Failed", "status": "True"}], "Failed"),
            ([{"type": "Suspended", "status": "True"}], "Suspended"),
        ],
    )
    def test_a_job_says_how_it_goes(self, conditions, state):
        status = {"startTime": BORN, "succeeded": 1, "conditions": conditions}
        found = cells("jobs.batch", named("j", spec={"completions": 2}, status=status))
        assert (found["Status"], found["Completions"], found["Duration"]) == (state, "1/2", "5m")

    def test_a_finished_job_took_as_long_as_it_took(self):
        status = {"startTime": BORN, "completionTime": "2026-01-01T00:00:30Z", "succeeded": 1}
        assert cells("jobs.batch", named("j", spec={}, status=status))["Duration"] == "30s"

    def test_endpoints_of_a_slice_are_cut_after_three(self):
        endpoints = [{"addresses": [f"10.0.0.{n}"]} for n in range(5)]
        slice_ = named("s", addressType="IPv4", ports=[{"port": 80}], endpoints=endpoints)
        found = cells("endpointslices.discovery.k8s.io", slice_)
        assert found["Endpoints"] == "10.0.0.0,10.0.0.1,10.0.0.2 + 2 more..."
        empty = cells("endpointslices.discovery.k8s.io", named("s", addressType="IPv4"))
        assert (empty["Ports"], empty["Endpoints"]) == ("<unset>", "<unset>")

    @pytest.mark.parametrize("group_resource", sorted(LAYOUTS))
    def test_an_object_with_nothing_but_a_name_has_every_cell(self, group_resource):
        assert "x" in cells(group_resource, named("x")).values()


def pod(containers=(), *, phase="Running", gone=False, wanted=None, **status):
    count = len(containers) if wanted is None else wanted
    found = named(
        "p",
        spec={"containers": [{"name": f"c{n}"} for n in range(count)]},
        status={"phase": phase, "containerStatuses": list(containers), **status},
    )
    if gone:
        found["metadata"]["deletionTimestamp"] = BORN
    return found


UP = {"ready": True, "state": {"running": {}}}
CRASHED = {
    "ready": False,
    "restartCount": 4,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"finishedAt": "2026-01-01T00:04:00Z"}},
}
DONE = {"ready": False, "state": {"terminated": {"reason": "Completed", "exitCode": 0}}}


class TestPods:
    @pytest.mark.parametrize(
        ("given", "status", "ready"),
        [
            (pod(phase="Pending", wanted=1), "Pending", "0/1"),
            (pod([UP]), "Running", "1/1"),
            (pod([UP, CRASHED]), "CrashLoopBackOff", "1/2"),
            (pod([UP], gone=True), "Terminating", "1/1"),
            (pod([DONE], phase="Succeeded"), "Completed", "0/1"),
            (pod([DONE, UP]), "NotReady", "1/2"),
            (
                pod([DONE, UP], conditions=[{"type": "Ready", "status": "True"}]),
                "Running",
                "1/2",
            ),
            (
                pod([{"state": {"terminated": {"exitCode": 3}}}], phase="Failed"),
                "ExitCode:3",
                "0/1",
            ),
            (pod([{"state": {"terminated": {"signal": 9}}}], phase="Failed"), "Signal:9", "0/1"),
            (pod([], phase="Failed", reason="Evicted", wanted=1), "Evicted", "0/1"),
        ],
    )
    def test_many_fields_become_one_word(self, given, status, ready):
        found = cells("pods", given)
        assert (found["Status"], found["Ready"]) == (status, ready)

    def test_a_pod_in_its_init_containers_says_which(self):
        done = {"state": {"terminated": {"exitCode": 0}}}
        going = {"state": {"running": {}}}
        given = pod(phase="Pending", initContainerStatuses=[done, going])
        given["spec"]["initContainers"] = [{}, {}]
        assert cells("pods", given)["Status"] == "Init:1/2"
        given["status"]["initContainerStatuses"][1] = {"state": {"terminated": {"exitCode": 1}}}
        assert cells("pods", given)["Status"] == "Init:ExitCode:1"

    def test_restarts_say_when(self):
        assert cells("pods", pod([CRASHED]))["Restarts"] == "4 (60s ago)"
        assert cells("pods", pod([UP]))["Restarts"] == "0"

    def test_readiness_gates_are_counted(self):
        given = pod([UP], conditions=[{"type": "a", "status": "True"}])
        given["spec"]["readinessGates"] = [{"conditionType": "a"}, {"conditionType": "b"}]
        assert cells("pods", given)["Readiness Gates"] == "1/2"


class TestCustomColumns:
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (".spec.replicas", 3),
            ("{.spec.replicas}", 3),
            (".metadata.annotations.example\\.test/key", "dotted"),
            (".spec.missing.deeper", None),
            ('.status.conditions[?(@.type=="Ready")].status', "True"),
            (".status.conditions[0].type", "Ready"),
            (".spec.with-hyphen[0]", "h"),
            (".status.conditions[9].type", None),
            (".status.conditions[", None),
        ],
    )
    def test_a_json_path_finds_the_first_value(self, path, value):
        obj = {
            "metadata": {"annotations": {"example.test/key": "dotted"}},
            "spec": {"replicas": 3, "with-hyphen": ["h"]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        assert finder(path)(obj) == value

    def test_each_column_type_makes_its_own_cell(self):
        columns = [
            {"name": "I", "type": "integer", "jsonPath": ".i"},
            {"name": "N", "type": "number", "jsonPath": ".n"},
            {"name": "B", "type": "boolean", "jsonPath": ".b", "priority": 1},
            {"name": "S", "type": "string", "jsonPath": ".s"},
            {"name": "D", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            {"name": "Bad", "type": "date", "jsonPath": ".s.x"},
            {"name": "Wrong", "type": "integer", "jsonPath": ".s.x"},
            {"name": "Gone", "type": "string", "jsonPath": ".gone"},
        ]
        version = {"name": "v1", "additionalPrinterColumns": columns}
        found = layout({"spec": {"versions": [version]}}, "v1")
        obj = named("x", i=3, n=1.5, b=True, s={"x": "y"})
        assert found.cells(obj, NOW) == [
            "x", 3, 1.5, True, '{"x":"y"}', "5m", "<invalid>", None, None
        ]  # fmt: skip
        assert [column.wide for column in found.columns] == [False] * 3 + [True] + [False] * 5

    def test_without_columns_there_is_name_and_age(self):
        found = layout({"spec": {"versions": [{"name": "v1"}]}}, "v1")
        assert found.cells(named("x"), NOW) == ["x", "5m"]


class TestShapes:
    @pytest.fixture
    def pods(self):
        return ApiServer(FixedClock(), random.Random(0)).info("", "v1", "pods")

    def test_a_list_becomes_a_table_with_its_page(self, pods):
        page = {
            "kind": "PodList",
            "metadata": {"resourceVersion": "7", "continue": "t"},
            "items": [pod([UP])],
        }
        table = Tables(lambda _: None).shaped(page, pods, Answer(Shape.TABLE), NOW)
        assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        assert table["metadata"] == {"resourceVersion": "7", "continue": "t"}
        row = table["rows"][0]
        assert len(row["cells"]) == len(table["columnDefinitions"])
        assert row["object"]["kind"] == "PartialObjectMetadata"
        assert set(row["object"]) == {"kind", "apiVersion", "metadata"}

    def test_rows_carry_as_much_of_the_object_as_asked_for(self, pods):
        tables, given = Tables(lambda _: None), pod([UP])
        shaped = tables.shaped(given, pods, Answer(Shape.TABLE), NOW, "Object")
        assert shaped["rows"][0]["object"] is given
        shaped = tables.shaped(given, pods, Answer(Shape.TABLE), NOW, "None")
        assert "object" not in shaped["rows"][0]

    def test_metadata_only_is_metadata_only(self, pods):
        page = {"kind": "PodList", "metadata": {"resourceVersion": "7"}, "items": [pod([UP])]}
        shaped = Tables(lambda _: None).shaped(page, pods, Answer(Shape.METADATA_LIST), NOW)
        assert shaped["kind"] == "PartialObjectMetadataList"
        assert set(shaped["items"][0]) == {"kind", "apiVersion", "metadata"}

    def test_a_status_stays_a_status(self, pods):
        status = {"kind": "Status", "status": "Success"}
        assert Tables(lambda _: None).shaped(status, pods, Answer(Shape.TABLE), NOW) is status

    def test_yaml_is_written_when_asked_for(self):
        assert encode({"a": [1]}, Answer(yaml=True)) == (b"a:\n- 1\n", "application/yaml")
