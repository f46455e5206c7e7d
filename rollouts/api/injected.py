"""What a controller adds to the pod template of a ReplicaSet, and the way back.

Owns telling a user's own fields from the hash label, the metadata of a revision's role and the
anti-affinity between revisions. A value of the user's own that was replaced cannot be known. Pure;
used to recognise a revision's ReplicaSet and to go back to a revision.
"""

import copy
import json
from typing import Any, Final

from rollouts.api import labels as keys
from rollouts.api.base import Obj

_ANTI_AFFINITY: Final = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)


def without_injections(replica_set: Obj) -> Obj:
    """A copy of the pod template of a ReplicaSet as the user wrote it."""
    template: Obj = copy.deepcopy((replica_set.get("spec") or {}).get("template") or {})
    metadata = template.get("metadata") or {}
    injected = injected_metadata(replica_set)
    for part in ("labels", "annotations"):
        for key in (*injected[part], keys.POD_TEMPLATE_HASH):
            (metadata.get(part) or {}).pop(key, None)
    _drop_anti_affinity(template.get("spec") or {})
    return template


def injected_metadata(replica_set: Obj) -> dict[str, dict[str, str]]:
    """Labels and annotations of a role that pods were given, as their ReplicaSet notes them."""
    annotations = (replica_set.get("metadata") or {}).get("annotations") or {}
    if keys.EPHEMERAL_METADATA not in annotations:
        return {"labels": {}, "annotations": {}}
    try:
        noted = json.loads(annotations[keys.EPHEMERAL_METADATA])
    except (TypeError, ValueError):
        noted = None
    return {part: _strings(noted, part) for part in ("labels", "annotations")}


def _strings(noted: Any, part: str) -> dict[str, str]:
    values = noted.get(part) if isinstance(noted, dict) else None
    if not isinstance(values, dict):
        return {}
    return {key: value for key, value in values.items() if isinstance(value, str)}


def _drop_anti_affinity(spec: Obj) -> None:
    """Remove the terms that keep revisions apart, and what stood there only for them."""
    affinity = spec.get("affinity") or {}
    rules = affinity.get("podAntiAffinity") or {}
    kept = {
        key: [term for term in rules[key] if not _is_injected(term)]
        for key in _ANTI_AFFINITY
        if rules.get(key)
    }
    if all(len(terms) == len(rules[key]) for key, terms in kept.items()):
        return
    for key, terms in kept.items():
        rules[key] = terms
        if not terms:
            del rules[key]
    if not rules:
        del affinity["podAntiAffinity"]
    if not affinity:
        del spec["affinity"]


def _is_injected(term: Any) -> bool:
    plain = term.get("podAffinityTerm", term)
    expressions = (plain.get("labelSelector") or {}).get("matchExpressions") or []
    return any(e.get("key") == keys.POD_TEMPLATE_HASH for e in expressions)
