"""Deletion: now, after a grace period, or once the finalizers are gone.

Owns deletionTimestamp, propagation policies (as finalizers for the garbage collector), the grace
of pods, and what must not be deleted. Dependents and the content of namespaces are the business of
controllers. Called by ``apiserver`` and by updates that take the last finalizer away.
"""

from dataclasses import dataclass
from typing import Final

from rollouts.kube.api import Obj
from rollouts.kube.errors import Conflict, Forbidden
from rollouts.kube.resources import JOBS, NAMESPACES, PODS
from rollouts.sandbox import customs
from rollouts.sandbox.causes import invalid_object, unsupported
from rollouts.sandbox.core import Core, check_verb, naming
from rollouts.sandbox.objects import dig
from rollouts.sandbox.options import DeleteOptions, ListOptions, Options
from rollouts.sandbox.reading import selection
from rollouts.sandbox.registry import ResourceInfo
from rollouts.sandbox.revisions import Key, stamped

ORPHAN: Final = "orphan"
FOREGROUND: Final = "foregroundDeletion"
_POLICY_FINALIZERS: Final = {"Orphan": ORPHAN, "Foreground": FOREGROUND}
_POLICIES: Final = ("Background", "Foreground", "Orphan")
_IMMORTAL: Final = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
_DEFAULT_GRACE: Final = 30
_JOBS_KEEP_PODS: Final = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background "
    "to remove them or set propagationPolicy=Orphan to suppress this warning"
)


def is_finished(obj: Obj, old: Obj) -> bool:
    """Whether an update of an object being deleted takes away what still held it."""
    if "deletionTimestamp" not in old["metadata"] or obj["metadata"].get("finalizers"):
        return False
    if obj["metadata"].get("deletionGracePeriodSeconds"):
        return False
    return not (obj["kind"] == NAMESPACES.kind and dig(obj, "spec", "finalizers"))


def removed(core: Core, info: ResourceInfo, key: Key, obj: Obj, *, dry_run: bool) -> Obj:
    """Take the object out of the store for good; returns its last state."""
    if dry_run:
        return obj
    last = core.store.remove(info.bucket, key)
    if customs.is_definition(info):
        customs.withdrawn(core, key.name)
    elif info.custom is not None:
        customs.cleaned_up(core, info.bucket)
    return stamped(obj, int(last["metadata"]["resourceVersion"]))


@dataclass(frozen=True, slots=True)
class Deleter:
    """The deleting part of the API server."""

    core: Core

    def delete(
        self,
        info: ResourceInfo,
        namespace: str | None,
        name: str,
        wanted: DeleteOptions,
        options: Options,
    ) -> Obj:
        """The object where it stays for now, a Status of success where it is gone."""
        check_verb(info, "delete")
        current = self.core.find(info, namespace, name)
        _check_preconditions(info, current, wanted)
        if info.resource == NAMESPACES and name in _IMMORTAL:
            raise Forbidden(
                f'namespaces "{name}" is forbidden: this namespace may not be deleted',
                details=naming(info, name),
            )
        return self._delete(info, current, wanted, options)

    def delete_collection(
        self,
        info: ResourceInfo,
        namespace: str | None,
        chosen: ListOptions,
        wanted: DeleteOptions,
        options: Options,
    ) -> Obj:
        """Delete whatever the selectors choose; returns the list of what was there."""
        check_verb(info, "deletecollection")
        matches = selection(info, chosen.labels, chosen.fields)
        scope = namespace or None if info.resource.namespaced else None
        deleted = []
        for _, obj in self.core.store.items(info.bucket, scope):
            shown = self.core.shown(info, obj)
            if matches is None or matches(shown):
                self._delete(info, obj, wanted, options)
                deleted.append(shown)
        return {
            "kind": info.kind_of_list,
            "apiVersion": info.resource.api_version,
            "metadata": {"resourceVersion": str(self.core.store.revision)},
            "items": deleted,
        }

    def _delete(
        self, info: ResourceInfo, current: Obj, wanted: DeleteOptions, options: Options
    ) -> Obj:
        metadata = current["metadata"]
        key = Key(metadata.get("namespace", ""), metadata["name"])
        finalizers = self._finalizers(info, current, wanted, options)
        grace = _grace(info, current, wanted)
        held = metadata.get("deletionGracePeriodSeconds")
        if held is not None:
            grace = min(grace, held)
        waits = finalizers or grace or dig(current, "spec", "finalizers")
        if not waits:
            removed(self.core, info, key, current, dry_run=options.dry_run)
            return _gone(info, current)
        marked = self._marked(info, current, finalizers, grace)
        if marked != current and not options.dry_run:
            marked = self.core.store.put(info.bucket, key, marked)
            if customs.is_definition(info):
                self._delete_objects_of(key.name, options)
        return self.core.shown(info, marked)

    def _finalizers(
        self, info: ResourceInfo, current: Obj, wanted: DeleteOptions, options: Options
    ) -> list[str]:
        held = list(current["metadata"].get("finalizers") or [])
        policy = wanted.propagation
        if policy and policy not in _POLICIES:
            cause = unsupported("propagationPolicy", policy, _POLICIES)
            raise invalid_object("DeleteOptions", "meta.k8s.io", "", [cause])
        others = [one for one in held if one not in (ORPHAN, FOREGROUND)]
        if customs.is_definition(info) and "deletionTimestamp" not in current["metadata"]:
            others = [*(one for one in others if one != customs.CLEANUP), customs.CLEANUP]
        if policy:
            extra = _POLICY_FINALIZERS.get(policy)
            return [*others, extra] if extra else others
        if info.resource == JOBS and ORPHAN not in held and FOREGROUND not in held:
            options.warnings.append(_JOBS_KEEP_PODS)
            return [*others, ORPHAN]
        return [*others, *(one for one in held if one in (ORPHAN, FOREGROUND))]

    def _marked(self, info: ResourceInfo, current: Obj, finalizers: list[str], grace: int) -> Obj:
        metadata = dict(current["metadata"])
        if finalizers:
            metadata["finalizers"] = finalizers
        else:
            metadata.pop("finalizers", None)
        shorter = metadata.get("deletionGracePeriodSeconds", grace) != grace
        if "deletionTimestamp" not in metadata or shorter:
            if "generation" in metadata and not shorter:
                metadata["generation"] += 1
            metadata["deletionTimestamp"] = self.core.now(grace)
            metadata["deletionGracePeriodSeconds"] = grace
        marked = {**current, "metadata": metadata}
        if info.resource == NAMESPACES:
            metadata.pop("deletionGracePeriodSeconds", None)
            marked["status"] = {**(current.get("status") or {}), "phase": "Terminating"}
        return marked

    def _delete_objects_of(self, bucket: str, options: Options) -> None:
        """A definition takes its objects with it; those with finalizers keep it waiting."""
        infos = self.core.registry.in_bucket(bucket)
        for _, obj in self.core.store.items(bucket):
            self._delete(infos[0], obj, DeleteOptions(propagation="Background"), options)
        customs.cleaned_up(self.core, bucket)


def _grace(info: ResourceInfo, current: Obj, wanted: DeleteOptions) -> int:
    """Seconds a pod gets to end by itself; nothing else gets any."""
    if info.resource != PODS:
        return 0
    ended = dig(current, "status", "phase") in ("Failed", "Succeeded")
    if ended or not dig(current, "spec", "nodeName"):
        return 0
    if wanted.grace_period_seconds is not None:
        return max(0, wanted.grace_period_seconds)
    own = dig(current, "spec", "terminationGracePeriodSeconds")
    return int(_DEFAULT_GRACE if own is None else own)


def _check_preconditions(info: ResourceInfo, current: Obj, wanted: DeleteOptions) -> None:
    held = current["metadata"]
    why = ""
    if wanted.uid and wanted.uid != held["uid"]:
        why = (
            f"the UID in the precondition ({wanted.uid}) does not match the UID in record "
            f"({held['uid']}). The object might have been deleted and then recreated"
        )
    elif wanted.resource_version and wanted.resource_version != held["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({wanted.resource_version}) does not match "
            f"the ResourceVersion in record ({held['resourceVersion']}). The object might have "
            "been modified"
        )
    if why:
        name = held["name"]
        raise Conflict(
            f'Operation cannot be fulfilled on {info.resource.group_resource} "{name}": {why}',
            details=naming(info, name),
        )


def _gone(info: ResourceInfo, last: Obj) -> Obj:
    metadata = last["metadata"]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {**naming(info, metadata["name"]), "uid": metadata["uid"]},
    }
