"""An AnalysisRun from a template, for ``create analysisrun``.

Owns fetching a template with all it includes, and the object made of it. How templates become the
spec of a run is ``analysis.templates``' business.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.args import ArgsError
from analysis.decode import decode
from analysis.spec import Argument, RunSpec, TemplateRef, TemplateSpec
from analysis.templates import TemplateError, run_spec
from rollouts.api import labels
from rollouts.cli.common import Client, FailedError
from rollouts.kube.api import Obj
from rollouts.kube.errors import NotFound
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
)

_Key = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Source:
    """A template, and every template it may include: by name and whether it is cluster-wide."""

    root: Obj
    ref: TemplateRef
    templates: Mapping[_Key, TemplateSpec]

    def find(self, ref: TemplateRef) -> TemplateSpec | None:
        return self.templates.get((ref.template_name, ref.cluster_scope))


async def source(client: Client, name: str, local: Sequence[Obj], *, cluster_scope: bool) -> Source:
    """The template called ``name`` in the cluster, or the first of those in ``local``.

    Templates it includes come from ``local``, else from the cluster. Raises FailedError where
    ``local`` holds no template, NotFound for one the cluster does not have.
    """
    kinds = {ANALYSIS_TEMPLATES.kind: False, CLUSTER_ANALYSIS_TEMPLATES.kind: True}
    known = {(_name(one), kinds[one["kind"]]): one for one in local if one["kind"] in kinds}
    if local:
        if not known:
            raise FailedError("the file holds no AnalysisTemplate or ClusterAnalysisTemplate")
        name, cluster_scope = next(iter(known))
    ref = TemplateRef(template_name=name, cluster_scope=cluster_scope)
    found: dict[_Key, TemplateSpec] = {}
    pending = [ref]
    root: Obj = {}
    while pending:
        one = pending.pop()
        key = (one.template_name, one.cluster_scope)
        if key in found:
            continue
        obj = known.get(key) or await _fetched(client, key)
        root = root or obj
        found[key] = _spec(obj)
        pending.extend(found[key].templates)
    return Source(root, ref, found)


async def _fetched(client: Client, key: _Key) -> Obj:
    name, cluster_scope = key
    resource = CLUSTER_ANALYSIS_TEMPLATES if cluster_scope else ANALYSIS_TEMPLATES
    try:
        return await client.api.get(resource, name, None if cluster_scope else client.namespace)
    except NotFound:
        raise FailedError(f'{resource.group_resource} "{name}" not found') from None


def _spec(obj: Obj) -> TemplateSpec:
    spec, problems = decode(TemplateSpec, obj.get("spec"), at="spec")
    if problems:
        raise FailedError(f"{obj['kind']} {_name(obj)}: {problems[0]}")
    return spec


def unused(found: Source, given: Mapping[str, str]) -> Iterator[str]:
    """Arguments that no template declares."""
    declared = {arg.name for one in found.templates.values() for arg in one.args}
    return (name for name in given if name not in declared)


def body(
    found: Source,
    given: Mapping[str, str],
    *,
    name: str = "",
    prefix: str = "",
    instance_id: str = "",
) -> Obj:
    """The run to create. Raises FailedError when an argument is missing, naming it."""
    meta: dict[str, Any] = {}
    root = found.root["metadata"]
    if name:
        meta["name"] = name
    else:
        meta["generateName"] = prefix or root.get("generateName") or f"{_name(found.root)}-"
    if instance_id:
        meta["labels"] = {labels.INSTANCE_ID: instance_id}
    return {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": ANALYSIS_RUNS.kind,
        "metadata": meta,
        "spec": _run_spec(found, given).to_obj(),
    }


def _run_spec(found: Source, given: Mapping[str, str]) -> RunSpec:
    arguments = [Argument(name=key, value=value) for key, value in given.items()]
    try:
        return run_spec([found.ref], found.find, arguments=arguments)
    except (ArgsError, TemplateError) as error:
        raise FailedError(str(error)) from None


def _name(obj: Obj) -> str:
    meta = obj["metadata"]
    return str(meta.get("name") or meta.get("generateName", "").rstrip("-"))
