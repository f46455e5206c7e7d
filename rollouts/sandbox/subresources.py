"""Everything below an object: scale, binding, eviction, and reviews that are never stored.

Owns the routing and the two small ones (binding, reviews); ``scale`` and ``eviction`` have their
own modules. ``status`` and ``finalize`` are ordinary writes. Called by ``apiserver``.
"""

from dataclasses import dataclass
from typing import Any

from rollouts.kube.api import Obj, PatchType
from rollouts.kube.errors import BadRequest, Conflict
from rollouts.sandbox import scale
from rollouts.sandbox.builtins import SELF_SUBJECT_ACCESS_REVIEWS, SELF_SUBJECT_RULES_REVIEWS
from rollouts.sandbox.causes import invalid, invalid_object, required
from rollouts.sandbox.core import Core, check_verb
from rollouts.sandbox.decoding import check_type
from rollouts.sandbox.deleting import Deleter
from rollouts.sandbox.eviction import evict
from rollouts.sandbox.objects import copied, dig, meta
from rollouts.sandbox.options import Options
from rollouts.sandbox.patching import unsupported_patch
from rollouts.sandbox.registry import ResourceInfo
from rollouts.sandbox.revisions import Key
from rollouts.sandbox.writing import Writer, conflict


@dataclass(frozen=True, slots=True)
class Subresources:
    core: Core
    writer: Writer
    deleter: Deleter

    def get(self, info: ResourceInfo, namespace: str | None, name: str, subresource: str) -> Obj:
        check_verb(info, "get", subresource)
        shown = self.core.shown(info, self.core.find(info, namespace, name))
        return scale.scale_of(info, shown) if subresource == "scale" else shown

    def create(
        self,
        info: ResourceInfo,
        namespace: str | None,
        name: str,
        body: Any,
        options: Options,
        *,
        subresource: str,
    ) -> Obj:
        check_verb(info, "create", subresource)
        if not isinstance(body, dict):
            raise BadRequest("the request body must be an object")
        if subresource == "eviction":
            return evict(self.core, self.deleter, info, namespace, name, body, options)
        return self._bind(info, namespace, name, body, options)

    def update_scale(
        self, info: ResourceInfo, namespace: str | None, name: str, body: Any, options: Options
    ) -> Obj:
        """Write the replicas of a Scale into the object. Its resourceVersion is a precondition."""
        check_verb(info, "update", "scale")
        return self._scaled(info, namespace, name, body, options)

    def patch_scale(  # noqa: PLR0917 - the agreed order of what a request consists of
        self,
        info: ResourceInfo,
        namespace: str | None,
        name: str,
        patch: Any,
        patch_type: PatchType,
        options: Options,
    ) -> Obj:
        check_verb(info, "patch", "scale")
        if patch_type is PatchType.STRATEGIC and info.custom is not None:
            raise unsupported_patch()
        shown = self.core.shown(info, self.core.find(info, namespace, name))
        body = scale.patched_scale(scale.scale_of(info, shown), patch, patch_type)
        return self._scaled(info, namespace, name, body, options)

    def _scaled(
        self, info: ResourceInfo, namespace: str | None, name: str, body: Any, options: Options
    ) -> Obj:
        replicas = scale.wanted_replicas(name, body)
        current = self.core.find(info, namespace, name)
        version = meta(body).get("resourceVersion")
        if version and version != current["metadata"]["resourceVersion"]:
            raise conflict(info, name)
        patch = scale.replicas_patch(info, replicas)
        written = self.writer.patch(info, namespace, name, patch, PatchType.MERGE, options)
        return scale.scale_of(info, written)

    def _bind(
        self, info: ResourceInfo, namespace: str | None, name: str, body: Obj, options: Options
    ) -> Obj:
        """Put a pod on a node."""
        node = dig(body, "target", "name")
        if not node:
            raise invalid_object("Binding", "", name, [required("target.name")])
        kind = dig(body, "target", "kind") or "Node"
        if kind not in ("Node", "Minion"):
            raise invalid_object(
                "Binding", "", name, [invalid("target.kind", kind, "must be Node")]
            )
        pod = copied(self.core.find(info, namespace, name))
        if "deletionTimestamp" in pod["metadata"]:
            raise _unbindable(name, f"pod {name} is being deleted, cannot be assigned to a host")
        if pod["spec"].get("nodeName"):
            why = f'pod {name} is already assigned to node "{pod["spec"]["nodeName"]}"'
            raise _unbindable(name, why)
        pod["spec"]["nodeName"] = node
        annotations = meta(body).get("annotations")
        if annotations:
            pod["metadata"]["annotations"] = {
                **(pod["metadata"].get("annotations") or {}),
                **annotations,
            }
        status = pod.setdefault("status", {})
        others = [one for one in status.get("conditions") or [] if one["type"] != "PodScheduled"]
        scheduled = {
            "type": "PodScheduled",
            "status": "True",
            "lastTransitionTime": self.core.now(),
        }
        status["conditions"] = [*others, scheduled]
        if not options.dry_run:
            key = Key(pod["metadata"]["namespace"], name)
            self.core.store.put(info.bucket, key, pod)
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "code": 201,
        }

    def reviewed(self, info: ResourceInfo, body: Any) -> Obj | None:
        """The answer to an access review, None for any other type. Everything is allowed here."""
        if info.resource == SELF_SUBJECT_ACCESS_REVIEWS:
            check_type(info, body)
            return {**body, "status": {"allowed": True}}
        if info.resource == SELF_SUBJECT_RULES_REVIEWS:
            check_type(info, body)
            rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
            urls = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
            status = {"resourceRules": rules, "nonResourceRules": urls, "incomplete": False}
            return {**body, "status": status}
        return None


def _unbindable(name: str, why: str) -> Conflict:
    return Conflict(
        f'Operation cannot be fulfilled on pods/binding "{name}": {why}',
        details={"name": name, "kind": "pods/binding"},
    )
