"""What the API server would say of an object of ours when it is applied.

Owns asking the CustomResourceDefinition (unknown fields, types, bounds, CEL rules) and the API
types of what it leaves free (metadata, pod templates). The rules themselves are theirs. Pure, but
for reading the definitions that are installed with the program. Used by ``lint`` and ``create``.
"""

import copy
import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from rollouts.api import names
from rollouts.kube.api import Obj
from rollouts.planner.gojson import Misfit, misfits
from rollouts.sandbox.crd import CustomType, Reason, VersionSchema, load
from rollouts.sandbox.crd.causes import NOWHERE
from rollouts.sandbox.crd.node import Node

GROUP: Final = "argoproj.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KINDS: Final = (
    "Rollout",
    "AnalysisTemplate",
    "ClusterAnalysisTemplate",
    "AnalysisRun",
    "Experiment",
)
_POD: Final = "PodTemplateSpec"
_TYPES: Final = re.compile(r'Invalid value: "(\w+)": .* in body must be of type (\w+): "\w+"')


@dataclass(frozen=True, slots=True)
class Refusal:
    """``unknown``: the field does not exist, so the place to look at is its name.

    ``mistyped``: the value has not even the type of the field; nothing else can be said of it.
    """

    path: str
    message: str
    unknown: bool = False
    mistyped: bool = False


def is_ours(obj: Obj) -> bool:
    """Whether it is one of the five kinds, in the version that is served."""
    return obj.get("apiVersion") == API_VERSION and obj.get("kind") in KINDS


def refusals(obj: Obj) -> Iterator[Refusal]:
    """All that an API server would refuse, or silently drop, of an object of ours."""
    kind = str(obj["kind"])
    yield from _metadata(obj.get("metadata"), namespaced=custom_type(kind).namespaced)
    yield from unknown_fields(obj)
    schema = _schema(kind)
    whole = copy.deepcopy(obj)
    schema.prune(whole)
    schema.default(whole)
    for cause in schema.validate(whole):
        if cause.field == NOWHERE:
            continue  # it only says that rules wait until the types are right
        yield Refusal(
            cause.field,
            _said(cause.message, cause.reason),
            mistyped=cause.reason is Reason.TYPE_INVALID,
        )


def unknown_fields(obj: Obj) -> Iterator[Refusal]:
    """Fields the API server would drop, and values in pod templates of types it does not take."""
    schema = _schema(str(obj["kind"]))
    for path in schema.prune(copy.deepcopy(obj)):
        parent, _, name = path.rpartition(".")
        yield Refusal(path, _unknown(name, _fields_at(schema.node, parent)), unknown=True)
    spec = _dict(obj.get("spec"))
    yield from _misfits(misfits(_dict(obj.get("metadata")), "ObjectMeta", "metadata"))
    yield from _misfits(misfits(spec.get("template"), _POD, "spec.template"))
    for index, template in enumerate(_list(spec.get("templates"))):
        path = f"spec.templates[{index}].template"
        yield from _misfits(misfits(_dict(template).get("template"), _POD, path))
    for index, metric in enumerate(_list(spec.get("metrics"))):
        job = _dict(_dict(_dict(metric).get("provider")).get("job"))
        path = f"spec.metrics[{index}].provider.job.spec.template"
        yield from _misfits(misfits(_dict(job.get("spec")).get("template"), _POD, path))


def _misfits(found: Iterable[Misfit]) -> Iterator[Refusal]:
    for one in found:
        if one.known is None:
            yield Refusal(one.path, one.message)
        else:
            name = one.path.rpartition(".")[2]
            yield Refusal(one.path, _unknown(name, one.known), unknown=True)


def _metadata(found: Any, *, namespaced: bool) -> Iterator[Refusal]:
    meta = _dict(found)
    if found is not None and not isinstance(found, dict):
        return  # the schema says so
    name = meta.get("name")
    if not name and not meta.get("generateName"):
        yield Refusal("metadata.name", "Required value: name or generateName is required")
    elif isinstance(name, str) and name and (complaint := names.dns_subdomain(name)):
        yield Refusal("metadata.name", f'Invalid value: "{name}": {complaint}')
    if meta.get("namespace") and not namespaced:
        yield Refusal("metadata.namespace", "Forbidden: the kind belongs to no namespace")
    for key, value in _dict(meta.get("labels")).items():
        if complaint := names.label_key(key):
            yield Refusal("metadata.labels", f'Invalid value: "{key}": {complaint}')
        elif isinstance(value, str) and (complaint := names.label_value(value)):
            yield Refusal(f"metadata.labels.{key}", f'Invalid value: "{value}": {complaint}')


def _said(message: str, reason: Reason) -> str:
    """The server repeats path and value, which lint's readers have before them."""
    if reason is Reason.TYPE_INVALID and (types := _TYPES.fullmatch(message)):
        return f"must be of type {types[2]}, not {types[1]}"
    if reason is Reason.INVALID and message.startswith(("Invalid value: {", 'Invalid value: "obj')):
        return "Invalid value: " + message.rpartition("}: ")[2].removeprefix('"object": ')
    return message


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f'unknown field "{name}"' + (f', did you mean "{near[0]}"?' if near else "")


def _fields_at(node: Node, path: str) -> tuple[str, ...]:
    """The fields that an object at ``path`` may have, as far as the schema can tell."""
    here: Node | None = node
    for part in path.split("."):
        name, *indexes = part.split("[")
        here = here.property(name) if here is not None and name else here
        for _ in indexes:
            here = here.items if here is not None else None
    return tuple(here.properties) if here is not None else ()


def _dict(value: Any) -> Obj:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# --- definitions ----------------------------------------------------------------------------------


@cache
def custom_type(kind: str) -> CustomType:
    """One of the five kinds as an embedded API server knows it."""
    return load(_definition(kind))


def _schema(kind: str) -> VersionSchema:
    return custom_type(kind).versions[VERSION]


def _definition(kind: str) -> Obj:
    """The generated file, because generating it anew takes half a second."""
    name = f"{kind.lower()}.yaml"
    checkout = Path(__file__).parents[3] / "crds" / name
    for place in (files("rollouts") / "data" / "crds" / name, checkout):
        if place.is_file():
            found: Obj = yaml.load(place.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
            return found
    from rollouts.api.crdgen import KINDS as GENERATED
    from rollouts.api.crdgen import crd

    return crd(next(one for one in GENERATED if one.kind == kind))
