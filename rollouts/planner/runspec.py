"""From an analysis in the Rollout's spec to the AnalysisRun object.

Owns names, labels and annotations of runs, and where their arguments come from: literals, the hash
of the stable or the latest revision, or a field of the Rollout. Refuses to decide when a run is due
(``planner.runs``). Pure.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from analysis.args import ArgsError
from analysis.decode import decode
from analysis.spec import Argument, TemplateRef, TemplateSpec
from analysis.templates import run_spec
from rollouts.api import labels as keys
from rollouts.api.analysis import AnalysisRunArgument, RolloutAnalysis
from rollouts.api.reasons import RunType
from rollouts.kube.resources import ANALYSIS_RUNS
from rollouts.planner import subjects
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Obj
from rollouts.planner.revision import owner_reference, revision_number

_INDEXED: Final = re.compile(r"^metadata\.(labels|annotations)\['([^']*)'\]$")
_PATH_PARTS: Final = re.compile(r"[^.\[\]]+")


def base_name(draft: Draft) -> str:
    """What every run of this revision is called first: rollout, hash and revision number."""
    return f"{draft.name}-{draft.new.hash}-{revision_number(draft)}"


def build(
    draft: Draft, kind: RunType, analysis: RolloutAnalysis, name: str, step: int | None
) -> Obj:
    """The AnalysisRun called ``name``. ``step``: the index of the step it belongs to.

    Raises ArgsError or TemplateError when the run cannot be put together; the message names what
    is missing.
    """
    spec = run_spec(
        analysis.templates,
        _lookup(draft),
        arguments=[argument(draft, arg) for arg in analysis.args],
        dry_run=analysis.dry_run,
        retention=analysis.measurement_retention,
    )
    meta = draft.rollout.metadata
    extra = analysis.analysis_run_metadata
    selector = draft.spec.selector
    labels = {
        keys.POD_TEMPLATE_HASH: draft.new.hash,
        keys.RUN_TYPE: str(kind),
        **({keys.STEP_INDEX: str(step)} if kind is RunType.STEP else {}),
        **({keys.INSTANCE_ID: draft.world.instance_id} if draft.world.instance_id else {}),
        **(extra.labels if extra else {}),
        **(selector.match_labels if selector else {}),
    }
    annotations = {
        keys.REVISION: str(revision_number(draft)),
        **(extra.annotations if extra else {}),
        **({} if kind is RunType.BACKGROUND else subjects.begun_with(draft)),
    }
    return {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": ANALYSIS_RUNS.kind,
        "metadata": {
            "name": name,
            "namespace": meta.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner_reference(draft.rollout)],
        },
        "spec": spec.to_obj(),
    }


def _lookup(draft: Draft) -> Callable[[TemplateRef], TemplateSpec | None]:
    def find(ref: TemplateRef) -> TemplateSpec | None:
        known = draft.world.cluster_templates if ref.cluster_scope else draft.world.templates
        found = known.get(ref.template_name)
        return None if found is None else decode(TemplateSpec, found.get("spec"))[0]

    return find


def argument(draft: Draft, arg: AnalysisRunArgument) -> Argument:
    """The argument with its value now. Raises ArgsError when it has none."""
    source = arg.value_from
    if arg.value is not None or source is None:
        return Argument(name=arg.name, value=arg.value or "")
    if source.pod_template_hash_value == "Latest":
        return Argument(name=arg.name, value=draft.new.hash)
    if source.pod_template_hash_value == "Stable":
        return Argument(name=arg.name, value=draft.stable.hash if draft.stable else "")
    if source.field_ref is not None:
        return Argument(
            name=arg.name, value=field_value(draft.rollout.raw, source.field_ref.field_path)
        )
    raise ArgsError(f"args.{arg.name}: valueFrom names no source")


def field_value(rollout: Obj, path: str) -> str:
    """The text at ``path`` of a Rollout: downward-API paths of the metadata, else a plain path.

    Raises ArgsError when nothing is there, or something that is no single value.
    """
    indexed = _INDEXED.match(path)
    if indexed:
        found = (rollout["metadata"].get(indexed[1]) or {}).get(indexed[2], "")
    elif path in ("metadata.labels", "metadata.annotations"):
        entries = rollout["metadata"].get(path.partition(".")[2]) or {}
        quoted = {key: json.dumps(entries[key], ensure_ascii=False) for key in sorted(entries)}
        return "\n".join(f"{key}={value}" for key, value in quoted.items())
    else:
        found = _at(rollout, _PATH_PARTS.findall(path))
    if found is None or isinstance(found, dict | list):
        raise ArgsError(f"fieldRef {path}: the Rollout has no such value")
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found)


def _at(value: Any, parts: list[str]) -> Any:
    for part in parts:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
