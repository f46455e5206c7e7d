"""Keeping revisions apart: the anti-affinity a ReplicaSet is given against the stable revision.

Owns the term in the pod template (Argo Rollouts' behaviour): put in when a ReplicaSet is created
beside a stable one, renewed when another revision has become stable since, and taken out when there
is nothing left to keep away from. A ReplicaSet that has no such term is left alone. Pure; called
where ReplicaSets are created and at the end of every pass.
"""

from collections.abc import Iterator
from typing import Final

from rollouts.api import labels as keys
from rollouts.api.injected import without_injections
from rollouts.api.placement import AntiAffinity
from rollouts.api.rollout import Rollout
from rollouts.kube.patches import merge_diff
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Obj

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_NODE: Final = "kubernetes.io/hostname"


def inject(template: Obj, rollout: Rollout, stable: str, own: str) -> None:
    """Let pods of ``template`` (changed in place) avoid the nodes of the stable revision's.

    ``stable`` and ``own`` are hashes; nothing happens on the first revision and on the way back.
    """
    rule = _rule(rollout)
    if rule is None or not stable or stable == own:
        return
    expression = {"key": keys.POD_TEMPLATE_HASH, "operator": "In", "values": [stable]}
    term: Obj = {
        "labelSelector": {"matchExpressions": [expression]},
        "namespaces": [rollout.metadata.namespace],
        "topologyKey": _NODE,
    }
    spec = template.setdefault("spec", {})
    affinity = spec["affinity"] = dict(spec.get("affinity") or {})
    rules = affinity["podAntiAffinity"] = dict(affinity.get("podAntiAffinity") or {})
    preferred = rule.preferred_during_scheduling_ignored_during_execution
    if preferred is not None:
        weighted = {"weight": preferred.weight, "podAffinityTerm": term}
        rules[_PREFERRED] = [*(rules.get(_PREFERRED) or ()), weighted]
    else:
        rules[_REQUIRED] = [*(rules.get(_REQUIRED) or ()), term]


def refresh(draft: Draft) -> None:
    """Renew the new ReplicaSet's term where it names a revision that is not the stable one."""
    new, stable = draft.new, draft.status.stable_rs
    named = set(_named(new.template))
    if not named or (named == {stable} and stable != new.hash):
        return
    template = without_injections(new.raw)
    inject(template, draft.rollout, stable, new.hash)
    before, after = (each.get("spec") or {} for each in (new.template, template))
    change = merge_diff({"affinity": before.get("affinity")}, {"affinity": after.get("affinity")})
    if change:
        draft.patch_set(new, {"spec": {"template": {"spec": change}}})


def _rule(rollout: Rollout) -> AntiAffinity | None:
    strategy = rollout.spec.canary or rollout.spec.blue_green
    return strategy.anti_affinity if strategy is not None else None


def _named(template: Obj) -> Iterator[str]:
    """The hashes of revisions that injected terms name."""
    affinity = (template.get("spec") or {}).get("affinity") or {}
    rules = affinity.get("podAntiAffinity") or {}
    preferred = (each.get("podAffinityTerm") or {} for each in rules.get(_PREFERRED) or ())
    for term in (*(rules.get(_REQUIRED) or ()), *preferred):
        for each in (term.get("labelSelector") or {}).get("matchExpressions") or ():
            if each.get("key") == keys.POD_TEMPLATE_HASH:
                yield from each.get("values") or ()
