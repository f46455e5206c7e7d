"""Traffic of a routed canary: which Service reaches whom, and which weight the routers are told.

Owns the weight for where a release stands, the writes that bring the routers there, and what is
recorded once their objects say so (Argo Rollouts' behaviour). A weight goes up when the pods for it
are there, and down at once; whether the other side can take it is for ``planner.safety``. Pure;
called by ``planner.canary``.
"""

from typing import Final

from rollouts.api.canary import CanaryStrategy
from rollouts.api.reasons import EventReason
from rollouts.api.status import TrafficWeights, WeightDestination
from rollouts.planner import routed, services, shares, steps
from rollouts.planner.backends import recorded, unverified
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Shift, Verb, Write
from rollouts.planner.world import ReplicaSet
from rollouts.traffic.registry import routers
from rollouts.traffic.router import Destination, ManagedRoute, Router, RoutingError, Split

_VERIFY_SECONDS: Final = 10.0


def reconcile(draft: Draft, canary: CanaryStrategy) -> None:
    """Point the Services, tell the routers, and record what they have been told."""
    _point_services(draft, canary)
    known = routers(draft.rollout).known
    if not known:
        _record(draft, None)
        return
    split = _split(draft, canary)
    try:
        writes = _changes(draft, known, split, _routes(draft, canary))
    except RoutingError as error:
        draft.event(EventReason.ROUTING_ERROR, str(error), warning=True)
        draft.block(
            "TrafficRoutingError",
            str(error),
            object=f"Rollout/{draft.name}",
            field="spec.strategy.canary.trafficRouting",
            then="the traffic stays as it is",
        )
        return
    draft.writes += writes
    weights = recorded(draft)
    if not writes:
        weights = TrafficWeights(
            canary=_destination(split.canary),
            stable=_destination(split.stable),
            additional=tuple(_destination(each) for each in split.additional),
        )
    _record(draft, weights)
    _verify(draft, known)


def obeyed(draft: Draft, canary: CanaryStrategy) -> bool:
    """Whether the routers send the new revision the weight of the current step."""
    if not routers(draft.rollout).known:
        return True
    weights = recorded(draft)
    if weights is None or unverified(draft):
        return False
    if draft.stable_lost:
        return True  # there is nothing left to share with
    to = weights.canary
    return (to.weight, to.pod_template_hash) == (steps.weight(draft, canary), draft.new.hash)


def _point_services(draft: Draft, canary: CanaryStrategy) -> None:
    """The stable Service serves the stable revision, the canary's the new one.

    While another revision has the canary's traffic the canary's Service stays there. After an
    abort, where the canary is to have no pods, and while nothing of the new revision can take it
    over from a third one, it goes back to stable once it has none.
    """
    services.ensure(draft, canary.stable_service, draft.new if draft.stable_lost else draft.stable)
    if routed.superseded(draft) is not None:
        return
    weights = recorded(draft)
    selected = services.selected_hash(draft.world.services.get(canary.canary_service))
    overtaken = any(rs.hash == selected for rs in draft.others) and not draft.new.available
    emptied = routed.desired_counts(draft, canary)[0] == 0
    if not draft.status.abort and not overtaken and not emptied:
        services.ensure(draft, canary.canary_service, draft.new)
    elif weights is None or weights.canary.weight == 0:
        services.ensure(draft, canary.canary_service, draft.stable)


def _split(draft: Draft, canary: CanaryStrategy) -> Split:
    carrier = routed.superseded(draft) or draft.new
    weight = _weight(draft, canary, carrier)
    stable = draft.stable or draft.new
    left = canary.max_weight - weight
    additional = shares.due(draft, canary, left) if carrier is draft.new else ()
    left -= sum(each.weight for each in additional)
    return Split(
        canary=Destination(canary.canary_service, carrier.hash, weight),
        stable=Destination(canary.stable_service, stable.hash, left),
        additional=additional,
        max_weight=canary.max_weight,
    )


def _weight(draft: Draft, canary: CanaryStrategy, carrier: ReplicaSet) -> int:
    """The weight the routers should be told now; it only goes up for pods a Service reaches."""
    weights = recorded(draft)
    current = weights.canary.weight if weights else 0
    if draft.status.abort or carrier is not draft.new:
        return _retreat(draft, canary, carrier, current)
    if draft.stable is None or draft.fully_promoted:
        return 0 if _selects(draft, canary.stable_service, ("", draft.new.hash)) else current
    if draft.new.available == 0:
        return 0
    wanted = _advance(draft, canary, current)
    reachable = _selects(draft, canary.canary_service, (draft.new.hash,))
    return wanted if reachable else min(wanted, current)


def _advance(draft: Draft, canary: CanaryStrategy, current: int) -> int:
    """The weight of the current step, or of the one before until the pods for it are there."""
    if draft.status.promote_full:
        if not canary.dynamic_stable_scale:
            return current
        ready = canary.max_weight * draft.new.available // max(1, draft.replicas)
        return max(current, min(canary.max_weight, ready))
    at = steps.index(draft, canary)
    if at is None:
        return 0
    wanted = steps.weight(draft, canary)
    if routed.settled(draft, canary):
        return wanted
    before = (step.set_weight for step in reversed(canary.steps[:at]))
    return min(wanted, next((weight for weight in before if weight is not None), 0))


def _retreat(draft: Draft, canary: CanaryStrategy, carrier: ReplicaSet, current: int) -> int:
    """The way back to the stable revision: at once, or as far as its pods are there again."""
    stable, whole = draft.stable, canary.max_weight
    if not canary.dynamic_stable_scale or stable is None or draft.replicas == 0:
        return 0
    if carrier.name == stable.name:
        return 0
    ready = min(whole, whole * stable.available // draft.replicas)
    step = routed.step_back(draft, canary, carrier)
    if step <= 0:
        return min(whole - ready, current)
    return current if ready < whole - step else min(step, current)


def _selects(draft: Draft, name: str, hashes: tuple[str, ...]) -> bool:
    """Whether the Service, where there is one, points at one of these revisions."""
    service = draft.world.services.get(name) if name else None
    return service is None or services.selected_hash(service) in hashes


def _routes(draft: Draft, canary: CanaryStrategy) -> tuple[ManagedRoute, ...]:
    """Header and mirror routes set by the steps so far, in the order of ``managedRoutes``.

    None without pods of the new revision to send anything to, nor once the update is over.
    """
    at, status = steps.index(draft, canary), draft.status
    over = draft.fully_promoted or status.abort or status.promote_full or draft.stable is None
    if at is None or over or draft.new.available == 0 or routed.superseded(draft) is not None:
        return ()
    found: dict[str, ManagedRoute] = {}
    for step in canary.steps[: at + 1]:
        route: ManagedRoute | None = step.set_header_route or step.set_mirror_route
        if route is not None and route.match is None:
            found.pop(route.name, None)
        elif route is not None:
            found[route.name] = route
    routing = canary.traffic_routing
    managed = (routing.managed_routes if routing else None) or ()
    return tuple(found[each.name] for each in managed if each.name in found)


def _changes(
    draft: Draft, known: tuple[Router, ...], split: Split, routes: tuple[ManagedRoute, ...]
) -> list[Write]:
    """What has to be written to make every router say ``split``. Raises RoutingError."""
    writes: list[Write] = []
    objects = draft.world.router_objects
    for router in known:
        to = split.canary
        further = tuple((each.service, each.weight) for each in split.additional)
        shift = Shift(router.name, to.weight, to.pod_hash, split.stable.pod_hash, further)
        for change in router.desired(split, routes, objects):
            present = objects.get(change.ref)
            version = (present or {}).get("metadata", {}).get("resourceVersion", "")
            writes.append(
                Write(
                    Verb.CREATE if present is None else Verb.PATCH,
                    change.ref.resource,
                    change.ref.name,
                    change.body,
                    resource_version=str(version),
                    effect=shift,
                    namespace=change.ref.namespace,
                )
            )
    return writes


def _destination(to: Destination) -> WeightDestination:
    return WeightDestination(
        weight=to.weight, service_name=to.service, pod_template_hash=to.pod_hash
    )


def _record(draft: Draft, weights: TrafficWeights | None) -> None:
    before = recorded(draft)
    draft.set(canary=draft.status.canary.model_copy(update={"weights": weights}))
    if weights is None or (before is not None and _weights(before) == _weights(weights)):
        return
    to = weights.canary.weight
    change = f"to {to}" if before is None else f"from {before.canary.weight} to {to}"
    if weights.additional:
        listed = (f"{each.service_name}: {each.weight}" for each in weights.additional)
        change += f", additional: {', '.join(listed)}"
    draft.event(EventReason.WEIGHT_UPDATED, f"Traffic weight updated {change}")


def _weights(split: TrafficWeights) -> tuple[object, ...]:
    return (split.canary.weight, *((each.service_name, each.weight) for each in split.additional))


def _verify(draft: Draft, known: tuple[Router, ...]) -> None:
    """Ask the routers whether traffic flows as recorded, and ask again while it does not."""
    weights = recorded(draft)
    if weights is None:
        return
    further = tuple(_of(each) for each in weights.additional)
    split = Split(_of(weights.canary), _of(weights.stable), further)
    objects = draft.world.router_objects
    answers = {router.verify(split, objects): router.name for router in reversed(known)}
    verified = False if False in answers else (True if True in answers else None)
    weights = weights.model_copy(update={"verified": verified})
    draft.set(canary=draft.status.canary.model_copy(update={"weights": weights}))
    if verified is False:
        draft.wake(draft.now + _VERIFY_SECONDS)
        draft.block(
            "WeightNotVerified",
            f"{answers[False]} does not send {weights.canary.weight} of the traffic to revision "
            f"{weights.canary.pod_template_hash} yet",
            object=f"Rollout/{draft.name}",
            field="status.canary.weights.verified",
            until=draft.now + _VERIFY_SECONDS,
            then="the router is asked again; until it obeys, no pods are taken away",
        )


def _of(recorded_: WeightDestination) -> Destination:
    return Destination(recorded_.service_name, recorded_.pod_template_hash, recorded_.weight)
