"""From the experiment step of a Rollout to the Experiment object.

Owns names, labels and the spec of a Rollout's Experiments: pods like the canary's or the stable
revision's, under a hash of their own. Refuses to decide when one is due (``planner.experiments``).
Pure.
"""

import copy
import re
from typing import Any, Final

from rollouts.api import labels as keys
from rollouts.api.steps import ExperimentAnalysisRef, ExperimentStep, ExperimentStepTemplate
from rollouts.kube.resources import EXPERIMENTS
from rollouts.planner import runspec
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Obj
from rollouts.planner.revision import owner_reference, revision_number
from rollouts.planner.world import ReplicaSet

CANARY: Final = "canary"
STABLE: Final = "stable"


def next_name(draft: Draft, step: int) -> str:
    """What the next Experiment of a step is called: rollout, hash, revision, index, attempt."""
    base = f"{runspec.base_name(draft)}-{step}"
    numbers = [_attempt(each.name, base) for each in draft.world.experiments]
    last = max((number for number in numbers if number is not None), default=None)
    return base if last is None else f"{base}-{last + 1}"


def last_attempts(draft: Draft) -> set[str]:
    """The newest Experiment of each step of this revision: while they are there, no name of an
    earlier attempt comes again.
    """
    canary, names = draft.spec.canary, set[str]()
    for step in range(len(canary.steps) if canary else 0):
        base = f"{runspec.base_name(draft)}-{step}"
        known = [(_attempt(each.name, base), each.name) for each in draft.world.experiments]
        numbered = [(number, name) for number, name in known if number is not None]
        names |= {max(numbered)[1]} if numbered else set()
    return names


def _attempt(name: str, base: str) -> int | None:
    found = re.fullmatch(rf"{re.escape(base)}(?:-(\d+))?", name)
    return int(found[1] or 0) if found else None


def belongs_to(draft: Draft, name: str, step: int) -> bool:
    """Whether an Experiment of that name was made for that step, whatever the attempt."""
    start = f"{draft.name}-{draft.new.hash}-"
    rest = name.removeprefix(start)
    return rest != name and re.fullmatch(rf"\d+-{step}(-\d+)?", rest) is not None


def needs_stable(step: ExperimentStep) -> bool:
    """Whether some of its pods are to be like those of the stable revision."""
    return any(each.spec_ref == STABLE for each in step.templates)


def build(draft: Draft, step: ExperimentStep, name: str) -> Obj:
    """The Experiment called ``name``. Raises ArgsError when an argument has no value."""
    labels = {
        **draft.rollout.metadata.labels,
        keys.POD_TEMPLATE_HASH: draft.new.hash,
        **({keys.INSTANCE_ID: draft.world.instance_id} if draft.world.instance_id else {}),
    }
    return {
        "apiVersion": EXPERIMENTS.api_version,
        "kind": EXPERIMENTS.kind,
        "metadata": {
            "name": name,
            "namespace": draft.rollout.metadata.namespace,
            "labels": labels,
            "annotations": {keys.REVISION: str(revision_number(draft))},
            "ownerReferences": [owner_reference(draft.rollout)],
        },
        "spec": _spec(draft, step),
    }


def _spec(draft: Draft, step: ExperimentStep) -> Obj:
    extra = step.analysis_run_metadata
    spec: dict[str, Any] = {
        "templates": [_template(draft, each) for each in step.templates],
        "analyses": [_analysis(draft, each) for each in step.analyses],
        "duration": step.duration,
        "dryRun": [each.to_obj() for each in step.dry_run],
        "analysisRunMetadata": extra.to_wire() if extra is not None else {},
    }
    numbers = {
        "progressDeadlineSeconds": draft.spec.progress_deadline_seconds,
        "scaleDownDelaySeconds": step.scale_down_delay_seconds,
    }
    given = {key: number for key, number in numbers.items() if number is not None}
    return {key: value for key, value in spec.items() if value or key == "templates"} | given


def _template(draft: Draft, wanted: ExperimentStepTemplate) -> Obj:
    source = draft.stable if wanted.spec_ref == STABLE and draft.stable else draft.new
    pods, selector = copy.deepcopy(source.template), _selector(source, wanted)
    meta = pods["metadata"] = dict(pods.get("metadata") or {})
    labels, annotations = _own(meta.get("labels")), dict(meta.get("annotations") or {})
    served = wanted.service is not None or wanted.weight is not None
    # Without a label of their own they would have the hash of the pods they are copied from, and
    # their Service would reach those as well.
    added = {keys.EXPERIMENT_TEMPLATE: wanted.name} if served else {}
    if wanted.metadata is not None:
        added |= wanted.metadata.labels
        annotations |= wanted.metadata.annotations
    labels |= added
    selector["matchLabels"] = selector["matchLabels"] | added
    meta["labels"] = labels
    if annotations:
        meta["annotations"] = annotations
    result: Obj = {"name": wanted.name, "selector": selector, "template": pods}
    if wanted.replicas is not None:
        result["replicas"] = wanted.replicas
    ready_seconds = (source.raw.get("spec") or {}).get("minReadySeconds")
    if ready_seconds:
        result["minReadySeconds"] = ready_seconds
    if served:
        result["service"] = wanted.service.to_wire() if wanted.service is not None else {}
    return result


def _selector(source: ReplicaSet, wanted: ExperimentStepTemplate) -> Obj:
    if wanted.selector is not None:
        found: Obj = wanted.selector.to_wire()
    else:
        found = copy.deepcopy((source.raw.get("spec") or {}).get("selector") or {})
    return {**found, "matchLabels": _own(found.get("matchLabels"))}


def _own(labels: Any) -> dict[str, str]:
    """Without the hash, which is that of the revision the pods are copied from."""
    return {key: value for key, value in (labels or {}).items() if key != keys.POD_TEMPLATE_HASH}


def _analysis(draft: Draft, wanted: ExperimentAnalysisRef) -> Obj:
    written = wanted.to_wire()
    arguments = [runspec.argument(draft, each) for each in wanted.args]
    if arguments:
        written["args"] = [{"name": each.name, "value": each.value} for each in arguments]
    return written
