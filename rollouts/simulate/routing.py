"""The rule for a router's shares, judged on the ConfigMap the in-memory router keeps.

Owns what a share needs in pods that can serve, from the objects alone: the weights the ConfigMap
says, the Services they go to, and the replicas wanted lately; of an Experiment's Service, that
there are pods at all. Used by ``invariants``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self, TypeAlias

from rollouts.api.canary import CanaryStrategy
from rollouts.api.rollout import Rollout
from rollouts.kube.api import Obj
from rollouts.kube.resources import CONFIG_MAPS, REPLICA_SETS, ROLLOUTS, SERVICES
from rollouts.simulate.ledger import Ledger, Seen, hash_of, selected, size
from rollouts.traffic.memory import ADDITIONAL, NAME, WEIGHT

_Needs: TypeAlias = Mapping[str, int]
"""Pods each revision must have, by its hash."""


def capacity_for_shares(ledger: Ledger, seen: Seen, since: float) -> Iterator[str]:
    """A share grows only towards pods that can take it, and pods go only when no share needs them.

    ``since``: specs that were current at that time (seconds) or later count as wanted.
    """
    for obj in ledger.all(ROLLOUTS):
        routed = _Routed.of(ledger, obj, since)
        if routed is None:
            continue
        if seen.resource == CONFIG_MAPS and seen.name == routed.config_map:
            yield from _grown(ledger, routed, seen)
            yield from _given(ledger, seen)
        if seen.resource == REPLICA_SETS and size(seen.new) < size(seen.old):
            yield from _taken(ledger, routed, seen)
            yield from _taken_from_trial(ledger, routed, seen)


@dataclass(frozen=True, slots=True)
class _Routed:
    """A Rollout with the in-memory router; ``replicas``: the fewest wanted lately."""

    canary: CanaryStrategy
    config_map: str
    replicas: int

    @classmethod
    def of(cls, ledger: Ledger, obj: Obj, since: float) -> Self | None:
        canary = Rollout.decode(obj).spec.canary
        routing = canary.traffic_routing if canary is not None else None
        settings = (routing.plugins or {}).get(NAME) if routing is not None else None
        if canary is None or not isinstance(settings, dict):
            return None
        wanted = (each.spec.replicas_or_default for each in ledger.wanted(obj, since))
        return cls(canary, str(settings.get("configMap")), min(wanted, default=0))

    def needs(self, ledger: Ledger, config_map: Obj | None) -> _Needs:
        """Pods for every share the ConfigMap speaks of; fewer where unavailability is allowed."""
        data = (config_map or {}).get("data") or {}
        if WEIGHT not in data:
            return {}
        whole, weight = self.canary.max_weight, int(data[WEIGHT])
        services = {each["metadata"]["name"]: each for each in ledger.all(SERVICES)}
        found: dict[str, int] = {}
        for name, share in (
            (self.canary.canary_service, weight),
            (self.canary.stable_service, whole - weight),
        ):
            to = selected(services.get(name))
            found[to] = found.get(to, 0) + share
        # A Service that is not pinned yet reaches whoever is there.
        return {to: -(-share * self.replicas // whole) for to, share in found.items() if to}


def _grown(ledger: Ledger, routed: _Routed, seen: Seen) -> Iterator[str]:
    before, after = routed.needs(ledger, seen.old), routed.needs(ledger, seen.new)
    if _missing(ledger, after) < _missing(ledger, before):
        return  # away from pods that are worse
    spare = routed.canary.budgets(routed.replicas)[1]
    for to, need in after.items():
        ready = ledger.ready(to)
        if need > before.get(to, 0) and ready < max(1, need - spare):
            yield f"revision {to} gets traffic for {need} pods and has {ready}"


def _taken(ledger: Ledger, routed: _Routed, seen: Seen) -> Iterator[str]:
    split = next(
        (each for each in ledger.all(CONFIG_MAPS) if each["metadata"]["name"] == routed.config_map),
        None,
    )
    need = routed.needs(ledger, split).get(hash_of(seen.obj), 0)
    if size(seen.new) < min(need, size(seen.old)):
        yield f"ReplicaSet {seen.name} keeps {size(seen.new)} pods, its traffic needs {need}"


def _given(ledger: Ledger, seen: Seen) -> Iterator[str]:
    before, after = _additional(seen.old), _additional(seen.new)
    services = {each["metadata"]["name"]: each for each in ledger.all(SERVICES)}
    for name, weight in after.items():
        ready = ledger.ready(selected(services.get(name))) if name in services else 0
        if weight > before.get(name, 0) and not ready:
            yield f"Service {name} of an Experiment gets traffic and reaches nothing"


def _taken_from_trial(ledger: Ledger, routed: _Routed, seen: Seen) -> Iterator[str]:
    split = [
        each for each in ledger.all(CONFIG_MAPS) if each["metadata"]["name"] == routed.config_map
    ]
    shares = _additional(split[0]) if split else {}
    if shares.get(seen.name):  # the Service has the ReplicaSet's name
        yield f"ReplicaSet {seen.name} loses pods, and gets {shares[seen.name]} of the traffic"


def _additional(config_map: Obj | None) -> Mapping[str, int]:
    data = (config_map or {}).get("data") or {}
    pairs = (share.partition("=") for share in data.get(ADDITIONAL, "").split(",") if share)
    return {name: int(weight) for name, _, weight in pairs}


def _missing(ledger: Ledger, needs: _Needs) -> int:
    return sum(max(0, need - ledger.ready(to)) for to, need in needs.items())
