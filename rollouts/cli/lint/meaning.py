"""What the controller would say of a Rollout, and of what the objects given refer to.

Owns following references among the documents: what is found is checked as the controller would,
what is not found is told apart, because it may well stand in another file. The checks are those of
``rollouts.api``. Called once all documents are read. Pure.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from analysis.spec import TemplateRef
from rollouts.api.experiment import Experiment
from rollouts.api.experimentvalidation import first_problem
from rollouts.api.references import References, analyses, reference_errors, services
from rollouts.api.rollout import Rollout
from rollouts.api.validation import problems
from rollouts.kube.api import Obj

_CLUSTER: Final = "ClusterAnalysisTemplate"
_TEMPLATE: Final = "AnalysisTemplate"
_WORKLOADS: Final = {
    "Deployment": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "PodTemplate": ("template",),
}


@dataclass(frozen=True, slots=True)
class Remark:
    """``missing``: the problem is only that something is not among the documents."""

    path: str
    message: str
    missing: bool = False


class Known:
    """The objects of all files, by kind, namespace and name."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], list[Obj]] = {}

    def add(self, obj: Obj) -> Obj | None:
        """Remember an object; the one that had its name before, if there was one."""
        name = str(_meta(obj).get("name") or "")
        if not name:
            return None
        same = self._objects.setdefault((str(obj.get("kind")), name), [])
        place = (_namespace(obj), _group(obj))
        twin = next((one for one in same if (_namespace(one), _group(one)) == place), None)
        same.append(obj)
        return twin

    def find(self, kind: str, namespace: str, name: str) -> Obj | None:
        """An object that is called so, in ``namespace`` or in none in particular."""
        for one in self._objects.get((kind, name), []):
            if not namespace or _namespace(one) in ("", namespace):
                return one
        return None


def rollout_remarks(obj: Obj, known: Known) -> Iterator[Remark]:
    """What is wrong with a Rollout, by itself and with what it refers to."""
    rollout = Rollout.decode(obj)
    resolved = None
    if rollout.spec.workload_ref is not None:
        resolved, remark = _with_workload(rollout, known)
        if remark is not None:
            yield remark
    for error in problems(resolved or rollout, resolved=resolved is not None):
        yield Remark(_real(error.path, rollout), error.body)
    rollout = resolved or rollout
    yield from _missing(rollout, known)
    for error in reference_errors(rollout, _references(rollout, known)):
        yield Remark(error.path, error.body)


def experiment_remarks(obj: Obj, known: Known) -> Iterator[Remark]:
    """What is wrong with an Experiment, by itself and with what it refers to."""
    experiment = Experiment.decode(obj)
    unread = [problem for problem in experiment.problems if problem.path.startswith("spec")]
    for problem in unread:
        yield Remark(problem.path, problem.message)
    if not unread and (sentence := first_problem(experiment)) is not None:
        yield Remark("spec", sentence)
    yield from reference_remarks(obj, "analyses", known)


def reference_remarks(obj: Obj, field: str, known: Known) -> Iterator[Remark]:
    """Templates that ``spec.<field>`` names: what a template includes, an Experiment's analyses."""
    found = _object(obj.get("spec")).get(field)
    for index, ref in enumerate(found if isinstance(found, list) else ()):
        if isinstance(ref, dict) and ref.get("templateName"):
            named = TemplateRef(
                template_name=str(ref["templateName"]),
                cluster_scope=ref.get("clusterScope") is True,
            )
            path = f"spec.{field}[{index}].templateName"
            yield from _template_missing(named, path, _namespace(obj), known)


def _missing(rollout: Rollout, known: Known) -> Iterator[Remark]:
    namespace = rollout.metadata.namespace
    for use in services(rollout):
        if known.find("Service", namespace, use.name) is None:
            yield Remark(use.path, f'Service "{use.name}" is not in the files given', missing=True)
    for analysis in analyses(rollout):
        for path, ref in analysis.templates:
            yield from _template_missing(ref, path, namespace, known)


def _template_missing(
    ref: TemplateRef, path: str, namespace: str, known: Known
) -> Iterator[Remark]:
    kind = _CLUSTER if ref.cluster_scope else _TEMPLATE
    if known.find(kind, "" if ref.cluster_scope else namespace, ref.template_name) is None:
        text = f'{kind} "{ref.template_name}" is not in the files given'
        yield Remark(path, text, missing=True)


def _references(rollout: Rollout, known: Known) -> References:
    """What is not among the documents is taken for something that fits."""
    namespace = rollout.metadata.namespace

    def look(kind: str, where: str) -> Callable[[str], Obj]:
        return lambda name: known.find(kind, where, name) or {}

    def service(name: str) -> Obj:
        found = known.find("Service", namespace, name) or {}
        annotations = _object(_meta(found).get("annotations"))
        selector = _object(_object(found.get("spec")).get("selector"))
        return {"metadata": {"annotations": annotations}, "spec": {"selector": selector}}

    return References(service, look(_TEMPLATE, namespace), look(_CLUSTER, ""))


def _with_workload(rollout: Rollout, known: Known) -> tuple[Rollout | None, Remark | None]:
    """The Rollout with the pod template of the workload it refers to."""
    ref = rollout.spec.workload_ref
    path = "spec.workloadRef"
    if ref is None or ref.kind not in _WORKLOADS:
        kinds = ", ".join(_WORKLOADS)
        return None, Remark(f"{path}.kind", f"Unsupported value: must be one of {kinds}")
    found: Any = known.find(ref.kind, rollout.metadata.namespace, ref.name)
    if found is None:
        text = f'{ref.kind} "{ref.name}" is not in the files given'
        return None, Remark(f"{path}.name", text, missing=True)
    template = found
    for part in _WORKLOADS[ref.kind]:
        template = template.get(part) if isinstance(template, dict) else None
    spec = {**_object(rollout.raw.get("spec")), "template": _object(template)}
    selector = _object(found.get("spec")).get("selector")
    if selector is not None:
        spec.setdefault("selector", selector)
    return Rollout.decode({**rollout.raw, "spec": spec}), None


def _real(path: str, rollout: Rollout) -> str:
    """The controller leaves the strategy's name out of paths, as Argo Rollouts does."""
    prefix, name = "spec.strategy.", "blueGreen" if rollout.spec.blue_green else "canary"
    rest = path.removeprefix(prefix)
    if rest == path or rest.startswith(("canary.", "blueGreen.")):
        return path
    return "spec.strategy" if rest == "strategy" else f"{prefix}{name}.{rest}"


def _meta(obj: Obj) -> Obj:
    return _object(obj.get("metadata"))


def _object(value: Any) -> Obj:
    return value if isinstance(value, dict) else {}


def _namespace(obj: Obj) -> str:
    return str(_meta(obj).get("namespace") or "")


def _group(obj: Obj) -> str:
    return str(obj.get("apiVersion") or "").rpartition("/")[0]
