"""A server that does not take the new ReplicaSet: said once, tried slowly, and forgotten later."""

import asyncio
from typing import Any

from rollouts.controllers.explain import explain
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import Forbidden
from rollouts.kube.resources import EVENTS, REPLICA_SETS, ROLLOUTS, Resource
from rollouts.simulate.loop import virtual_clock
from tests.controllers.test_takeover import play, put, running, set_image, settings, status_of


class Policy:
    """A KubeApi whose server takes no new ReplicaSets as long as it is ``strict``."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self.strict = True
        self.refused = 0

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._api, verb)

    async def create(self, resource: Resource, body: Obj, *given: Any, **more: Any) -> Obj:
        if resource == REPLICA_SETS and self.strict:
            self.refused += 1
            raise Forbidden('admission webhook "images" denied the request')
        return await self._api.create(resource, body, *given, **more)


def test_a_replica_set_that_a_policy_refuses():
    async def story(api: KubeApi) -> None:
        await put(api, "home", "canary-healthy", "shop")
        policy = Policy(api)
        async with running(policy, settings()):  # type: ignore[arg-type]
            await set_image(api, "home", "shop", "nginx:1.25-alpine")
            await asyncio.sleep(600)
            assert policy.refused < 40
            conditions = (await status_of(api, "home", "shop"))["conditions"]
            (told,) = [each for each in conditions if each["type"] == "Progressing"]
            assert told["reason"] == "ReplicaSetCreateError"
            assert told["message"].endswith("denied the request")
            _, _, why = await explain(api, "home", "shop", virtual_clock().wall())
            assert why[0].code == "ReplicaSetCreateError"
            found = (await api.list(EVENTS, "home"))["items"]
            (event,) = [each for each in found if each["reason"] == "ReplicaSetCreateError"]
            assert event["type"] == "Warning"
            policy.strict = False
            await asyncio.sleep(600)
            assert (await status_of(api, "home", "shop"))["phase"] == "Paused"
        rollout = await api.get(ROLLOUTS, "shop", "home")
        assert rollout["metadata"]["annotations"]["rollout.argoproj.io/revision"] == "2"

    play(story)
