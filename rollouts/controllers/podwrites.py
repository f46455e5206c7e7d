"""Requests about single pods, which may be refused without harm.

Owns evictions and patches of live pods: what a refusal means, and that one pod's refusal stops
nothing else. Whether to ask again is the planner's business. One per plan; used by the executor.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from rollouts.api.reasons import EventReason
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import ApiError, Unauthorized, Unreachable
from rollouts.kube.guard import NotLeader
from rollouts.kube.queue import Key
from rollouts.kube.writes import WriteLog
from rollouts.planner.plan import Verb, Write

_AT_ONCE: Final = 10  # requests under way at the same time
_GONE: Final = (404, 409)  # the pod, or the one by that uid: nothing to tell anybody
_log = structlog.get_logger("rollout")


class PodWrites:
    """The optional writes of one plan; events about them are ``owner``'s."""

    def __init__(
        self,
        api: KubeApi,
        log: WriteLog,
        record: Callable[[Obj, str, str, str], None],
        owner: Obj,
    ) -> None:
        self._api = api
        self._written = log
        self._record = record
        self._raw = owner
        self._uid = str(owner["metadata"].get("uid", ""))
        self._owner = Key(owner["metadata"].get("namespace", ""), owner["metadata"]["name"])
        self._refused = 0

    async def send(self, writes: Sequence[Write]) -> None:
        """Evict one after the other; patch several at a time.

        Raises the ApiError that concerns more than one pod: no answer, no credentials, no lease.
        """
        patches = [write for write in writes if write.verb is not Verb.EVICT]
        for at in range(0, len(patches), _AT_ONCE):
            some = (self._patch(write) for write in patches[at : at + _AT_ONCE])
            for outcome in await asyncio.gather(*some, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome
        for write in writes:
            if write.verb is Verb.EVICT and (self._refused or not write.instead):
                await self._evict(write)

    async def _evict(self, write: Write) -> None:
        body: Obj = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": write.name, "namespace": self._owner.namespace},
            "deleteOptions": {"preconditions": {"uid": write.uid}},
        }
        try:
            await self._api.create(
                write.resource,
                body,
                self._owner.namespace,
                name=write.name,
                subresource="eviction",
            )
        except ApiError as error:
            self._survive(write, error)
            if error.code not in _GONE:
                self._refused += not write.instead
            return
        self._refused -= write.instead
        meta = {"namespace": self._owner.namespace, "name": write.name, "uid": write.uid}
        self._written.deleted(self._owner, self._uid, write.resource, {"metadata": meta})

    async def _patch(self, write: Write) -> None:
        metadata = {**write.body["metadata"], "uid": write.uid}
        try:
            written = await self._api.patch(
                write.resource, write.name, {"metadata": metadata}, self._owner.namespace
            )
        except ApiError as error:
            self._survive(write, error)
            return
        self._written.wrote(self._owner, self._uid, write.resource, written)

    def _survive(self, write: Write, error: ApiError) -> None:
        """Say what a refusal means for this pod; raise what is no refusal."""
        if isinstance(error, Unreachable | Unauthorized | NotLeader):
            raise error
        if error.code in _GONE:
            return
        _log.warning("refused", verb=write.verb, pod=write.name, reason=error.message)
        if write.verb is Verb.EVICT:
            message = f"Pod {write.name} is not evicted yet: {error.message}"
            self._record(self._raw, "Warning", EventReason.EVICTION_REFUSED, message)
