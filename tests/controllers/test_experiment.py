"""Whole Experiments in the embedded cluster: the real manager, caches and controllers around them."""

import asyncio

from analysis.times import parse_time
from rollouts.api.labels import INSTANCE_ID, POD_TEMPLATE_HASH
from rollouts.controllers.explain_experiment import explain_experiment
from rollouts.kube.api import Obj
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    ENDPOINT_SLICES,
    EXPERIMENTS,
    PODS,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
)
from tests.controllers.experiments_world import (
    ENDS,
    SHOP,
    Shop,
    analysis,
    experiment,
    metric,
    story,
    tried,
)

REQUIRED = {"requiredForCompletion": True}


def release(name: str) -> Obj:
    """A Rollout of two pods."""
    labels = {"app": "release"}
    template = {"metadata": {"labels": labels}, "spec": tried("a")["template"]["spec"]}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": template,
            "strategy": {"canary": {}},
        },
    }


@story()
async def test_pods_come_run_for_the_duration_and_go_after_the_delay(shop: Shop) -> None:
    await shop.apply(experiment("trial", tried("a", replicas=2), tried("b"), duration="2m"))
    running = await shop.until_phase("Running")
    began = parse_time(running["availableAt"])
    assert await shop.sizes() == {"trial-a": 2, "trial-b": 1}
    assert await shop.pods() == 3
    await shop.until_phase(*ENDS)
    assert began is not None
    assert 120 <= shop.clock.wall() - began <= 122
    await asyncio.sleep(25)
    assert await shop.pods() == 3
    await asyncio.sleep(15)
    assert await shop.pods() == 0
    status = await shop.status()
    assert status["phase"] == "Successful"
    assert [each["status"] for each in status["templateStatuses"]] == ["Successful"] * 2
    assert all("replicas" not in each for each in status["templateStatuses"])


@story()
async def test_what_is_told_is_told_once(shop: Shop) -> None:
    await shop.apply(experiment("trial", tried("a"), duration="10s", scaleDownDelaySeconds=0))
    await shop.until_phase(*ENDS)
    await asyncio.sleep(60)
    assert sorted(await shop.told("Experiment")) == sorted(
        [
            ("TemplateProgressing", "Template 'a' transitioned from  -> Progressing"),
            ("ExperimentPending", "Experiment transitioned from  -> Pending"),
            ("ScalingReplicaSet", "Scaled up ReplicaSet trial-a from 0 to 1"),
            ("TemplateRunning", "Template 'a' transitioned from Progressing -> Running"),
            ("ExperimentRunning", "Experiment transitioned from Pending -> Running"),
            ("TemplateSuccessful", "Template 'a' transitioned from Running -> Successful"),
            ("ExperimentSuccessful", "Experiment transitioned from Running -> Successful"),
            ("ScalingReplicaSet", "Scaled down ReplicaSet trial-a from 1 to 0"),
        ]
    )


@story()
async def test_a_service_reaches_the_pods_of_its_template_only(shop: Shop) -> None:
    await shop.apply(experiment("trial", tried("a", service={}), tried("b"), duration="1m"))
    await shop.until_phase("Running")
    await asyncio.sleep(5)
    (service,) = (await shop.all(SERVICES)).values()
    hashed = service["spec"]["selector"][POD_TEMPLATE_HASH]
    pods = {n for n, p in (await shop.all(PODS)).items() if n.startswith("trial-a-")}
    (ends,) = (await shop.all(ENDPOINT_SLICES)).values()
    assert {each["targetRef"]["name"] for each in ends["endpoints"]} == pods
    status = (await shop.status())["templateStatuses"][0]
    assert (status["serviceName"], status["podTemplateHash"]) == ("trial-a", hashed)
    await shop.until_phase(*ENDS)
    await asyncio.sleep(40)
    assert await shop.all(SERVICES) == {}


@story()
async def test_a_required_analysis_that_succeeds_ends_it(shop: Shop) -> None:
    await shop.apply(metric("check", count=3, interval="5s"), metric("watch", interval="5s"))
    asked = [analysis("check", **REQUIRED), analysis("watch")]
    await shop.apply(experiment(analyses=asked, scaleDownDelaySeconds=0))
    status = await shop.until_phase(*ENDS)
    assert (status["phase"], status["message"]) == (
        "Successful",
        "Required AnalysisRuns completed",
    )
    await asyncio.sleep(10)
    assert await shop.runs() == {"trial-check": "Successful", "trial-watch": "Successful"}
    assert await shop.pods() == 0


@story()
async def test_a_bad_verdict_ends_it_and_is_told_to_the_rollout_above(shop: Shop) -> None:
    await shop.apply(metric("watch", interval="5s"))
    above = (await shop.api.create(ROLLOUTS, release("shop"), SHOP))["metadata"]["uid"]
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "shop"}
    body = experiment(analyses=[analysis("watch")], scaleDownDelaySeconds=0)
    body["metadata"]["ownerReferences"] = [{**owner, "uid": above, "controller": True}]
    await shop.api.create(EXPERIMENTS, body, SHOP)
    await shop.until(lambda s: [r["phase"] for r in s.get("analysisRuns", ())] == ["Running"])
    shop.answers.good = False
    await shop.until_phase("Failed")
    told = [each for each in await shop.told("Rollout") if "AnalysisRun" in each[0]]
    assert ("AnalysisRunFailed", "AnalysisRun 'watch' transitioned from Running -> Failed") in told
    ours = [each for each in await shop.told("Experiment") if "AnalysisRun" in each[0]]
    assert sorted(told) == sorted(ours)


@story()
async def test_pods_that_never_come_fail_it_at_the_deadline(shop: Shop) -> None:
    broken = tried("b")
    broken["template"]["metadata"]["annotations"] = {"sandbox.rollouts/ready-after": "1h"}
    await shop.apply(experiment("trial", tried("a"), broken, progressDeadlineSeconds=30))
    began = shop.clock.monotonic()
    status = await shop.until_phase(*ENDS)
    assert status["phase"] == "Failed"
    assert 30 <= shop.clock.monotonic() - began <= 33
    assert "exceeded its progressDeadlineSeconds (30)" in status["message"]


@story()
async def test_terminated_it_ends_and_its_runs_are_stopped(shop: Shop) -> None:
    await shop.apply(metric("watch", interval="5s"))
    await shop.apply(experiment(analyses=[analysis("watch")], scaleDownDelaySeconds=0))
    await shop.until_phase("Running")
    await asyncio.sleep(20)
    await shop.patch({"spec": {"terminate": True}})
    await shop.until_phase("Successful")
    await asyncio.sleep(10)
    assert await shop.runs() == {"trial-watch": "Successful"}
    assert (await shop.all(ANALYSIS_RUNS))["trial-watch"]["spec"]["terminate"] is True
    assert await shop.pods() == 0


@story()
async def test_terminated_with_an_unfinished_required_analysis_it_does_not_hang(
    shop: Shop,
) -> None:
    await shop.apply(metric("watch", interval="5s"))
    await shop.apply(experiment(analyses=[analysis("watch", **REQUIRED)]))
    await shop.until(lambda s: [r["phase"] for r in s.get("analysisRuns", ())] == ["Running"])
    await shop.patch({"spec": {"terminate": True}})
    status = await shop.until_phase(*ENDS)
    assert status["phase"] == "Inconclusive"


@story()
async def test_a_retry_runs_everything_again(shop: Shop) -> None:
    await shop.apply(metric("check", count=2, interval="5s"))
    await shop.apply(experiment(analyses=[analysis("check", **REQUIRED)]))
    await shop.until_phase("Running")
    shop.answers.good = False
    await shop.until_phase("Failed")
    shop.answers.good = True
    await shop.patch({"status": None})
    await shop.until_phase("Successful")
    assert await shop.runs() == {"trial-check": "Failed", "trial-check.1": "Successful"}


@story()
async def test_deleted_all_that_is_its_own_goes_with_it(shop: Shop) -> None:
    await shop.apply(metric("watch", interval="5s"))
    await shop.apply(experiment("trial", tried("a", service={}), analyses=[analysis("watch")]))
    await shop.until_phase("Running")
    await asyncio.sleep(10)
    await shop.api.delete(EXPERIMENTS, "trial", SHOP)
    await asyncio.sleep(60)
    for resource in (REPLICA_SETS, PODS, SERVICES, ANALYSIS_RUNS):
        assert await shop.all(resource) == {}
    assert 'experiment_info{name="trial"' not in shop.metrics.text().decode()


@story()
async def test_left_behind_its_pods_serve_the_next_one_of_its_name(shop: Shop) -> None:
    await shop.apply(experiment("trial", tried("a", service={}), duration="1h"))
    await shop.until_phase("Running")
    await asyncio.sleep(5)
    before = set(await shop.all(PODS))
    await shop.api.delete(EXPERIMENTS, "trial", SHOP, propagation="Orphan")
    await asyncio.sleep(30)
    await shop.apply(experiment("trial", tried("a", service={}), duration="1h"))
    await shop.until_phase("Running")
    assert set(await shop.all(PODS)) == before
    uid = (await shop.get())["metadata"]["uid"]
    for resource in (REPLICA_SETS, SERVICES):
        (child,) = (await shop.all(resource)).values()
        assert [each["uid"] for each in child["metadata"]["ownerReferences"]] == [uid]


@story()
async def test_left_behind_its_pods_are_no_revision_of_a_rollout(shop: Shop) -> None:
    body = release("shop")
    body["spec"]["selector"]["matchLabels"] = {"app": "shop"}
    body["spec"]["template"]["metadata"]["labels"] = {"app": "shop"}
    await shop.apply(experiment("trial", tried("a")))
    await shop.until_phase("Running")
    await shop.api.delete(EXPERIMENTS, "trial", SHOP, propagation="Orphan")
    await asyncio.sleep(30)
    await shop.api.create(ROLLOUTS, body, SHOP)
    await asyncio.sleep(30)
    assert (await shop.api.get(ROLLOUTS, "shop", SHOP))["status"]["phase"] == "Healthy"
    assert (await shop.sizes())["trial-a"] == 1
    assert not (await shop.all(REPLICA_SETS))["trial-a"]["metadata"].get("ownerReferences")


@story()
async def test_a_name_that_somebody_else_has_is_said_and_left_alone(shop: Shop) -> None:
    labels = {"app": "other"}
    pods = {"metadata": {"labels": labels}, "spec": tried("a")["template"]["spec"]}
    other = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "trial-a"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pods},
    }
    await shop.apply(other)
    await asyncio.sleep(5)
    await shop.apply(experiment())
    status = await shop.until_phase(*ENDS)
    assert status["phase"] == "Error"
    assert status["templateStatuses"][0]["status"] == "Error"
    assert 'ReplicaSet "trial-a" exists and belongs to somebody else' in status["message"]
    await asyncio.sleep(60)
    assert (await shop.sizes())["trial-a"] == 1
    assert "ownerReferences" not in (await shop.all(REPLICA_SETS))["trial-a"]["metadata"]


@story()
async def test_what_the_server_will_never_take_is_an_error_with_its_words(shop: Shop) -> None:
    bad = tried("a", service={"name": "Not_A_Name"})
    await shop.apply(experiment("trial", bad))
    status = await shop.until_phase(*ENDS)
    assert status["phase"] == "Error"
    assert status["message"].startswith("Failed to create Service Not_A_Name: ")


@story()
async def test_templates_applied_after_it_are_waited_for(shop: Shop) -> None:
    await shop.apply(experiment(analyses=[analysis("check", **REQUIRED)]))
    await asyncio.sleep(5)
    assert await shop.sizes() == {}
    await shop.apply(metric("check", count=2, interval="5s"))
    await shop.until_phase("Successful")


@story()
async def test_templates_that_do_not_come_are_an_error(shop: Shop) -> None:
    await shop.apply(experiment(analyses=[analysis("check")]))
    status = await shop.until_phase("Error")
    assert status["message"] == (
        "AnalysisTemplate verification failed for analysis 'check': "
        "AnalysisTemplate 'check' not found"
    )
    assert await shop.sizes() == {}


@story()
async def test_a_template_the_cache_does_not_know_yet_is_not_missing(shop: Shop) -> None:
    shop.seen.hidden.add("check")
    await shop.apply(metric("check", count=2, interval="5s"))
    await shop.apply(experiment(analyses=[analysis("check", **REQUIRED)]))
    await shop.until_phase("Successful", "Error")
    assert (await shop.status())["phase"] == "Successful"


@story()
async def test_a_template_removed_while_pods_come_is_an_error(shop: Shop) -> None:
    await shop.apply(metric("check"))
    slow = tried("a", minReadySeconds=30)
    await shop.apply(experiment("trial", slow, analyses=[analysis("check")]))
    await asyncio.sleep(15)
    await shop.api.delete(ANALYSIS_TEMPLATES, "check", SHOP)
    assert (await shop.until_phase(*ENDS))["phase"] == "Error"


@story()
async def test_a_run_somebody_deletes_is_an_error(shop: Shop) -> None:
    await shop.apply(metric("watch", interval="5s"))
    await shop.apply(experiment(analyses=[analysis("watch")]))
    await shop.until(lambda s: [r["phase"] for r in s.get("analysisRuns", ())] == ["Running"])
    await shop.api.delete(ANALYSIS_RUNS, "trial-watch", SHOP)
    status = await shop.until_phase(*ENDS)
    assert (status["phase"], status["message"]) == (
        "Error",
        "AnalysisRun trial-watch does not exist any more",
    )


@story()
async def test_a_run_the_cache_does_not_know_is_not_gone(shop: Shop) -> None:
    await shop.apply(metric("watch", interval="5s"))
    await shop.apply(experiment(analyses=[analysis("watch")]))
    await shop.until(lambda s: [r["phase"] for r in s.get("analysisRuns", ())] == ["Running"])
    await shop.kill_controller()
    shop.seen.hidden.add("trial-watch")
    shop.start_controller()
    await asyncio.sleep(60)
    assert (await shop.status())["phase"] == "Running"
    assert list(await shop.runs()) == ["trial-watch"]


@story()
async def test_a_spec_that_makes_no_sense_is_said_and_heals(shop: Shop) -> None:
    await shop.apply(experiment(duration="soon"))
    status = await shop.until(lambda s: bool(s.get("conditions")))
    assert status["conditions"][0]["type"] == "InvalidExperimentSpec"
    await shop.patch({"spec": {"duration": "10s"}})
    await shop.until_phase("Successful")


@story()
async def test_at_rest_nothing_is_written_for_a_day(shop: Shop) -> None:
    await shop.apply(experiment("short", tried("a", service={}), duration="1m"))
    await shop.apply(experiment("endless", tried("b", service={})))
    await shop.until_phase("Successful", name="short")
    await asyncio.sleep(120)
    before = len(shop.seen.writes)
    await asyncio.sleep(24 * 3600)
    assert shop.seen.writes[before:] == []
    assert (await shop.status("endless"))["phase"] == "Running"


@story()
async def test_many_pods_are_counted_once_a_second(shop: Shop) -> None:
    await shop.apply(experiment("trial", tried("a", replicas=40), duration="1m"))
    began = shop.clock.monotonic()
    await shop.until_phase("Running")
    statuses = shop.seen.writes.count(("patch", "experiments"))
    assert statuses <= 4 + (shop.clock.monotonic() - began)
    await asyncio.sleep(5)
    assert (await shop.status())["templateStatuses"][0]["availableReplicas"] == 40


@story()
async def test_a_whole_experiment_costs_a_known_number_of_writes(shop: Shop) -> None:
    await shop.apply(metric("check", count=1))
    asked = [analysis("check", **REQUIRED)]
    await shop.apply(experiment("trial", tried("a", service={}), analyses=asked))
    await shop.until_phase("Successful")
    await asyncio.sleep(120)
    ours = [each for each in shop.seen.writes if each[1] != "analysisruns"]
    statuses = ours.count(("patch", "experiments"))
    assert statuses <= 9
    rest = [each for each in ours if each != ("patch", "experiments")]
    assert sorted(rest) == [
        ("create", "replicasets"),
        ("create", "services"),
        ("delete", "services"),
        ("patch", "replicasets"),  # scaled up
        ("patch", "replicasets"),  # the deadline
        ("patch", "replicasets"),  # scaled down
    ]


@story(instance_id="blue")
async def test_an_instance_leaves_the_experiments_of_others_alone(shop: Shop) -> None:
    mine = experiment("mine", duration="10s")
    mine["metadata"]["labels"] = {INSTANCE_ID: "blue"}
    await shop.apply(mine, experiment("theirs", duration="10s"))
    await shop.until_phase("Successful", name="mine")
    assert await shop.status("theirs") == {}


@story()
async def test_metrics_tell_the_phase(shop: Shop) -> None:
    await shop.apply(experiment(duration="1m"))
    await shop.until_phase("Running")
    await asyncio.sleep(5)
    lines = shop.metrics.text().decode().splitlines()
    at = 'name="trial",namespace="default"'
    assert f'experiment_info{{{at},phase="Running"}} 1.0' in lines
    assert f'experiment_phase{{{at},phase="Running"}} 1.0' in lines
    assert f'experiment_phase{{{at},phase="Pending"}} 0.0' in lines
    assert not [line for line in lines if line.startswith("experiment_phase") and "Failed" in line]
    assert [line for line in lines if line.startswith(f"experiment_reconcile_count{{{at}}}")]


@story()
async def test_why_is_answered_from_outside_as_the_controller_would(shop: Shop) -> None:
    await shop.apply(metric("watch", interval="5s"))
    slow = tried("b")
    slow["template"]["metadata"]["annotations"] = {"sandbox.rollouts/ready-after": "30s"}
    templates = (tried("a", service={}), slow)
    await shop.apply(experiment("trial", *templates, analyses=[analysis("watch")], duration="1m"))
    await asyncio.sleep(10)

    async def why() -> tuple[str, list[str]]:
        phase, _, found = await explain_experiment(shop.api, SHOP, "trial", shop.clock.wall())
        return phase, [each.code for each in found]

    assert await why() == ("Pending", ["PodsNotAvailable"])
    await asyncio.sleep(30)
    assert await why() == ("Running", ["AnalysisRunning", "DurationRunning"])
    await asyncio.sleep(60)
    assert await why() == ("Successful", ["ScaleDownDelay", "ScaleDownDelay"])
    await asyncio.sleep(60)
    assert await why() == ("Successful", ["Completed"])


@story()
async def test_a_controller_that_is_killed_goes_on_where_it_was(shop: Shop) -> None:
    await shop.apply(metric("check", count=4, interval="5s"))
    asked = [analysis("check", **REQUIRED)]
    await shop.apply(experiment("trial", tried("a", service={}), analyses=asked))
    for _ in range(40):
        await asyncio.sleep(1.7)
        await shop.kill_controller()
        await asyncio.sleep(0.4)
        shop.start_controller()
    status = await shop.until_phase(*ENDS)
    assert status["phase"] == "Successful"
    assert await shop.runs() == {"trial-check": "Successful"}
    await asyncio.sleep(60)
    assert (await shop.pods(), await shop.all(SERVICES)) == (0, {})


@story()
async def test_a_rollout_of_the_same_name_is_another_owner(shop: Shop) -> None:
    await shop.api.create(ROLLOUTS, release("trial"), SHOP)
    await shop.apply(experiment(duration="20s", scaleDownDelaySeconds=0))
    await shop.until_phase("Successful")
    await asyncio.sleep(20)
    assert (await shop.api.get(ROLLOUTS, "trial", SHOP))["status"]["phase"] == "Healthy"
    assert await shop.pods() == 2
