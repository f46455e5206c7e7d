"""One cluster with one user in it, as a scenario sees them.

Owns what a user does (the patches the command line sends), what the user's metrics answer, and
waiting for something to become true of a Rollout. Commands are carried out at once, so that they
can be put between any two requests of a controller. Used by ``scenarios`` and ``runner``.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson

from analysis.providers.http import HttpClient, Request, Response
from rollouts.kube.api import Obj, PatchType
from rollouts.kube.resources import (
    ANALYSIS_TEMPLATES,
    CONFIG_MAPS,
    EXPERIMENTS,
    ROLLOUTS,
    SERVICES,
    Resource,
)
from rollouts.runtime.clock import Clock
from rollouts.sandbox.apiserver import ApiServer
from rollouts.sandbox.options import DeleteOptions, Options
from rollouts.simulate.actors import USER, acting_as
from rollouts.simulate.ledger import Ledger, status_of

NAMESPACE: Final = "default"
NAME: Final = "app"
_KINDS: Final = {
    each.kind: each for each in (ROLLOUTS, EXPERIMENTS, SERVICES, ANALYSIS_TEMPLATES, CONFIG_MAPS)
}
_LOOK_SECONDS: Final = 0.25
_PATIENCE_SECONDS: Final = 3600.0
_REST_SECONDS: Final = 60.0  # longer than any delay in the scenarios, and than a watch's bookmarks


class NotReached(Exception):
    """What a scenario waits for never came; the message shows the Rollout's status."""


class Metrics(HttpClient):
    """Answers every metric with ``{"ok": good}``; a scenario turns ``good`` round."""

    def __init__(self) -> None:
        super().__init__()
        self.good = True
        self.asked = 0

    async def send(self, request: Request) -> Response:
        self.asked += 1
        return Response(200, orjson.dumps({"ok": self.good, "url": request.url}))


class Stage:
    """``ledger`` and ``asked_at`` (when anything was last asked for, in seconds) tell when the
    controllers have come to rest.
    """

    def __init__(
        self, server: ApiServer, clock: Clock, ledger: Ledger, asked_at: Callable[[], float]
    ) -> None:
        self.metrics = Metrics()
        self.clock = clock
        self.commands: list[tuple[str, Obj]] = []
        self._server = server
        self._ledger = ledger
        self._asked_at = asked_at

    # --- what a user does

    def apply(self, *objects: Obj) -> None:
        """Create objects."""
        with acting_as(USER):
            for obj in objects:
                resource = _KINDS[obj["kind"]]
                info = self._server.info(resource.group, resource.version, resource.plural)
                self._server.create(info, NAMESPACE, obj, Options())

    def command(self, text: str) -> None:
        """Carry out one of COMMANDS at once; ``name`` or ``name=argument``."""
        name, _, argument = text.partition("=")
        patch = COMMANDS[name](argument)
        self.commands.append((text, status_of(self.rollout)))
        with acting_as(USER):
            if name in _ON_EXPERIMENTS:
                self._patch(EXPERIMENTS, patch, "")
            else:
                self._patch(ROLLOUTS, patch, "status" if "status" in patch else "")

    def delete(self, resource: Resource, name: str) -> None:
        with acting_as(USER):
            info = self._server.info(resource.group, resource.version, resource.plural)
            self._server.delete(info, NAMESPACE, name, DeleteOptions(), Options())

    def _patch(self, resource: Resource, patch: Obj, subresource: str) -> None:
        info = self._server.info(resource.group, resource.version, resource.plural)
        if not any(each["metadata"]["name"] == NAME for each in self._ledger.all(resource)):
            return
        self._server.patch(
            info, NAMESPACE, NAME, patch, PatchType.MERGE, Options(), subresource=subresource
        )

    # --- what a user sees

    @property
    def rollout(self) -> Obj:
        info = self._server.info(ROLLOUTS.group, ROLLOUTS.version, ROLLOUTS.plural)
        return self._server.get(info, NAMESPACE, NAME)

    @property
    def experiment(self) -> Obj:
        """The Experiment of that name."""
        info = self._server.info(EXPERIMENTS.group, EXPERIMENTS.version, EXPERIMENTS.plural)
        return self._server.get(info, NAMESPACE, NAME)

    async def until_experiment(self, *phases: str) -> Obj:
        """Wait until the Experiment is in one of ``phases``. Raises NotReached after an hour."""
        deadline = self.clock.monotonic() + _PATIENCE_SECONDS
        while status_of(self.experiment).get("phase") not in phases:
            if self.clock.monotonic() > deadline:
                text = orjson.dumps(status_of(self.experiment)).decode()
                raise NotReached(f"the Experiment is never {' or '.join(phases)}: {text}")
            await asyncio.sleep(_LOOK_SECONDS)
        return status_of(self.experiment)

    async def until(self, true: Callable[[Obj], bool], what: str) -> Obj:
        """Wait until something is true of the status, once it speaks of the current spec.

        Raises NotReached after an hour.
        """
        deadline = self.clock.monotonic() + _PATIENCE_SECONDS
        while True:
            found = self.rollout
            status = status_of(found)
            current = str(found["metadata"]["generation"])
            if str(status.get("observedGeneration")) == current and true(status):
                return status
            if self.clock.monotonic() > deadline:
                raise NotReached(f"{what}: {orjson.dumps(status).decode()}")
            await asyncio.sleep(_LOOK_SECONDS)

    async def until_phase(self, *phases: str) -> Obj:
        return await self.until(lambda s: s.get("phase") in phases, f"never {' or '.join(phases)}")

    async def until_paused_at(self, step: int) -> Obj:
        return await self.until(
            lambda s: bool(s.get("pauseConditions")) and s.get("currentStepIndex") == step,
            f"never paused at step {step}",
        )

    async def rest(self) -> None:
        """Wait until no controller has asked for anything for a minute. Raises NotReached."""
        deadline = self.clock.monotonic() + _PATIENCE_SECONDS
        while self.clock.monotonic() < deadline:
            left = self._asked_at() + _REST_SECONDS - self.clock.wall()
            if left <= 0:
                return
            await asyncio.sleep(left)
        raise NotReached("the controllers never come to rest")


def _image(version: str) -> Obj:
    containers = [{"name": "app", "image": f"app:{version}"}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


COMMANDS: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "image": _image,
    "scale": lambda count: {"spec": {"replicas": int(count)}},
    "promote": lambda _: {"status": {"pauseConditions": None}},
    "promote-full": lambda _: {"status": {"promoteFull": True}},
    "abort": lambda _: {"status": {"abort": True}},
    "retry": lambda _: {"status": {"abort": False}},
    "restart": lambda at: {"spec": {"restartAt": at}},
    "pause": lambda _: {"spec": {"paused": True}},
    "resume": lambda _: {"spec": {"paused": False}},
    "terminate": lambda _: {"spec": {"terminate": True}},
    "try-again": lambda _: {"status": None},
}
_ON_EXPERIMENTS: Final = frozenset({"terminate", "try-again"})
