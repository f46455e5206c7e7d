"""Checks what a CRD says outside its schemas: names, scope, versions, columns, subresources.

Owns the form of ``spec``; schemas belong to ``structural``. Appends the API server's causes.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.sandbox.crd import causes
from rollouts.sandbox.crd.causes import Cause
from rollouts.sandbox.crd.jsonvalues import kind_of

_LABEL: Final = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(
    r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
)
_LABEL_DETAIL: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an"
    " alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or"
    " 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_MIXED: Final = f"may have mixed case, but should otherwise match: {_LABEL_DETAIL}"
_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = (
    "byte", "date", "date-time", "double", "float", "int32", "int64", "password",
)  # fmt: skip
MAX_SELECTABLE: Final = 8


def mapping(value: Any, path: str, out: list[Cause]) -> Mapping[str, Any]:
    """The value when it is an object; otherwise a cause, and nothing."""
    if isinstance(value, dict):
        return value
    if value is not None:
        actual = kind_of(value)
        detail = f'{path} in body must be of type object: "{actual}"'
        out.append(causes.wrong_type(path, actual, detail))
    return {}


def sequence(value: Any, path: str, out: list[Cause]) -> list[Any]:
    """The value when it is a list; otherwise a cause, and nothing."""
    if isinstance(value, list):
        return value
    if value is not None:
        actual = kind_of(value)
        detail = f'{path} in body must be of type array: "{actual}"'
        out.append(causes.wrong_type(path, actual, detail))
    return []


def check_spec(name: str, spec: Mapping[str, Any], out: list[Cause]) -> None:
    """Group, names, scope, conversion; and that the object is named ``<plural>.<group>``."""
    group = spec.get("group")
    if not group:
        out.append(causes.required("spec.group"))
    elif not isinstance(group, str) or not _SUBDOMAIN.fullmatch(group):
        out.append(causes.invalid("spec.group", group, "must be a lowercase DNS subdomain"))
    elif "." not in group:
        detail = "should be a domain with at least one dot"
        out.append(causes.invalid("spec.group", group, detail))
    names = mapping(spec.get("names"), "spec.names", out)
    _check_names(names, out)
    expected = f"{names.get('plural')}.{group}"
    if name != expected:
        detail = 'must be spec.names.plural+"."+spec.group'
        out.append(causes.invalid("metadata.name", name, detail))
    scope = spec.get("scope")
    if not scope:
        out.append(causes.required("spec.scope"))
    elif scope not in ("Cluster", "Namespaced"):
        out.append(causes.not_supported("spec.scope", scope, ["Cluster", "Namespaced"]))
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in"
            " spec.versions[*].schema instead"
        )
        out.append(causes.invalid("spec.preserveUnknownFields", value=True, detail=detail))
    conversion = mapping(spec.get("conversion"), "spec.conversion", out)
    strategy = conversion.get("strategy", "None")
    if strategy not in ("None", "Webhook"):
        where = "spec.conversion.strategy"
        out.append(causes.not_supported(where, strategy, ["None", "Webhook"]))


def _check_names(names: Mapping[str, Any], out: list[Cause]) -> None:
    for key in ("plural", "singular", "kind", "listKind"):
        value = names.get(key)
        mixed = key in ("kind", "listKind")
        if not value:
            if key in ("plural", "kind"):
                out.append(causes.required(f"spec.names.{key}"))
        elif not isinstance(value, str) or not _LABEL.fullmatch(value.lower() if mixed else value):
            detail = _MIXED if mixed else _LABEL_DETAIL
            out.append(causes.invalid(f"spec.names.{key}", value, detail))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        detail = "kind and listKind may not be the same"
        out.append(causes.invalid("spec.names.listKind", names["listKind"], detail))
    for key in ("shortNames", "categories"):
        for i, word in enumerate(sequence(names.get(key), f"spec.names.{key}", out)):
            if not isinstance(word, str) or not _LABEL.fullmatch(word):
                out.append(causes.invalid(f"spec.names.{key}[{i}]", word, _LABEL_DETAIL))


def check_versions(versions: list[Any], out: list[Cause]) -> None:
    """Version names are labels and unique, and exactly one version is stored."""
    if not versions:
        out.append(causes.required("spec.versions"))
        return
    named = []
    for i, version in enumerate(versions):
        name = mapping(version, f"spec.versions[{i}]", out).get("name")
        if not name:
            out.append(causes.required(f"spec.versions[{i}].name"))
        elif not isinstance(name, str) or not _LABEL.fullmatch(name):
            out.append(causes.invalid(f"spec.versions[{i}].name", name, _LABEL_DETAIL))
        named.append(name)
    shown = [str(name) for name in named]
    if len(set(shown)) < len(shown):
        out.append(causes.invalid("spec.versions", shown, "must contain unique version names"))
    stored = sum(isinstance(v, dict) and v.get("storage") is True for v in versions)
    if stored != 1:
        detail = "must have exactly one version marked as storage version"
        out.append(causes.invalid("spec.versions", shown, detail))


def check_column(column: Obj, path: str, out: list[Cause]) -> None:
    if not column.get("name"):
        out.append(causes.required(f"{path}.name"))
    detail = f"must be one of {','.join(_COLUMN_TYPES)}"
    type_ = column.get("type")
    if not type_:
        out.append(causes.required(f"{path}.type", detail))
    elif type_ not in _COLUMN_TYPES:
        out.append(causes.invalid(f"{path}.type", type_, detail))
    format_ = column.get("format")
    if format_ and format_ not in _COLUMN_FORMATS:
        detail = f"must be one of {','.join(_COLUMN_FORMATS)}"
        out.append(causes.invalid(f"{path}.format", format_, detail))
    json_path = column.get("jsonPath")
    if not json_path or not isinstance(json_path, str):
        out.append(causes.required(f"{path}.jsonPath"))


def check_scale(scale: Mapping[str, Any], path: str, out: list[Cause]) -> None:
    for key, roots, needed in (
        ("specReplicasPath", (".spec.",), True),
        ("statusReplicasPath", (".status.",), True),
        ("labelSelectorPath", (".spec.", ".status."), False),
    ):
        value, where = scale.get(key), f"{path}.{key}"
        if not value:
            if needed:
                out.append(causes.required(where))
        elif not isinstance(value, str) or not value.startswith("."):
            detail = "must be a simple json path starting with ."
            out.append(causes.invalid(where, value, detail))
        elif not value.startswith(roots):
            under = "either .spec or .status" if len(roots) > 1 else roots[0].rstrip(".")
            out.append(causes.invalid(where, value, f"should be a json path under {under}"))
