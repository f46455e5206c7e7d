"""Create, update and patch: one pipeline every written object passes through.

decode → system metadata → defaults → validation → store. Owns system metadata (uid, generation,
times, resourceVersion as a precondition) and what the main and the status endpoint may touch.
What a kind adds is in ``kinds``; what ends an object is in ``deleting``. Called by ``apiserver``.
"""

from dataclasses import dataclass
from typing import Any, Final

from rollouts.kube.api import Obj, PatchType
from rollouts.kube.errors import AlreadyExists, ApiError, BadRequest, Conflict, Forbidden, NotFound
from rollouts.sandbox import conversion, customs, deleting
from rollouts.sandbox.causes import CauseLike, forbidden, invalid, invalid_object
from rollouts.sandbox.core import Core, check_verb, naming
from rollouts.sandbox.decoding import (
    Refusal,
    check_type,
    decoded,
    explained,
    object_refused,
    patch_refused,
)
from rollouts.sandbox.kinds import strategy_of
from rollouts.sandbox.objects import copied, meta
from rollouts.sandbox.options import Options
from rollouts.sandbox.patching import patched
from rollouts.sandbox.registry import ResourceInfo
from rollouts.sandbox.revisions import Key
from rollouts.sandbox.validation import metadata_causes

MODIFIED_TEXT: Final = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
# Metadata the server alone writes: an update keeps what is there, whatever the client sent.
_SYSTEM: Final = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)
_NAME_TRIES: Final = 8


def conflict(info: ResourceInfo, name: str, why: str = MODIFIED_TEXT) -> Conflict:
    """The 409 whose text clients compare."""
    text = f'Operation cannot be fulfilled on {info.resource.group_resource} "{name}": {why}'
    return Conflict(text, details=naming(info, name))


@dataclass(frozen=True, slots=True)
class Writer:
    """The writing half of the API server, deletion aside."""

    core: Core

    def create(self, info: ResourceInfo, namespace: str | None, body: Any, options: Options) -> Obj:
        check_verb(info, "create")
        _warn_deprecated(info, options)
        customs.check_creatable(self.core, info)
        obj = decoded(info, body, options)
        scope = _placed(info, namespace, obj)
        if scope:
            self._check_namespace(info, scope, obj)
        generated = self._stamp_new(info, obj)
        strategy = strategy_of(info)
        if info.has_status and not strategy.born_with_status:
            obj.pop("status", None)
        causes = metadata_causes(info, obj)
        if not obj["metadata"].get("name"):
            raise self._invalid(info, "", causes)
        with explained(info, body):
            self._default(info, obj)
            strategy.on_create(self.core, obj)
            self._check(info, obj, None, causes)
        if generated:
            self._draw_free_name(info, scope, obj["metadata"])
        key = Key(scope, obj["metadata"]["name"])
        if self.core.store.get(info.bucket, key) is not None:
            raise _already_exists(info, key.name)
        return self._committed(info, key, obj, options)

    def update(  # noqa: PLR0917 - the agreed order of what a request consists of
        self,
        info: ResourceInfo,
        namespace: str | None,
        name: str,
        body: Any,
        options: Options,
        subresource: str = "",
    ) -> Obj:
        check_verb(info, "update", subresource)
        check_type(info, body)
        _check_names(info, namespace, name, meta(body))
        current = self.core.find(info, namespace, name)
        version = meta(body).get("resourceVersion")
        if not version and (info.custom is not None or not strategy_of(info).unconditional):
            raise self._invalid(info, name, [_must_have_version()])
        return self._replace(info, current, body, options, subresource)

    def patch(  # noqa: PLR0917 - the agreed order of what a request consists of
        self,
        info: ResourceInfo,
        namespace: str | None,
        name: str,
        patch: Any,
        patch_type: PatchType,
        options: Options,
        subresource: str = "",
    ) -> Obj:
        """A patch that names no resourceVersion applies to whatever is there: no conflict."""
        check_verb(info, "patch", subresource)
        current = self.core.find(info, namespace, name)
        result = patched(info, self.core.shown(info, current), patch, patch_type)
        check_type(info, result)
        _check_names(info, namespace, name, meta(result))
        return self._replace(info, current, result, options, subresource, patch_refused(patch))

    def _replace(  # noqa: PLR0917 - one step of the pipeline, private
        self,
        info: ResourceInfo,
        current: Obj,
        body: Obj,
        options: Options,
        subresource: str,
        refused: Refusal = object_refused,
    ) -> Obj:
        name = current["metadata"]["name"]
        _warn_deprecated(info, options)
        obj = decoded(info, body, options, refused)
        self._check_preconditions(info, current, obj["metadata"])
        old = conversion.current(info, current)
        obj = _merged_by_endpoint(info, old, obj, subresource)
        _keep_system_metadata(obj, old)
        with explained(info, body):
            if not subresource:
                self._default(info, obj)
                strategy_of(info).on_update(self.core, obj, old)
            elif info.custom is not None:
                self._default(info, obj)
            causes = metadata_causes(info, obj) if not subresource else []
            self._check(info, obj, old, [*causes, *_finalizer_causes(obj, old)])
        if _spec_changed(info, obj, old):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        key = Key(current["metadata"].get("namespace", ""), name)
        if _same(obj, current):
            return self.core.shown(info, current)
        if deleting.is_finished(obj, old):
            return deleting.removed(self.core, info, key, obj, dry_run=options.dry_run)
        return self._committed(info, key, obj, options)

    def _committed(self, info: ResourceInfo, key: Key, obj: Obj, options: Options) -> Obj:
        """Write and show. A custom resource definition takes effect with its own write."""
        old = self.core.store.get(info.bucket, key)
        loaded = customs.load_definition(self.core, info, obj, old)
        if options.dry_run:
            return self._imagined(info, obj, old)
        written = self.core.store.put(info.bucket, key, obj)
        if loaded is not None:
            customs.publish(self.core, written, loaded)
        return self.core.shown(info, written)

    def _imagined(self, info: ResourceInfo, obj: Obj, old: Obj | None) -> Obj:
        """What a write would have stored; a new object has no resourceVersion until it is."""
        revision = old["metadata"]["resourceVersion"] if old else str(self.core.store.revision)
        obj["metadata"]["resourceVersion"] = revision
        shown = self.core.shown(info, obj)
        if old is not None:
            return shown
        metadata = {k: v for k, v in shown["metadata"].items() if k != "resourceVersion"}
        return {**shown, "metadata": metadata}

    def _check_namespace(self, info: ResourceInfo, namespace: str, obj: Obj) -> None:
        found = self.core.namespace(namespace)
        if found is None:
            raise NotFound(
                f'namespaces "{namespace}" not found',
                details={"name": namespace, "kind": "namespaces"},
            )
        if "deletionTimestamp" in found["metadata"]:
            name = obj["metadata"].get("name", "")
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
            raise Forbidden(
                f'{info.resource.group_resource} "{name}" is forbidden: unable to create new '
                f"content in namespace {namespace} because it is being terminated",
                details={**naming(info, name), "causes": [cause]},
            )

    def _stamp_new(self, info: ResourceInfo, obj: Obj) -> bool:
        """System metadata of a new object; True when its name was made up from generateName."""
        metadata = obj["metadata"]
        if metadata.get("resourceVersion"):
            raise ApiError(
                "resourceVersion should not be set on objects to be created", code=500, reason=""
            )
        for field in _SYSTEM:
            metadata.pop(field, None)
        generated = not metadata.get("name") and bool(metadata.get("generateName"))
        if generated:
            metadata["name"] = self.core.suffix(metadata["generateName"])
        metadata["uid"] = self.core.uid()
        metadata["creationTimestamp"] = self.core.now()
        if info.generation or info.custom is not None:
            metadata["generation"] = 1
        return generated

    def _draw_free_name(self, info: ResourceInfo, scope: str, metadata: Obj) -> None:
        """A generated name that is taken is drawn again a few times."""
        for _ in range(_NAME_TRIES):
            if self.core.store.get(info.bucket, Key(scope, metadata["name"])) is None:
                return
            metadata["name"] = self.core.suffix(metadata["generateName"])

    def _check_preconditions(self, info: ResourceInfo, current: Obj, sent: Obj) -> None:
        held = current["metadata"]
        uid = sent.get("uid")
        if uid and uid != held["uid"]:
            raise conflict(
                info,
                held["name"],
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
                f"{held['uid']}",
            )
        version = sent.get("resourceVersion")
        if version and version != held["resourceVersion"]:
            raise conflict(info, held["name"])

    def _default(self, info: ResourceInfo, obj: Obj) -> None:
        if info.custom is not None:
            info.custom.versions[info.resource.version].default(obj)
        else:
            strategy_of(info).default(obj)

    def _check(
        self, info: ResourceInfo, obj: Obj, old: Obj | None, causes: list[CauseLike]
    ) -> None:
        found: list[CauseLike] = list(causes)
        if info.custom is not None:
            found += info.custom.versions[info.resource.version].validate(obj, old)
        else:
            strategy = strategy_of(info)
            found += strategy.validate(obj)
            if old is not None:
                found += strategy.validate_update(obj, old)
        if found:
            raise self._invalid(info, obj["metadata"].get("name", ""), found)

    def _invalid(self, info: ResourceInfo, name: str, causes: list[CauseLike]) -> ApiError:
        return invalid_object(info.resource.kind, info.resource.group, name, causes)


def _warn_deprecated(info: ResourceInfo, options: Options) -> None:
    if info.deprecation:
        options.warnings.append(info.deprecation)


def _must_have_version() -> CauseLike:
    return invalid("metadata.resourceVersion", 0, "must be specified for an update")


def _already_exists(info: ResourceInfo, name: str) -> AlreadyExists:
    return AlreadyExists(
        f'{info.resource.group_resource} "{name}" already exists', details=naming(info, name)
    )


def _placed(info: ResourceInfo, namespace: str | None, obj: Obj) -> str:
    """Put the object where the URL says, and return that namespace ("" if cluster-scoped)."""
    metadata = obj["metadata"]
    if not info.resource.namespaced:
        metadata.pop("namespace", None)
        return ""
    if not namespace:
        raise BadRequest("an empty namespace may not be set during creation")
    if metadata.setdefault("namespace", namespace) != namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    return namespace


def _check_names(info: ResourceInfo, namespace: str | None, name: str, metadata: Obj) -> None:
    sent = metadata.get("name")
    if sent and sent != name:
        raise BadRequest(
            f"the name of the object ({sent}) does not match the name on the URL ({name})"
        )
    where = metadata.get("namespace")
    if info.resource.namespaced and where and namespace and where != namespace:
        raise BadRequest(
            f"the namespace of the object ({where}) does not match the namespace on the URL "
            f"({namespace})"
        )


def _merged_by_endpoint(info: ResourceInfo, old: Obj, sent: Obj, subresource: str) -> Obj:
    """What the endpoint may change comes from the client, everything else from the store."""
    if subresource == "status":
        kept: Obj = copied(old)
        kept.pop("status", None)
        return {**kept, "status": sent["status"]} if "status" in sent else kept
    if subresource == "finalize":
        finalized: Obj = copied(old)
        finalized.setdefault("spec", {})["finalizers"] = _finalizers(sent.get("spec") or {})
        return finalized
    if info.has_status:
        sent.pop("status", None)
        if "status" in old:
            sent["status"] = copied(old["status"])
    return sent


def _finalizers(part: Obj) -> list[str]:
    return list(part.get("finalizers") or [])


def _keep_system_metadata(obj: Obj, old: Obj) -> None:
    metadata, held = obj["metadata"], old["metadata"]
    for field in _SYSTEM:
        if field in held:
            metadata[field] = held[field]
        else:
            metadata.pop(field, None)
    metadata["name"] = held["name"]
    if "namespace" in held:
        metadata["namespace"] = held["namespace"]
    metadata["resourceVersion"] = held["resourceVersion"]


def _finalizer_causes(obj: Obj, old: Obj) -> list[CauseLike]:
    if "deletionTimestamp" not in old["metadata"]:
        return []
    added = set(_finalizers(obj["metadata"])) - set(_finalizers(old["metadata"]))
    if not added:
        return []
    names = ", ".join(f'"{one}"' for one in sorted(added))
    detail = (
        "no new finalizers can be added if the object is being deleted, found new finalizers "
        f"[]string{{{names}}}"
    )
    return [forbidden("metadata.finalizers", detail)]


def _spec_changed(info: ResourceInfo, obj: Obj, old: Obj) -> bool:
    """Whether the generation grows: the desired state differs, not metadata and not status."""
    if info.custom is None and not info.generation:
        return False
    ignored = {"metadata", "apiVersion", "kind"} | ({"status"} if info.has_status else set())
    fields = (obj.keys() | old.keys()) - ignored
    return any(obj.get(field) != old.get(field) for field in fields)


def _same(obj: Obj, current: Obj) -> bool:
    """Whether a write would change nothing; then it does not happen and no revision passes."""
    return _plain(obj) == _plain(current)


def _plain(obj: Obj) -> Obj:
    metadata = {key: value for key, value in obj["metadata"].items() if value not in ({}, [])}
    return {**obj, "metadata": metadata}
