"""Turns a CustomResourceDefinition into a CustomType, or refuses it with every reason at once.

Owns the whole check of a CRD: names, versions, schemas, defaults, rules. The API server's registry
calls ``load`` when a CRD is created or changed and keeps the result.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.kube.api import Obj
from rollouts.kube.resources import Resource
from rollouts.sandbox.crd import causes, shape
from rollouts.sandbox.crd.causes import Cause, refusal
from rollouts.sandbox.crd.jsonvalues import copy
from rollouts.sandbox.crd.names import (
    MAX_SELECTABLE,
    check_column,
    check_scale,
    check_spec,
    check_versions,
    mapping,
    sequence,
)
from rollouts.sandbox.crd.node import MISSING, Node, build
from rollouts.sandbox.crd.structural import check_structural
from rollouts.sandbox.crd.uniqueness import check_unique
from rollouts.sandbox.crd.validate import check
from rollouts.sandbox.crd.version import (
    DEFAULT_COLUMNS,
    PrinterColumn,
    ScalePaths,
    VersionSchema,
)


@dataclass(frozen=True, slots=True)
class CustomType:
    """A custom resource type: its names and its versions by name, in the CRD's order."""

    group: str
    plural: str
    singular: str
    kind: str
    list_kind: str
    namespaced: bool
    versions: Mapping[str, VersionSchema]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def storage(self) -> VersionSchema:
        return next(version for version in self.versions.values() if version.storage)

    @property
    def served(self) -> tuple[VersionSchema, ...]:
        return tuple(version for version in self.versions.values() if version.served)

    def resource(self, version: str) -> Resource:
        return Resource(self.group, version, self.plural, self.kind, self.namespaced)


def load(crd: Obj) -> CustomType:
    """The type a CRD defines. Invalid, with one cause per problem, when a server would refuse it.

    ``crd`` is not changed, and must not be changed afterwards: its schemas are kept.
    """
    out: list[Cause] = []
    spec = mapping(crd.get("spec"), "spec", out)
    name = mapping(crd.get("metadata"), "metadata", out).get("name") or ""
    check_spec(name, spec, out)
    raw_versions = sequence(spec.get("versions"), "spec.versions", out)
    check_versions(raw_versions, out)
    names = mapping(spec.get("names"), "spec.names", [])
    group, kind = str(spec.get("group")), str(names.get("kind"))
    versions = {
        str(raw.get("name")): _version(raw, f"spec.versions[{i}]", group, kind, out)
        for i, raw in enumerate(raw_versions)
        if isinstance(raw, dict)
    }
    loaded = {key: version for key, version in versions.items() if version is not None}
    if out:
        raise refusal("CustomResourceDefinition", "apiextensions.k8s.io", str(name), out)
    return CustomType(
        group=group,
        plural=names["plural"],
        singular=names.get("singular") or kind.lower(),
        kind=kind,
        list_kind=names.get("listKind") or f"{kind}List",
        namespaced=spec.get("scope") == "Namespaced",
        versions=loaded,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
    )


def _version(raw: Obj, path: str, group: str, kind: str, out: list[Cause]) -> VersionSchema | None:
    before = len(out)
    subresources = mapping(raw.get("subresources"), f"{path}.subresources", out)
    scale = mapping(subresources.get("scale"), f"{path}.subresources.scale", out)
    if subresources.get("scale") is not None:
        check_scale(scale, f"{path}.subresources.scale", out)
    columns = _columns(raw, path, out)
    schema = mapping(raw.get("schema"), f"{path}.schema", out).get("openAPIV3Schema")
    where = f"{path}.schema.openAPIV3Schema"
    if schema is None:
        out.append(causes.required(where, "schemas are required"))
        return None
    has_status = subresources.get("status") is not None
    out.extend(check_structural(schema, where, has_status=has_status))
    if len(out) > before:
        return None
    node = build(schema)
    selectable = _selectable(raw, node, path, out)
    _check_defaults(node, where, out)
    types = _compile(node, where, out) if len(out) == before and _has_rules(node) else None
    if len(out) > before:
        return None
    return VersionSchema(
        name=str(raw.get("name")),
        group=group,
        kind=kind,
        served=raw.get("served") is True,
        storage=raw.get("storage") is True,
        node=node,
        types=types,
        columns=columns,
        status=has_status,
        scale=_scale(scale) if scale else None,
        selectable=selectable,
        deprecation=_deprecation(raw, group, kind),
    )


def _has_rules(node: Node) -> bool:
    return bool(node.raw.get("x-kubernetes-validations")) or any(map(_has_rules, node.children))


def _compile(node: Node, path: str, out: list[Cause]) -> Any:
    # The expression language costs 30 ms to import: a cluster without rules never pays.
    from rollouts.sandbox.crd.rule_values import Types
    from rollouts.sandbox.crd.rules import RuleCompiler

    types = Types()
    RuleCompiler(types, out).compile(node, path, root=True)
    return types


def _columns(raw: Obj, path: str, out: list[Cause]) -> tuple[PrinterColumn, ...]:
    where = f"{path}.additionalPrinterColumns"
    stated = sequence(raw.get("additionalPrinterColumns"), where, out)
    columns = []
    for i, item in enumerate(stated):
        before = len(out)
        column = dict(mapping(item, f"{where}[{i}]", out))
        check_column(column, f"{where}[{i}]", out)
        if len(out) == before:
            columns.append(
                PrinterColumn(
                    column["name"],
                    column["type"],
                    column["jsonPath"],
                    column.get("format") or "",
                    column.get("description") or "",
                    column.get("priority") or 0,
                )
            )
    return tuple(columns) if stated else DEFAULT_COLUMNS


def _scale(scale: Mapping[str, Any]) -> ScalePaths:
    return ScalePaths(
        scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath") or ""
    )


def _deprecation(raw: Obj, group: str, kind: str) -> str:
    """The warning header of a deprecated version, or nothing."""
    if not raw.get("deprecated"):
        return ""
    return raw.get("deprecationWarning") or f"{group}/{raw.get('name')} {kind} is deprecated"


def _selectable(raw: Obj, node: Node, path: str, out: list[Cause]) -> tuple[str, ...]:
    """The JSONPaths a field selector may use, such as ``.spec.color``."""
    where = f"{path}.selectableFields"
    found: list[str] = []
    for i, item in enumerate(sequence(raw.get("selectableFields"), where, out)):
        json_path = mapping(item, f"{where}[{i}]", out).get("jsonPath")
        at = f"{where}[{i}].jsonPath"
        if not isinstance(json_path, str) or not json_path:
            out.append(causes.required(at))
        elif json_path.startswith(".metadata"):
            out.append(causes.invalid(at, json_path, "must not point to fields in metadata"))
        elif json_path in found:
            out.append(causes.duplicate(at, json_path))
        elif _type_at(node, json_path) not in ("string", "boolean", "integer"):
            detail = (
                "must point to a field of type string, boolean or integer. Enum string fields and"
                " strings with formats are allowed."
            )
            out.append(causes.invalid(at, json_path, detail))
        else:
            found.append(json_path)
    if len(found) > MAX_SELECTABLE:
        out.append(causes.too_many(where, len(found), MAX_SELECTABLE))
    return tuple(found)


def _type_at(node: Node, json_path: str) -> str:
    here: Node | None = node
    for step in json_path.lstrip(".").split("."):
        here = here.properties.get(step) if here is not None else None
    return (here.raw.get("type") or "") if here is not None else ""


def _check_defaults(node: Node, path: str, out: list[Cause]) -> None:
    """Every default must satisfy its own schema, and hold no field the schema would prune."""
    for inner, where in _defaulted(node, path):
        value = copy(inner.default)
        unknown: list[str] = []
        shape.prune(value, inner, "", unknown)
        at = f"{where}.default"
        if unknown:
            out.append(causes.invalid(at, inner.default, "must not have unknown fields"))
            continue
        shape.fill(value, inner)
        problems: list[Cause] = []
        check(value, inner, at, problems, MISSING)
        check_unique(value, inner, at, problems)
        out.extend(problems)
    for name in ("apiVersion", "kind", "metadata"):
        top = node.properties.get(name)
        for _, where in _defaulted(top, f"{path}.properties[{name}]") if top else ():
            detail = f"must not be set in top-level {name}"
            out.append(causes.forbidden(f"{where}.default", detail))


def _defaulted(node: Node, path: str) -> Iterator[tuple[Node, str]]:
    if node.default is not MISSING:
        yield node, path
    for name, inner in node.properties.items():
        yield from _defaulted(inner, f"{path}.properties[{name}]")
    if node.additional is not None:
        yield from _defaulted(node.additional, f"{path}.additionalProperties")
    if node.items is not None:
        yield from _defaulted(node.items, f"{path}.items")
