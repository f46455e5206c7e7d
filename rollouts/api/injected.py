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
    injected = _metadata(replica_set)
    for part in ("labels", "annotations"):
        for key in (*(injected.get(part) or {}), keys.POD_TEMPLATE_HASH):
            (metadata.get(part) or {}).pop(key, None)
    _drop_anti_affinity(template.get("spec") or {})
    return template


def _metadata(replica_set: Obj) -> Obj:
    annotations = (replica_set.get("metadata") or {}).get("annotations") or {}
    try:
        value = json.loads(annotations.get(keys.EPHEMERAL_METADATA, "{}"))
    except (TypeError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


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
