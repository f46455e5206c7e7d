"""ReplicaSets: as many pods as wanted, the right ones given up, an honest status."""

from rollouts.kube.resources import PODS, REPLICA_SETS
from rollouts.sandbox.controllers.objects import controller_uid, is_true, meta, spec, status, uid
from tests.sandbox.controllers_world import NS, replica_set, template, virtual, world


@virtual
async def test_a_replica_set_gets_ready_pods() -> None:
    async with world() as w:
        await w.create(REPLICA_SETS, replica_set(replicas=3))
        await w.settle()
        pods = await w.ready_pods("app=web")
        assert len(pods) == 3
        assert all(meta(pod)["name"].startswith("web-") for pod in pods)
        assert len({status(pod)["podIP"] for pod in pods}) == 3
        seen = status(await w.get(REPLICA_SETS, "web"))
        assert [
            seen[name]
            for name in (
                "replicas",
                "fullyLabeledReplicas",
                "readyReplicas",
                "availableReplicas",
                "observedGeneration",
            )
        ] == [3, 3, 3, 3, 1]
        assert (await w.reasons("web")).count("SuccessfulCreate") == 3
