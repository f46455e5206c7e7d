"""When a referenced Deployment gives up its pods, and when it gets them back.

Owns the number of pods of the Deployment a Rollout refers to. It is changed only where
``scaleDown`` asks for it, only while no person has paused the Rollout, and only once nothing else
of the Rollout is left to do; ``planner.safety`` has the last word on every scale-down. Pure; called
at the end of a pass by ``planner.planner``.

* ``onsuccess``: to 0 as soon as the Rollout is Healthy.
* ``progressively``: one pod less for each pod of the Rollout that is available, and one more for
  each that is lost again as long as the first revision is the wanted one. Later the Deployment
  holds a template that was not released, so it never grows again.
* Argo Rollouts looks at revision 1 only; here the way down is checked at every reconcile. A
  Deployment that grows again (applied from Git, scaled by a person) is double capacity, and during
  an update runs the unreleased template beside the canary. What the spec declares wins, but neither
  at once nor in a loop: each time after it was brought to 0 it is left alone for REST_SECONDS, and
  ``why`` names the way to keep it, ``scaleDown: never``.
* A Deployment this Rollout has never scaled down is never scaled up: 0 may be on purpose.
* One that has pods although the Rollout is past its first revision and has never scaled it down was
  left so by another controller. It stays as it is until something of the Rollout changes, and is
  then like one that grows again.
"""

from collections.abc import Iterator
from typing import Final

from rollouts.api.conditions import Condition, Truth, get, remove, replace
from rollouts.api.reasons import ConditionType, EventReason, Phase, Reason
from rollouts.kube.errors import ApiError
from rollouts.kube.resources import DEPLOYMENTS, POD_TEMPLATES, ROLLOUTS
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Blocker, Obj, ScaleWorkload, Verb, Write
from rollouts.planner.workload import PROGRESSIVELY, SCALING

REST_SECONDS: Final = 300.0


def size(workload: Obj) -> int:
    """The pods a workload asks for; a PodTemplate asks for none."""
    if workload.get("kind") == POD_TEMPLATES.kind:
        return 0
    wanted = (workload.get("spec") or {}).get("replicas", 1)
    return wanted if isinstance(wanted, int) else 1


def carried(draft: Draft) -> int:
    """Pods of the Rollout that serve and are meant to go on serving."""
    return sum(min(rs.spec, rs.available) for rs in draft.all_sets)


def needed(draft: Draft) -> int:
    """Pods of the Deployment without which there would be fewer than the Rollout asks for."""
    return max(0, draft.replicas - carried(draft))


def follow(draft: Draft) -> None:
    """Bring the Deployment to the size it should have now."""
    workload = _scaled_deployment(draft)
    if workload is None or draft.spec.paused:
        return
    before, name = size(workload), workload["metadata"]["name"]
    after = _wanted(draft, before)
    if after == before:
        return
    until, marker = _rests_until(draft), _marker(draft)
    waits = after < before or (marker is not None and _withheld(marker))
    if waits and (until is not None or _left_behind(draft)):
        draft.wakes += [until] if until is not None else []
        return
    version = str(workload["metadata"].get("resourceVersion", ""))
    draft.writes.append(
        Write(
            Verb.PATCH,
            DEPLOYMENTS,
            name,
            {"spec": {"replicas": after}},
            subresource="scale",
            resource_version=version,
            effect=ScaleWorkload(before, after),
            otherwise=lambda error: _refusal(draft, name, before, error),
        )
    )
    word = "up" if after > before else "down"
    draft.event(
        EventReason.SCALING_WORKLOAD, f"Scaled {word} Deployment {name} from {before} to {after}"
    )


def note(draft: Draft) -> None:
    """Remember in the status that, and since when, the Deployment is down because of us."""
    conditions = draft.status.conditions
    if _scaled_deployment(draft) is None:
        draft.set(conditions=remove(conditions, ConditionType.WORKLOAD_SCALED_DOWN))
    for write in draft.writes:
        if isinstance(write.effect, ScaleWorkload):
            left = write.effect.new
            truth = Truth.FALSE if left else Truth.TRUE
            _mark(draft, truth, f'Deployment "{write.name}" was scaled to {left}')


def adopt(draft: Draft) -> None:
    """Remember when we met a Deployment that was left behind, if something is stored anyway."""
    workload = _scaled_deployment(draft)
    if workload is None or not _left_behind(draft) or draft.status == draft.previous:
        return
    if (have := size(workload)) > 0:
        message = f'Deployment "{workload["metadata"]["name"]}" was found with {have}'
        _mark(draft, Truth.UNKNOWN, message)


def _mark(draft: Draft, truth: Truth, message: str) -> None:
    kind, reason = ConditionType.WORKLOAD_SCALED_DOWN, Reason.WORKLOAD_SCALED
    new = Condition.at(draft.stamp, kind, truth, reason, message)
    draft.set(conditions=replace(draft.status.conditions, new))


def _refusal(draft: Draft, name: str, size_: int, error: ApiError) -> Write:
    """What is stored when the server does not let us scale: why, and since when."""
    kind = ConditionType.WORKLOAD_SCALED_DOWN
    known = get(draft.previous.conditions, kind)
    refused = Condition.at(
        draft.stamp,
        kind,
        Truth.UNKNOWN if known is None else Truth(known.status),
        Reason.WORKLOAD_SCALE_REFUSED,
        f'Deployment "{name}" stays at {size_}: {error.message}',
    )
    status = draft.previous.model_copy(
        update={"conditions": replace(draft.previous.conditions, refused)}
    )
    body = {"status": {"conditions": status.to_wire({"conditions"})["conditions"]}}
    version = draft.rollout.metadata.resource_version
    return Write(
        Verb.PATCH, ROLLOUTS, draft.name, body, subresource="status", resource_version=version
    )


def _left_behind(draft: Draft) -> bool:
    """Whether another controller was here before us: it acts on the first revision only."""
    return draft.new.revision > 1 and _marker(draft) is None


def _scaled_deployment(draft: Draft) -> Obj | None:
    """The Deployment, where the Rollout asks for it to be scaled; other kinds never are."""
    ref, workload = draft.spec.workload_ref, draft.world.workload
    if ref is None or workload is None or workload.get("kind") != DEPLOYMENTS.kind:
        return None
    return workload if ref.scale_down in SCALING else None


def _wanted(draft: Draft, now: int) -> int:
    """The size the Deployment should have; ``now`` where nothing is to change."""
    ref = draft.spec.workload_ref
    left = needed(draft)
    if ref is not None and ref.scale_down == PROGRESSIVELY:
        lost = left > now and draft.new.revision == 1 and _taken(draft)
        replaced = left < now and carried(draft) > 0
        return left if lost or replaced else now
    return 0 if carried(draft) and (_succeeded(draft) or _established(draft)) else now


def _succeeded(draft: Draft) -> bool:
    return draft.status.phase == Phase.HEALTHY


def _established(draft: Draft) -> bool:
    """An update is under way over a stable revision that serves; together they carry everything."""
    stable = draft.stable
    other = stable is not None and stable.name != draft.new.name and stable.available > 0
    return other and needed(draft) == 0


def _marker(draft: Draft) -> Condition | None:
    return get(draft.status.conditions, ConditionType.WORKLOAD_SCALED_DOWN)


def _taken(draft: Draft) -> bool:
    """Whether this Rollout has scaled the Deployment down before."""
    marker = _marker(draft)
    return marker is not None and marker.status != Truth.UNKNOWN


def _withheld(marker: Condition) -> bool:
    return marker.reason == Reason.WORKLOAD_SCALE_REFUSED


def _rests_until(draft: Draft) -> float | None:
    """Until when a Deployment that has pods although it should have none is left alone."""
    marker = _marker(draft)
    if marker is None or (marker.status == Truth.FALSE and not _withheld(marker)):
        return None
    until = (marker.last_update_time or 0.0) + REST_SECONDS
    return until if draft.now < until else None


def blockers(draft: Draft) -> Iterator[Blocker]:
    """What keeps the Deployment from giving up its pods."""
    ref, workload = draft.spec.workload_ref, draft.world.workload
    if ref is None or workload is None or size(workload) == 0:
        return
    have = size(workload)
    target = f"{ref.kind}/{ref.name}"
    who = f"{ref.kind} {ref.name}"
    if _scaled_deployment(draft) is None:
        yield Blocker(
            "WorkloadStillRuns",
            f"{who} asks for {have} pods besides those of the Rollout; {_why_not(draft)}",
            object=target,
            field="spec.replicas",
            command=f"kubectl scale {ref.kind.lower()} {ref.name} --replicas=0"
            f" -n {draft.rollout.metadata.namespace}",
        )
        return
    until, marker = _rests_until(draft), _marker(draft)
    if until is not None and marker is not None and _withheld(marker):
        yield Blocker(
            "WorkloadScaleRefused",
            marker.message,
            object=target,
            field="spec.replicas",
            since=marker.last_update_time,
            until=until,
            then="it is tried again",
            command="kubectl auth can-i patch deployments --subresource=scale"
            f" -n {draft.rollout.metadata.namespace}",
        )
        return
    if (until is not None or _left_behind(draft)) and _wanted(draft, have) < have:
        yield Blocker(
            "WorkloadScaledUpAgain",
            f"{who} has {have} pods again that nobody needs; to keep them, tell the Rollout",
            object=target,
            field="spec.replicas",
            until=until,
            then="it is scaled down again"
            if until
            else "it is scaled down after the next change of the Rollout",
            command=f"kubectl patch rollout {draft.name} -n {draft.rollout.metadata.namespace} "
            '--type=merge -p \'{"spec":{"workloadRef":{"scaleDown":"never"}}}\'',
        )
        return
    yield Blocker(
        "WorkloadKeepsPods",
        f"{who} keeps {have} pods until {_waits_for(draft)}",
        object=target,
        field="spec.replicas",
    )


def _why_not(draft: Draft) -> str:
    ref = draft.spec.workload_ref
    if ref is None or ref.kind != DEPLOYMENTS.kind:
        return "only a Deployment is scaled down by a Rollout"
    if ref.scale_down in ("", "never"):
        return "spec.workloadRef.scaleDown is never"
    return f'spec.workloadRef.scaleDown is "{ref.scale_down}", which counts as never'


def _waits_for(draft: Draft) -> str:
    ref = draft.spec.workload_ref
    if draft.spec.paused:
        return "the Rollout is no longer paused"
    if draft.replicas == 0:
        return "the Rollout has pods of its own"
    if ref is not None and ref.scale_down == PROGRESSIVELY:
        return f"{draft.replicas} pods of the Rollout are available ({carried(draft)} are)"
    return "the Rollout is healthy"
