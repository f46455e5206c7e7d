"""The last word on every plan: order, and no traffic without capacity.

Owns four rules no strategy may break, whatever it decided:

* **Order**: create, scale up, move traffic, scale down, clean up. The status comes where its pass
  put it, after the writes it reports.
* **No black hole**: a Service that has pods to serve it is never pointed at a revision that cannot
  take over, and a revision is never emptied while a Service still points at it.
* **No share without pods**: what a router may send a revision never exceeds its ready pods
  (``planner.capacity``).
* **Nothing is given up that is not replaced**: the Deployment a Rollout refers to keeps the pods
  without which there would be fewer than the Rollout asks for.

A write that would break one of the last three is left out and said to be waiting; nothing else is
changed. Pure; ``planner.planner`` passes each pass through here.
"""

from rollouts.api.rollout import RolloutSpec
from rollouts.kube.resources import ANALYSIS_RUNS, EXPERIMENTS
from rollouts.planner.capacity import hold_back
from rollouts.planner.draft import Draft
from rollouts.planner.handover import carried, needed
from rollouts.planner.plan import Scale, ScaleWorkload, Shift, Switch, Verb, Write
from rollouts.planner.pods import serving
from rollouts.planner.services import selected_hash


def restrain(draft: Draft) -> None:
    """Put the pass's writes in order and take out those that would hurt."""
    kept = [write for write in sorted(draft.writes, key=_rank) if _harmless(draft, write)]
    kept = hold_back(draft, kept)
    if len(kept) != len(draft.writes):
        draft.events = [event for event in draft.events if not _about_refused(event, draft, kept)]
    draft.writes = kept


def _rank(write: Write) -> int:
    """When a write may go: capacity before traffic before removal."""
    effect = write.effect
    if isinstance(effect, Switch | Shift):
        return 2
    if isinstance(effect, Scale) and effect.new < effect.old:
        return 3
    if write.verb is Verb.DELETE:
        return 5
    if write.resource in (ANALYSIS_RUNS, EXPERIMENTS):
        return 4
    return 0 if write.verb is Verb.CREATE else 1


def _harmless(draft: Draft, write: Write) -> bool:
    match write.effect:
        case ScaleWorkload() as scaled if scaled.new < scaled.old:
            return _replaced(draft, write.name, scaled)
        case Switch() as switch:
            return _can_take_over(draft, switch)
        case Scale() as scale if scale.new < min(scale.old, draft.replicas):
            return not _still_needed(draft, scale)
        case _:
            return True


def production_services(spec: RolloutSpec) -> tuple[str, ...]:
    """The Services whose users are real: active, stable and canary; not the preview."""
    names: list[str] = []
    if spec.blue_green is not None:
        names = [spec.blue_green.active_service]
    elif spec.canary is not None:
        names = [spec.canary.stable_service, spec.canary.canary_service]
    return tuple(name for name in names if name)


def _available(draft: Draft, pod_hash: str) -> int:
    return sum(serving(draft.world, rs) for rs in draft.all_sets if rs.hash == pod_hash)


def _available_to_all(draft: Draft) -> int:
    """What a Service reaches that is not pinned: every revision, and the referenced workload."""
    status = (draft.world.workload or {}).get("status") or {}
    return sum(serving(draft.world, rs) for rs in draft.all_sets) + int(
        status.get("availableReplicas") or 0
    )


def _replaced(draft: Draft, name: str, scale: ScaleWorkload) -> bool:
    """Whether the Rollout's own pods already do what the given up ones did."""
    if carried(draft) > 0 and scale.new >= needed(draft):
        return True
    draft.block(
        "WorkloadKeepsPods",
        f"Deployment {name} keeps {scale.old} pods: {carried(draft)} of the Rollout's "
        f"{draft.replicas} are available",
        object=f"Deployment/{name}",
        field="spec.replicas",
    )
    return False


def _can_take_over(draft: Draft, switch: Switch) -> bool:
    if switch.service not in production_services(draft.spec):
        return True
    before = _available(draft, switch.old) if switch.old else _available_to_all(draft)
    target = [rs for rs in draft.all_sets if rs.hash == switch.new]
    after = sum(min(rs.certain, serving(draft.world, rs)) for rs in target)
    canary = draft.spec.canary
    # A canary's own Service is meant to be small; the others must not lose capacity.
    enough = (
        1 if canary and switch.service == canary.canary_service else min(draft.replicas, before)
    )
    if canary and switch.service == canary.stable_service:
        enough -= canary.budgets(draft.replicas)[1]
    if after >= min(max(enough, 1), max(before, 1)) or before == 0:
        return True
    draft.block(
        "SwitchWaitsForCapacity",
        f"Service {switch.service} stays on revision {switch.old or 'as it is'}: "
        f"{after} pods of {switch.new} are available, {enough} are needed",
        object=f"Service/{switch.service}",
        field="spec.selector",
    )
    return False


def _still_needed(draft: Draft, scale: Scale) -> bool:
    """Whether users reach the pods to be removed: a canary's Services must keep some, others all.

    Never where there shall be no pods at all, or where a canary has no room for two revisions.
    """
    canary = draft.spec.canary
    if canary is not None:
        single = canary.traffic_routing is None and draft.replicas + _surge(draft) <= 1
        if scale.new > 0 or single or _available(draft, scale.hash) == 0:
            return False
    name = reached(draft, scale.hash)
    if name is None:
        return False
    draft.block(
        "ScaleDownWaitsForSwitch",
        f"revision {scale.hash} keeps its pods while Service {name} points at it",
        object=f"Service/{name}",
        field="spec.selector",
    )
    return True


def _surge(draft: Draft) -> int:
    return draft.spec.budgets[0]


def reached(draft: Draft, pod_hash: str) -> str | None:
    """The production Service that points at a revision now or with this pass, if there is one."""
    effects = (write.effect for write in draft.writes)
    switches = {(e.service, e.new) for e in effects if isinstance(e, Switch)}
    for name in production_services(draft.spec):
        selected = selected_hash(draft.world.services.get(name))
        if selected == pod_hash or (name, pod_hash) in switches:
            return name
    return None


def _about_refused(event: object, draft: Draft, kept: list[Write]) -> bool:
    """Whether an event announces a write that was taken out."""
    refused = [write.name for write in draft.writes if write not in kept]
    message = getattr(event, "message", "")
    return any(name in message for name in refused) and str(getattr(event, "reason", "")) in (
        "ScalingReplicaSet",
        "ScalingWorkload",
        "SwitchService",
    )
