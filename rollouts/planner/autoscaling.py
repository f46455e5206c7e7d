"""What an autoscaler is told through the scale subresource: how many pods there are, and which.

Owns ``status.HPAReplicas`` and ``status.selector``. An autoscaler that works with averages puts the
number it reads here back into ``spec.replicas`` while all is well, so a number that counts the pods
of an update makes the Rollout grow with every step. Told is therefore the size of the Rollout, as
long as an update alone can be the reason why there are more or fewer pods; what is really missing
is missing here, too. Pure; called at the end of every pass.
"""

from rollouts.kube.selectors import format_object
from rollouts.planner.draft import Draft
from rollouts.planner.world import ReplicaSet


def update(draft: Draft) -> None:
    """Tell it in the next status, which must know already what the Services select.

    Which pods are meant is Argo Rollouts' behaviour: all of a canary's, since together they carry
    the load, and of a blue-green release those that serve.
    """
    active = _active(draft)
    owner = active.raw if active is not None else draft.rollout.raw
    draft.set(
        hpa_replicas=told(draft.replicas, existing(draft), _given_up(draft)),
        selector=format_object((owner.get("spec") or {}).get("selector")),
    )


def existing(draft: Draft) -> int:
    """Pods behind the selector, in replicas: what Argo Rollouts tells."""
    active = _active(draft)
    return sum(rs.replicas for rs in (draft.all_sets if active is None else (active,)))


def told(replicas: int, pods: int, given_up: int) -> int:
    """The number to tell, in replicas.

    ``pods`` exist for a Rollout that asks for ``replicas``; ``given_up``: as many may be missing
    because of an update.
    """
    return replicas if pods >= replicas - given_up else pods


def _active(draft: Draft) -> ReplicaSet | None:
    """With blue-green, what the active Service reaches."""
    selected = draft.status.blue_green.active_selector if draft.spec.blue_green else ""
    return next((rs for rs in draft.all_sets if selected and rs.hash == selected), None)


def _given_up(draft: Draft) -> int:
    """Pods an update may take away before it has made others; only without a router does it."""
    canary = draft.spec.canary
    if canary is None or canary.traffic_routing is not None:
        return 0
    return canary.budgets(draft.replicas)[1]
