"""Metadata of a revision's role: labels and annotations pods carry while canary, stable and so on.

Owns what is put into pod templates of ReplicaSets and onto live pods, in place, and what is taken
away again when the role or the spec changes. Compared in every pass with what is there, so a pod
that was missed is mended whenever it is seen. Refuses to restart pods for it. Pure; called where
ReplicaSets are created and at the end of every pass.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from rollouts.api import labels as keys
from rollouts.api.injected import injected_metadata
from rollouts.api.rolemetadata import role_metadata
from rollouts.api.rollout import Rollout
from rollouts.kube.patches import merge_diff
from rollouts.kube.resources import PODS
from rollouts.planner import pods as live
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Obj, Verb, Write
from rollouts.planner.world import ReplicaSet

RETRY_SECONDS: Final = 30.0  # what was refused for one pod is asked again
Parts: TypeAlias = Mapping[str, Mapping[str, str]]
_NOTHING: Final[Parts] = {"labels": {}, "annotations": {}}


def dress(template: Obj, rollout: Rollout, *, update: bool) -> dict[str, str]:
    """Put the metadata of its role into a new ReplicaSet's pod template, in place.

    ``update``: there is a stable revision already. Returns the annotation the ReplicaSet needs.
    """
    stable, other = _roles(rollout)
    parts = other if update else stable
    meta = template.setdefault("metadata", {})
    for part, values in parts.items():
        if values:
            meta[part] = {**(meta.get(part) or {}), **values}
    text = _text(parts)
    return {keys.EPHEMERAL_METADATA: text} if text else {}


def run(draft: Draft) -> None:
    """Bring ReplicaSets and live pods in line with the roles revisions have now."""
    ours = _all_keys(draft.rollout)
    if draft.world.unconfirmed and any(ours.values()):
        draft.wake(draft.now + RETRY_SECONDS)
    pods: dict[str, list[Obj]] | None = None
    for rs in draft.all_sets:
        before = injected_metadata(rs.raw)
        if rs.deleting or not (any(ours.values()) or any(before.values())):
            continue
        pods = live.by_owner(draft.world) if pods is None else pods
        _sync(draft, rs, before, ours, pods.get(rs.uid, []) if rs.spec else [])


def _roles(rollout: Rollout) -> tuple[Parts, Parts]:
    """(of stable pods, of those of an update)."""
    stable, other = (
        {"labels": each.labels, "annotations": each.annotations}
        for each in role_metadata(rollout).values()
    )
    return stable, other


def _all_keys(rollout: Rollout) -> dict[str, set[str]]:
    """Every key any role uses; a pod carries those of its own and no other."""
    roles = _roles(rollout)
    return {part: {key for role in roles for key in role[part]} for part in _NOTHING}


def _wanted(draft: Draft, rs: ReplicaSet) -> Parts:
    """What the role of ``rs`` asks for; older revisions have none."""
    stable, other = _roles(draft.rollout)
    target = draft.status.stable_rs
    if rs.name == draft.new.name:
        return stable if target in ("", rs.hash) else other
    return stable if target and rs.hash == target else _NOTHING


def _sync(
    draft: Draft, rs: ReplicaSet, before: Parts, ours: dict[str, set[str]], pods: list[Obj]
) -> None:
    """Patch the template and its note, then the pods, where they differ."""
    wanted = _wanted(draft, rs)
    written = draft.spec.template if rs.name == draft.new.name else {}
    meta = rs.template.get("metadata") or {}
    target: dict[str, dict[str, str]] = {}
    for part in _NOTHING:
        target[part] = dict(meta.get(part) or {})
        own = (written.get("metadata") or {}).get(part) or {}
        for key in before[part].keys() - wanted[part].keys():
            target[part].pop(key, None)
            if key in own:  # what the injected value had replaced
                target[part][key] = own[key]
        target[part].update(wanted[part])

    known = {part: ours[part] | before[part].keys() for part in _NOTHING}
    mending = list(_mending(pods, target, known))
    note = _note(before, wanted, ours, keep=bool(mending) or _unconfirmed(draft, pods))
    body: Obj = {}
    change = merge_diff({part: meta.get(part) or {} for part in _NOTHING}, target)
    if change:
        body["spec"] = {"template": {"metadata": change}}
    if note != before:
        body["metadata"] = {"annotations": {keys.EPHEMERAL_METADATA: _text(note) or None}}
    if body:
        draft.patch_set(rs, body)
    draft.writes += mending


def _mending(pods: list[Obj], target: Parts, known: Mapping[str, set[str]]) -> Iterator[Write]:
    """A patch for each pod that carries anything else than its template does."""
    for pod in pods:
        if live.leaving(pod):
            continue
        change: Obj = {}
        for part, names_ in known.items():
            has = pod["metadata"].get(part) or {}
            differing = {
                key: target[part].get(key)
                for key in sorted(names_)
                if has.get(key) != target[part].get(key)
            }
            if differing:
                change[part] = differing
        if change:
            name, uid = str(pod["metadata"]["name"]), live.uid(pod)
            yield Write(Verb.PATCH, PODS, name, {"metadata": change}, uid=uid, optional=True)


def _note(before: Parts, wanted: Parts, ours: Mapping[str, set[str]], *, keep: bool) -> Parts:
    """What the ReplicaSet's annotation shall say was injected.

    Keys the spec no longer mentions stay in it while some pod may still carry them (``keep``): it
    is the only place that remembers them.
    """
    note: dict[str, dict[str, str]] = {}
    for part in _NOTHING:
        dropped = {k: v for k, v in before[part].items() if keep and k not in ours[part]}
        note[part] = dropped | dict(wanted[part])
    return note


def _unconfirmed(draft: Draft, pods: list[Obj]) -> bool:
    return any(live.uid(pod) in draft.world.unconfirmed for pod in pods)


def _text(parts: Parts) -> str:
    """The annotation's value; empty when there is nothing to say."""
    full = {part: dict(values) for part, values in parts.items() if values}
    return json.dumps(full, sort_keys=True, separators=(",", ":")) if full else ""
