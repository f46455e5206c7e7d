"""The demo tells what the cluster says, and says so when it is not what was promised."""

import asyncio
import random
from contextlib import asynccontextmanager

import pytest

from analysis.decode import decode
from analysis.spec import TemplateSpec
from rollouts.api.rollout import Rollout
from rollouts.api.validation import validate
from rollouts.kube.resources import ANALYSIS_RUNS, REPLICA_SETS, ROLLOUTS, SERVICES
from rollouts.sandbox.cluster import Cluster
from rollouts.sandbox.demo.acts import Act, Outcome, Stage, bad_canary, blue_green, good_canary
from rollouts.sandbox.demo.load import Tally
from rollouts.sandbox.demo.narrate import Narrator, Tone, shown_value, step_line, traffic_line
from rollouts.sandbox.demo.story import NotReady, manifests, play, set_the_scene
from rollouts.sandbox.demo.view import ClusterView
from rollouts.simulate.loop import run_virtual, virtual_clock


def rollout(name, tag, **status):
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"namespace": "demo", "name": name, "uid": f"uid-{name}", "generation": 1},
        "spec": {"strategy": {"canary": {"steps": STEPS}}, "template": {"spec": _pod(tag)}},
        "status": {"observedGeneration": "1", **status},
    }


STEPS = [
    {"setWeight": 20},
    {"analysis": {"templates": [{"templateName": "success-rate"}]}},
    {"pause": {"duration": "2s"}},
    {"pause": {}},
]


def _pod(tag):
    return {"containers": [{"name": "colours", "image": f"demo/colours:{tag}"}]}


def replica_set(rollout_name, tag, replicas):
    labels = {"rollouts-pod-template-hash": f"hash-{tag}"}
    return {
        "metadata": {"namespace": "demo", "name": f"{rollout_name}-hash-{tag}", "labels": labels},
        "spec": {"template": {"spec": _pod(tag)}},
        "status": {"replicas": replicas},
    }


def run_of(rollout_name, tag, phase, *values):
    measurements = [
        {"phase": phase, "value": f"[{v}]", "startedAt": f"t{i}", "finishedAt": f"t{i}"}
        for i, v in enumerate(values)
    ]
    owner = {"uid": f"uid-{rollout_name}", "name": rollout_name, "controller": True}
    return {
        "metadata": {
            "namespace": "demo",
            "name": f"{rollout_name}-{tag}",
            "labels": {"rollouts-pod-template-hash": f"hash-{tag}"},
            "ownerReferences": [owner],
        },
        "spec": {"metrics": [{"name": "rate", "successCondition": "result[0] >= 0.95"}]},
        "status": {
            "phase": phase,
            "metricResults": [{"name": "rate", "phase": phase, "measurements": measurements}],
        },
    }


def service(name, tag):
    selector = {"rollouts-pod-template-hash": f"hash-{tag}"}
    return {"metadata": {"namespace": "demo", "name": name}, "spec": {"selector": selector}}


class Users:
    """A load whose answers all come from one version."""

    def __init__(self, version):
        self.version, self.tally = version, Tally()

    async def run(self):
        while True:
            self.tally.requests[self.version] += 1
            await asyncio.sleep(0.01)


class Script:
    """Stands for API server and controller: the patch of an act has these consequences."""

    def __init__(self, consequences=()):
        self.consequences, self.view, self.versions = consequences, None, 1

    async def patch(self, *_, **__):
        for kind, obj in self.consequences:
            self.put(kind, obj)

    def put(self, kind, obj):
        self.versions += 1
        metadata = obj["metadata"] | {"resourceVersion": str(self.versions)}
        self.view.store(kind).put(obj | {"metadata": metadata})


@asynccontextmanager
async def stage(api, users="green", before=(), said=None):
    view = ClusterView(api, virtual_clock(), random.Random(1), "demo")
    api.view = view
    for kind, obj in before:
        api.put(kind, obj)
    load = Users(users)
    using = asyncio.create_task(load.run())
    lines = said if said is not None else []
    try:
        loads = {"shop": load, "checkout": load}
        say = lambda text, tone: lines.append((text, tone))  # noqa: E731 - one line, used once
        yield Stage(api, view, loads, virtual_clock(), say, lambda _: None)
    finally:
        using.cancel()


BLUE_SHOP = (
    (ROLLOUTS, rollout("shop", "blue", phase="Healthy", stableRS="hash-blue")),
    (REPLICA_SETS, replica_set("shop", "blue", 5)),
    (SERVICES, service("checkout-active", "blue")),
)
PROMOTED = (
    (REPLICA_SETS, replica_set("shop", "green", 5)),
    (ANALYSIS_RUNS, run_of("shop", "green", "Successful", 0.9981234, 1)),
    (
        ROLLOUTS,
        rollout(
            "shop", "green", phase="Healthy", stableRS="hash-green", currentPodHash="hash-green"
        ),
    ),
)


def outcome(act, consequences, users="green", before=BLUE_SHOP) -> Outcome:
    async def story():
        async with stage(Script(consequences), users, before) as set_stage:
            return await act(set_stage)

    return run_virtual(story())


def test_a_promotion_with_its_measurements_is_as_told():
    found = outcome(good_canary, PROMOTED)
    assert found.problems == ()
    assert found.ended == "stable is green"
    assert found.evidence == ("rate [0.998], [1] (wanted result[0] >= 0.95)",)


def test_a_promotion_nobody_measured_is_not_as_told():
    found = outcome(good_canary, [each for each in PROMOTED if each[0] is not ANALYSIS_RUNS])
    assert found.problems == ("its analysis ended without a verdict, not Successful",)


def test_a_promotion_that_users_do_not_see_is_not_as_told():
    found = outcome(good_canary, PROMOTED, users="blue")
    assert found.problems == ("users are answered by blue, not green",)


def test_a_release_that_hangs_is_not_as_told_and_its_message_is_repeated():
    hanging = rollout(
        "shop", "green", phase="Progressing", message="more replicas need", stableRS="hash-blue"
    )
    found = outcome(good_canary, [(ROLLOUTS, hanging)], users="green")
    assert found.problems[0] == "after 30 s shop is Progressing, more replicas need"


def aborted(run_phase="Failed", left=0):
    gone = rollout(
        "shop", "red", phase="Degraded", abort=True, stableRS="hash-blue", currentPodHash="hash-red"
    )
    return (
        (REPLICA_SETS, replica_set("shop", "red", left)),
        (ANALYSIS_RUNS, run_of("shop", "red", run_phase, 0.81)),
        (ROLLOUTS, gone),
    )


def test_an_abort_is_as_told_when_the_metrics_demanded_it():
    found = outcome(bad_canary, aborted(), users="blue")
    assert found.problems == ()
    assert found.ended == "aborted, stable is still blue"


def test_an_abort_for_another_reason_is_not_as_told():
    assert outcome(bad_canary, aborted("Error"), users="blue").problems == (
        "its analysis ended ['Error'], not Failed",
    )


def test_an_abort_that_leaves_bad_pods_is_not_as_told():
    (problem,) = outcome(bad_canary, aborted(left=1), users="blue").problems
    assert problem.startswith("after 30 s shop is Degraded")


def test_a_switch_is_as_told_when_the_service_selects_the_new_version():
    done = rollout(
        "checkout", "green", phase="Healthy", stableRS="hash-green", currentPodHash="hash-green"
    )
    consequences = [
        (REPLICA_SETS, replica_set("checkout", "green", 2)),
        (ANALYSIS_RUNS, run_of("checkout", "green", "Successful", 1)),
        (REPLICA_SETS, replica_set("checkout", "blue", 0)),
        (SERVICES, service("checkout-active", "green")),
        (ROLLOUTS, done),
    ]
    assert outcome(blue_green, consequences).problems == ()
    left = [each for each in consequences if each[0] is not SERVICES]
    assert "after 30 s checkout is Healthy" in outcome(blue_green, left).problems


def test_each_act_is_counted_by_itself():
    async def quick(_: Stage) -> Outcome:
        await asyncio.sleep(1)
        return Outcome("done", (), ())

    async def story():
        async with stage(Script()) as set_stage:
            await asyncio.sleep(5)
            return await play(
                set_stage, [Act("one", "shop", "", quick), Act("two", "shop", "", quick)]
            )

    scenes = run_virtual(story())
    # The end of an act is noticed by a look every tenth of a second.
    assert [scene.seconds for scene in scenes] == pytest.approx([1, 1], abs=0.11)
    assert all(190 <= scene.requests <= 210 for scene in scenes)  # both Rollouts' users


def test_the_narrator_says_what_objects_say():
    said = []

    async def story():
        api = Script()
        async with stage(api, before=BLUE_SHOP, said=said) as set_stage:
            Narrator(set_stage.view, set_stage.say)
            said.clear()
            going = rollout(
                "shop", "green", phase="Progressing", currentStepIndex=1, stableRS="hash-blue"
            )
            api.put(ROLLOUTS, going)
            api.put(REPLICA_SETS, replica_set("shop", "green", 1))
            api.put(ANALYSIS_RUNS, run_of("shop", "green", "Running"))
            api.put(ANALYSIS_RUNS, run_of("shop", "green", "Failed", 0.81234))
            api.put(SERVICES, service("checkout-active", "green"))

    run_virtual(story())
    assert said == [
        ("shop: step 2/4: analysis success-rate", Tone.TELL),
        ("shop: Progressing", Tone.QUIET),
        ("shop: measured rate = [0.812]: Failed", Tone.BAD),
        ("analysis shop-green: Failed", Tone.BAD),
        ("Service checkout-active selects hash-green: blue → green", Tone.TELL),
    ]


@pytest.mark.parametrize(
    ("index", "line"),
    [
        (0, "step 1/4: set weight 20 %"),
        (2, "step 3/4: pause 2s"),
        (3, "step 4/4: pause until promoted"),
        (4, "all 4 steps done, the rest follows"),
    ],
)
def test_steps_in_words(index, line):
    assert step_line(rollout("shop", "blue", currentStepIndex=index)) == line


def test_traffic_and_values_in_words():
    tally = Tally()
    tally.requests.update({"blue": 3, "green": 1})
    tally.errors["green"] = 1
    assert traffic_line(tally) == "traffic: blue 75%, green 25%; errors 1/4"
    assert traffic_line(Tally()) == "traffic: none; errors 0/0"
    assert shown_value({"value": "[0.98765432,1]"}) == "[0.988,1]"


def test_the_demos_objects_are_valid():
    kinds = {}
    for obj in manifests("http://127.0.0.1:9", "http://127.0.0.1:8"):
        kinds.setdefault(obj["kind"], []).append(obj)
    for each in kinds["Rollout"]:
        assert validate(Rollout.decode(each)) is None
    for each in kinds["AnalysisTemplate"]:
        assert decode(TemplateSpec, each["spec"])[1] == ()
    assert len(kinds["Service"]) == 3


def test_a_cluster_without_a_controller_is_not_ready_and_says_so():
    async def story():
        clock, rng = virtual_clock(), random.Random(3)
        cluster = Cluster(clock, rng)
        await cluster.start()
        view = ClusterView(cluster.api, clock, rng, "default")
        watching = asyncio.create_task(view.run())
        set_stage = Stage(cluster.api, view, {}, clock, lambda *_: None, lambda _: None)

        try:
            with pytest.raises(NotReady, match="did not become healthy"):
                await set_the_scene(set_stage, manifests("http://p", "http://q"))
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await cluster.stop()

    run_virtual(story())
