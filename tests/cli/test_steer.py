"""Verbs that change a Rollout: what stands in the cluster afterwards."""

import asyncio

import pytest

from rollouts.api import labels
from rollouts.cli.undo import template_of
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    DEPLOYMENTS,
    EXPERIMENTS,
    POD_TEMPLATES,
    REPLICA_SETS,
    ROLLOUTS,
)
from rollouts.sandbox.options import Options
from tests.cli.cluster import World, template


@pytest.fixture
def world() -> World:
    return World()


def test_promote_ends_a_pause(world, capsys):
    world.rollout()
    assert world.run("promote", "shop") == 0
    status = world.get(ROLLOUTS, "shop")["status"]
    assert "pauseConditions" not in status
    assert status["controllerPause"] is True
    assert capsys.readouterr().out == "rollout 'shop' promoted\n"


def test_promote_also_ends_the_pause_of_the_user(world):
    world.rollout(paused=True)
    world.run("promote", "shop")
    found = world.get(ROLLOUTS, "shop")
    assert found["spec"]["paused"] is False
    assert "pauseConditions" not in found["status"]


def test_promote_skips_a_step_that_is_not_a_pause(world):
    world.rollout(status={"pauseConditions": None, "currentStepIndex": 0})
    world.run("promote", "shop")
    assert world.get(ROLLOUTS, "shop")["status"]["currentStepIndex"] == 1


def test_promote_never_goes_past_the_last_step(world):
    world.rollout(status={"pauseConditions": None, "currentStepIndex": 2})
    world.run("promote", "shop")
    assert world.get(ROLLOUTS, "shop")["status"]["currentStepIndex"] == 2


def test_promote_leaves_an_inconclusive_analysis_behind(world):
    run = {"name": "r", "status": "Inconclusive"}
    world.rollout(status={"canary": {"currentStepAnalysisRunStatus": run}, "currentStepIndex": 0})
    world.run("promote", "shop")
    status = world.get(ROLLOUTS, "shop")["status"]
    assert status["currentStepIndex"] == 1
    assert status["controllerPause"] is False
    assert "pauseConditions" not in status


def test_promote_full(world, capsys):
    world.rollout()
    assert world.run("promote", "shop", "--full") == 0
    assert world.get(ROLLOUTS, "shop")["status"]["promoteFull"] is True
    assert capsys.readouterr().out == "rollout 'shop' fully promoted\n"


def test_promote_full_of_what_is_stable_changes_nothing(world):
    before = world.rollout(status={"currentPodHash": "aaa"})
    assert world.run("promote", "shop", "--full=true") == 0
    assert world.get(ROLLOUTS, "shop") == before


def test_the_older_spellings_of_promote(world, capsys):
    world.rollout(status={"currentStepIndex": 0})
    assert world.run("promote", "shop", "-c") == 0
    assert world.get(ROLLOUTS, "shop")["status"]["currentStepIndex"] == 1
    assert world.run("promote", "shop", "-c", "-a") == 1
    assert capsys.readouterr().err == (
        "Error: Cannot use skip-current-step and skip-all-steps flags at the same time\n"
    )


def test_abort_and_retry(world, capsys):
    world.rollout()
    assert world.run("abort", "shop") == 0
    assert world.get(ROLLOUTS, "shop")["status"]["abort"] is True
    assert world.run("retry", "rollout", "shop") == 0
    assert world.get(ROLLOUTS, "shop")["status"]["abort"] is False
    assert capsys.readouterr().out == "rollout 'shop' aborted\nrollout 'shop' retried\n"


def test_several_names_at_once_stop_at_the_first_failure(world, capsys):
    world.rollout("a")
    world.rollout("b")
    assert world.run("pause", "a", "missing", "b") == 1
    assert world.get(ROLLOUTS, "a")["spec"]["paused"] is True
    assert "paused" not in world.get(ROLLOUTS, "b")["spec"]
    printed = capsys.readouterr()
    assert printed.out == "rollout 'a' paused\n"
    assert printed.err == 'Error: rollouts.argoproj.io "missing" not found\n'


def test_restart_now_and_later(world, capsys):
    world.rollout()
    world.run("restart", "shop")
    assert world.get(ROLLOUTS, "shop")["spec"]["restartAt"] == "2026-01-01T00:00:00Z"
    world.run("restart", "shop", "--in", "90s")
    assert world.get(ROLLOUTS, "shop")["spec"]["restartAt"] == "2026-01-01T00:01:30Z"
    assert world.run("restart", "shop", "-i", "soon") == 1
    printed = capsys.readouterr()
    assert printed.out == "rollout 'shop' restarts in 0s\nrollout 'shop' restarts in 1m30s\n"
    assert printed.err == 'Error: time: invalid duration "soon"\n'


def test_terminate(world, capsys):
    shop = world.rollout()
    world.run_of(shop, "r", 1, phase="Running")
    world.experiment(shop, "e", 1)
    assert world.run("terminate", "ar", "r") == 0
    assert world.run("terminate", "experiment", "e") == 0
    assert world.get(ANALYSIS_RUNS, "r")["spec"]["terminate"] is True
    assert world.get(EXPERIMENTS, "e")["spec"]["terminate"] is True
    assert world.run("retry", "exp", "e") == 0
    assert "status" not in world.get(EXPERIMENTS, "e")


def test_set_image(world, capsys):
    world.rollout()
    assert world.run("set", "image", "shop", "main=shop:3") == 0
    containers = world.get(ROLLOUTS, "shop")["spec"]["template"]["spec"]["containers"]
    assert containers == [{"name": "main", "image": "shop:3"}]
    assert capsys.readouterr().out == 'rollout "shop" image updated\n'


def test_set_image_of_all_containers(world):
    pods = template("shop", "shop:2")
    pods["spec"]["initContainers"] = [{"name": "first", "image": "shop:2"}]
    world.rollout(template=pods)
    world.run("set", "image", "shop", "*=shop:9")
    spec = world.get(ROLLOUTS, "shop")["spec"]["template"]["spec"]
    assert {one["image"] for one in spec["containers"] + spec["initContainers"]} == {"shop:9"}


def test_set_image_of_an_unknown_container(world, capsys):
    before = world.rollout()
    assert world.run("set", "image", "shop", "side=x:1") == 1
    assert capsys.readouterr().err == 'Error: unable to find container named "side"\n'
    assert world.get(ROLLOUTS, "shop") == before


def refer(world, resource) -> None:
    """A Rollout that takes its template from a workload named ``web``."""
    holder = {"template": template("shop", "web:1")}
    if resource != POD_TEMPLATES:
        holder = {"spec": {"selector": {"matchLabels": {"app": "shop"}}, **holder}}
    world.put(resource, {"metadata": {"name": "web"}, **holder})
    ref = {"apiVersion": resource.api_version, "kind": resource.kind, "name": "web"}
    shop = world.rollout(workloadRef=ref, template=None)
    for number, (hash_, image) in enumerate([("aaa", "web:0"), ("bbb", "web:1")], start=1):
        world.replica_set(shop, hash_, image, 0, **{labels.REVISION: str(number)})


def referred(world, resource) -> dict:
    """The pods the workload describes."""
    found = world.get(resource, "web")
    return (found if resource == POD_TEMPLATES else found["spec"])["template"]


WORKLOADS = pytest.mark.parametrize("resource", [DEPLOYMENTS, REPLICA_SETS, POD_TEMPLATES])


@WORKLOADS
def test_set_image_of_a_referenced_workload(world, capsys, resource):
    refer(world, resource)
    before = world.get(ROLLOUTS, "shop")
    assert world.run("set", "image", "shop", "main=web:2") == 0
    assert referred(world, resource)["spec"]["containers"][0]["image"] == "web:2"
    assert world.get(ROLLOUTS, "shop") == before
    assert capsys.readouterr().out == f'{resource.kind.lower()} "web" image updated\n'


@WORKLOADS
def test_undo_of_a_referenced_workload(world, capsys, resource):
    refer(world, resource)
    before = world.get(ROLLOUTS, "shop")
    assert world.run("undo", "shop") == 0
    found = referred(world, resource)
    assert found["spec"]["containers"][0]["image"] == "web:0"
    assert labels.POD_TEMPLATE_HASH not in found["metadata"]["labels"]
    assert world.get(ROLLOUTS, "shop") == before
    assert capsys.readouterr().out == "rollout 'shop' undo\n"


@pytest.mark.parametrize("command", [("set", "image", "shop", "main=web:2"), ("undo", "shop")])
def test_a_reference_to_something_without_a_template_is_told(world, capsys, command):
    refer(world, DEPLOYMENTS)
    ref = {"apiVersion": "v1", "kind": "Service", "name": "web"}
    patch = {"spec": {"workloadRef": ref}}
    asyncio.run(world.api.patch(ROLLOUTS, "shop", patch, "default"))
    assert world.run(*command) == 1
    assert "refers to a Service of v1" in capsys.readouterr().err


def test_set_image_of_a_workload_that_is_not_there(world, capsys):
    refer(world, DEPLOYMENTS)
    asyncio.run(world.api.delete(DEPLOYMENTS, "web", "default"))
    assert world.run("set", "image", "shop", "main=web:2") == 1
    assert capsys.readouterr().err == 'Error: deployments.apps "web" not found\n'


def test_set_image_survives_a_conflict(world, monkeypatch):
    world.rollout()
    update, failed = world.api.update, []

    async def busy(resource, body, namespace=None, **more):
        if not failed:
            failed.append(body)
            world.run_of(world.get(ROLLOUTS, "shop"), "noise", 1, phase="")
            await world.api.patch(resource, "shop", {"spec": {"replicas": 9}}, namespace)
        return await update(resource, body, namespace, **more)

    monkeypatch.setattr(world.api, "update", busy)
    assert world.run("set", "image", "shop", "main=shop:3") == 0
    spec = world.get(ROLLOUTS, "shop")["spec"]
    assert spec["replicas"] == 9
    assert spec["template"]["spec"]["containers"][0]["image"] == "shop:3"


@pytest.fixture
def history(world) -> World:
    shop = world.rollout()
    for number, (hash_, image) in enumerate(
        [("aaa", "shop:0"), ("ccc", "shop:1"), ("bbb", "shop:2")], start=1
    ):
        world.replica_set(shop, hash_, image, 0, **{labels.REVISION: str(number)})
    return world


def image_of(world: World) -> str:
    found = world.get(ROLLOUTS, "shop")["spec"]["template"]
    assert labels.POD_TEMPLATE_HASH not in found["metadata"]["labels"]
    return str(found["spec"]["containers"][0]["image"])


def test_undo_goes_back_by_one(history, capsys):
    assert history.run("undo", "shop") == 0
    assert image_of(history) == "shop:1"
    assert capsys.readouterr().out == "rollout 'shop' undo\n"


def test_undo_to_a_revision(history):
    assert history.run("undo", "shop", "--to-revision=1") == 0
    assert image_of(history) == "shop:0"


def test_undo_to_an_unknown_revision(history, capsys):
    assert history.run("undo", "shop", "--to-revision", "7") == 1
    assert capsys.readouterr().err == ("Error: unable to find specified revision 7 in history\n")


def test_undo_without_history(world, capsys):
    world.rollout()
    assert world.run("undo", "shop") == 1
    assert capsys.readouterr().err == 'Error: no revision found for rollout "shop"\n'


def test_undo_brings_back_what_the_user_wrote_and_nothing_the_controller_added(world):
    shop = world.rollout()
    own = {
        "labelSelector": {"matchLabels": {"app": "noisy"}},
        "topologyKey": "kubernetes.io/hostname",
    }
    injected = {
        "labelSelector": {
            "matchExpressions": [
                {"key": labels.POD_TEMPLATE_HASH, "operator": "In", "values": ["zzz"]}
            ]
        },
        "topologyKey": "kubernetes.io/hostname",
    }
    rules = {
        "requiredDuringSchedulingIgnoredDuringExecution": [own, injected],
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "podAffinityTerm": injected}
        ],
    }
    role = {labels.REVISION: "1", labels.EPHEMERAL_METADATA: '{"labels":{"role":"stable"}}'}
    old = world.replica_set(shop, "aaa", "shop:1", 0, **role)
    pods = old["spec"]["template"]
    pods["metadata"]["labels"]["role"] = "stable"
    pods["spec"]["affinity"] = {"podAntiAffinity": rules}
    written = template_of("shop", [old], 1)
    assert written["metadata"]["labels"] == {"app": "shop"}
    assert written["spec"]["affinity"] == {
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [own]}
    }
    del rules["requiredDuringSchedulingIgnoredDuringExecution"]
    assert "affinity" not in template_of("shop", [old], 1)["spec"]
    assert pods["metadata"]["labels"]["role"] == "stable"


def test_undo_to_what_runs_already_changes_nothing(history, capsys):
    before = history.get(ROLLOUTS, "shop")
    assert history.run("undo", "shop", "--to-revision=3") == 0
    assert capsys.readouterr().out == (
        "skipped rollback (current template already matches revision 3)\n"
    )
    assert history.get(ROLLOUTS, "shop") == before


def test_undo_of_a_referenced_deployment(history, capsys):
    history.put(
        DEPLOYMENTS,
        {
            "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": {"app": "shop"}},
                "template": template("shop", "shop:2"),
            },
        },
    )
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    shop = history.get(ROLLOUTS, "shop")
    del shop["spec"]["template"]
    shop["spec"]["workloadRef"] = ref
    info = history.cluster.server.info(ROLLOUTS.group, ROLLOUTS.version, ROLLOUTS.plural)
    history.cluster.server.update(info, "default", "shop", shop, Options())
    assert history.run("undo", "shop") == 0
    pods = history.get(DEPLOYMENTS, "web")["spec"]["template"]
    assert pods["spec"]["containers"][0]["image"] == "shop:1"
    assert labels.POD_TEMPLATE_HASH not in pods["metadata"]["labels"]
    assert "template" not in history.get(ROLLOUTS, "shop")["spec"]
