"""Whether a CustomResourceDefinition names its type properly.

Owns names, scope and versions. Whether its schemas are structural is judged by ``sandbox.crd``.
Pure; read through the table in ``kinds``.
"""

import re
from collections.abc import Iterator
from typing import Final

from rollouts.kube.api import Obj
from rollouts.sandbox.causes import CauseLike, duplicate, invalid, required, unsupported
from rollouts.sandbox.objects import dig
from rollouts.sandbox.validation import LABEL_TEXT, SUBDOMAIN_TEXT, is_label, is_subdomain

_SCOPES: Final = ("Cluster", "Namespaced")
_VERSION: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_VERSION_TEXT: Final = "a DNS-1035 label must consist of lower case alphanumeric characters or '-'"


def definition_causes(obj: Obj) -> list[CauseLike]:
    spec = obj["spec"]
    group, scope = spec.get("group"), spec.get("scope")
    causes: list[CauseLike] = []
    if not group:
        causes.append(required("spec.group"))
    elif not is_subdomain(group) or "." not in group:
        detail = SUBDOMAIN_TEXT if not is_subdomain(group) else "should be a domain with a dot"
        causes.append(invalid("spec.group", group, detail))
    if scope not in _SCOPES:
        causes.append(
            unsupported("spec.scope", scope, _SCOPES) if scope else required("spec.scope")
        )
    causes += _name_causes(obj)
    causes += _version_causes(spec.get("versions") or [])
    if dig(spec, "conversion", "strategy") not in (None, "None"):
        strategy = dig(spec, "conversion", "strategy")
        causes.append(unsupported("spec.conversion.strategy", strategy, ("None",)))
    return causes


def definition_update_causes(obj: Obj, old: Obj) -> list[CauseLike]:
    """Objects that exist were stored under these words."""
    return [
        invalid(f"spec.{'.'.join(path)}", dig(obj, "spec", *path), "field is immutable")
        for path in (("group",), ("scope",), ("names", "plural"), ("names", "kind"))
        if dig(obj, "spec", *path) != dig(old, "spec", *path)
    ]


def _name_causes(obj: Obj) -> Iterator[CauseLike]:
    names, group = obj["spec"].get("names") or {}, obj["spec"].get("group")
    for field in ("plural", "singular", "kind", "listKind"):
        value = names.get(field)
        if not value:
            yield required(f"spec.names.{field}")
        elif not is_label(str(value).lower()):
            yield invalid(f"spec.names.{field}", value, LABEL_TEXT)
    for index, short in enumerate(names.get("shortNames") or []):
        if not is_label(short):
            yield invalid(f"spec.names.shortNames[{index}]", short, LABEL_TEXT)
    wanted = f"{names.get('plural')}.{group}"
    if obj["metadata"].get("name") != wanted:
        detail = 'must be spec.names.plural+"."+spec.group'
        yield invalid("metadata.name", obj["metadata"].get("name"), detail)


def _version_causes(versions: list[Obj]) -> Iterator[CauseLike]:
    if not versions:
        yield required("spec.versions", "must have exactly one version marked as storage version")
        return
    seen: set[str] = set()
    for index, version in enumerate(versions):
        path, name = f"spec.versions[{index}]", version.get("name")
        if not name:
            yield required(f"{path}.name")
        elif not _VERSION.fullmatch(name):
            yield invalid(f"{path}.name", name, _VERSION_TEXT)
        elif name in seen:
            yield duplicate(f"{path}.name", name)
        seen.add(name or "")
        if dig(version, "schema", "openAPIV3Schema") is None:
            yield required(f"{path}.schema.openAPIV3Schema", "schemas are required")
        scale = dig(version, "subresources", "scale")
        if scale is not None:
            yield from _scale_causes(f"{path}.subresources.scale", scale)
    if sum(1 for one in versions if one.get("storage")) != 1:
        detail = "must have exactly one version marked as storage version"
        yield invalid("spec.versions", [one.get("name") for one in versions], detail)


def _scale_causes(path: str, scale: Obj) -> Iterator[CauseLike]:
    for field, root in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        value = scale.get(field)
        if not value:
            yield required(f"{path}.{field}")
        elif not value.startswith(root):
            yield invalid(f"{path}.{field}", value, f"should be a json path under {root[:-1]}")
