"""One leader at a time.

Owns the rule (``decide``, pure) and the loop that follows it on a Lease object. Expiry is judged by
our own monotonic clock since we last saw the record change, never by times written by others. The
moment of a renewal is taken before its request is sent, so we stop believing in our lease before
anybody else may. ``leading`` is the dead-man check: it becomes false by the clock alone, even when
this loop is stuck. Used by the manager; writes go through ``GuardedApi``.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from analysis.times import format_micro_time
from rollouts.kube.api import KubeApi, Obj
from rollouts.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from rollouts.kube.resources import LEASES
from rollouts.runtime.clock import Clock

LEASE_NAME: Final = "argo-rollouts-controller-lock"

_log = structlog.get_logger("kube.lease")


class LeaseLost(Exception):
    """We led and do so no longer: the process must end, its successor may be at work already."""


class Action(StrEnum):
    """What a candidate does next."""

    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"
    WAIT = "wait"
    STEP_DOWN = "step down"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. ``duration`` is how long others wait after a renewal, ``deadline`` how long we trust
    ours, ``retry`` how often to look; each must be smaller than the one before.
    """

    duration: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not self.duration > self.deadline > self.retry > 0:
            raise ValueError("a lease needs duration > renew deadline > retry period > 0 seconds")


@dataclass(frozen=True, slots=True)
class Seen:
    """The record as last read: who holds it, and since when (monotonic) it is unchanged."""

    holder: str
    duration: float
    since: float


def decide(
    me: str, seen: Seen | None, now: float, renewed_at: float | None, timing: Timing
) -> Action:
    """The rule. ``seen`` None: there is no Lease. ``renewed_at`` None: we are not leading."""
    if renewed_at is not None:
        if now - renewed_at >= timing.deadline:
            return Action.STEP_DOWN
        if seen is None:
            return Action.CREATE
        return Action.RENEW if seen.holder == me else Action.STEP_DOWN
    if seen is None:
        return Action.CREATE
    if seen.holder in ("", me):
        return Action.TAKE
    return Action.TAKE if now - seen.since >= seen.duration else Action.WAIT


def lease_name(instance_id: str = "") -> str:
    """Controllers with different instance ids lead side by side."""
    return f"{LEASE_NAME}-{instance_id}" if instance_id else LEASE_NAME


class Election:
    """A candidate. ``identity`` must be unique among processes, as ``<hostname>_<uuid>`` is."""

    def __init__(
        self,
        api: KubeApi,
        clock: Clock,
        identity: str,
        namespace: str,
        *,
        name: str = LEASE_NAME,
        timing: Timing | None = None,
    ) -> None:
        self.identity: Final = identity
        self._api = api
        self._clock = clock
        self._namespace = namespace
        self._name = name
        self._timing = timing or Timing()
        self._lease: Obj | None = None
        self._since = 0.0
        self._renewed_at: float | None = None
        self._acquired = asyncio.Event()

    def leading(self) -> bool:
        """Whether we may write right now."""
        return self.remaining() > 0

    def remaining(self) -> float:
        """Seconds for which we may go on writing if no renewal succeeds; 0 when not leading."""
        if self._renewed_at is None:
            return 0.0
        return max(0.0, self._renewed_at + self._timing.deadline - self._clock.monotonic())

    async def acquired(self) -> None:
        """Returns once we lead."""
        await self._acquired.wait()

    async def run(self) -> None:
        """Compete and renew for ever. Raises LeaseLost when we led and no longer may."""
        fresh = False  # whether self._lease is what the server has, as far as we know
        while True:
            try:
                async with asyncio.timeout(self._timing.retry * 0.9):
                    if not fresh or self._renewed_at is None:
                        await self._look()
                    fresh = False
                    await self._act()
                    fresh = True
            except (TimeoutError, ApiError) as error:
                _log.info("lease request failed", error=str(error) or "no answer in time")
            if self._renewed_at is not None and not self.leading():
                raise LeaseLost(f"lease {self._name} was not renewed in time")
            await asyncio.sleep(self._timing.retry)

    async def release(self) -> None:
        """Let the next candidate take over at once. Call it when all work has ended."""
        leading, self._renewed_at = self.leading(), None
        if not leading or self._lease is None:
            return
        record = {**self._lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        record["renewTime"] = format_micro_time(self._clock.wall())
        try:
            async with asyncio.timeout(self._timing.retry):
                await self._api.update(LEASES, {**self._lease, "spec": record}, self._namespace)
        except (TimeoutError, ApiError) as error:
            _log.warning("lease not released, it will expire", error=str(error))

    async def _look(self) -> None:
        try:
            self._remember(await self._api.get(LEASES, self._name, self._namespace))
        except NotFound:
            self._lease = None

    def _remember(self, lease: Obj) -> None:
        if self._lease is None or self._lease.get("spec") != lease.get("spec"):
            self._since = self._clock.monotonic()
        self._lease = lease

    def _seen(self) -> Seen | None:
        if self._lease is None:
            return None
        spec = self._lease.get("spec") or {}
        duration = spec.get("leaseDurationSeconds") or self._timing.duration
        return Seen(spec.get("holderIdentity") or "", float(duration), self._since)

    async def _act(self) -> None:
        now = self._clock.monotonic()
        action = decide(self.identity, self._seen(), now, self._renewed_at, self._timing)
        match action:
            case Action.WAIT:
                return
            case Action.STEP_DOWN:
                raise LeaseLost(f"lease {self._name} is held by somebody else, or too old")
            case Action.CREATE | Action.TAKE | Action.RENEW:
                await self._write(action, now)

    async def _write(self, action: Action, now: float) -> None:
        try:
            if action is Action.CREATE:
                metadata = {"name": self._name, "namespace": self._namespace}
                kind = {"apiVersion": LEASES.api_version, "kind": LEASES.kind}
                lease = {**kind, "metadata": metadata, "spec": self._record(0)}
                self._remember(await self._api.create(LEASES, lease, self._namespace))
            elif self._lease is not None:
                lease = {**self._lease, "spec": self._record()}
                self._remember(await self._api.update(LEASES, lease, self._namespace))
        except (AlreadyExists, Conflict):
            await self._look()  # somebody was faster, or our last answer was lost
            return
        if self._renewed_at is None:
            _log.info("leading", identity=self.identity, lease=self._name)
        self._renewed_at = now
        self._acquired.set()

    def _record(self, transitions: int | None = None) -> Obj:
        wall = format_micro_time(self._clock.wall())
        old = (self._lease or {}).get("spec") or {}
        if transitions is None and old.get("holderIdentity") == self.identity:
            return {**old, "renewTime": wall, "leaseDurationSeconds": round(self._timing.duration)}
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": round(self._timing.duration),
            "acquireTime": wall,
            "renewTime": wall,
            "leaseTransitions": (old.get("leaseTransitions") or 0) + 1 if old else 0,
        }
