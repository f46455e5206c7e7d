"""Whether a ReplicaSet, Deployment, Job or PodTemplate makes sense, in the API server's words.

Owns selectors against template labels, replica counts, strategies, and what must never change.
Pure; assumes defaults are filled in. Read through the table in ``kinds``.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from rollouts.kube.api import Obj
from rollouts.kube.errors import BadRequest
from rollouts.kube.selectors import from_object
from rollouts.sandbox.causes import CauseLike, forbidden, invalid, required, unsupported
from rollouts.sandbox.objects import dig
from rollouts.sandbox.validation import label_causes
from rollouts.sandbox.validation_pods import spec_causes

_NOT_NEGATIVE: Final = "must be greater than or equal to 0"
_IMMUTABLE: Final = "field is immutable"
_PERCENT: Final = re.compile(r"\d+%", re.ASCII)
_STRATEGIES: Final = ("Recreate", "RollingUpdate")


def replica_set_causes(obj: Obj) -> list[CauseLike]:
    spec = obj["spec"]
    return [
        *_counts(spec, "replicas", "minReadySeconds"),
        *_selected_template(spec, "replica set"),
        *_always_restarting(spec),
    ]


def deployment_causes(obj: Obj) -> list[CauseLike]:
    spec = obj["spec"]
    causes = [
        *_counts(spec, "replicas", "minReadySeconds", "revisionHistoryLimit"),
        *_selected_template(spec, "deployment"),
        *_always_restarting(spec),
        *_strategy(spec["strategy"]),
    ]
    deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds", 0)
    if isinstance(deadline, int) and isinstance(ready, int) and deadline <= ready:
        detail = "must be greater than minReadySeconds"
        causes.append(invalid("spec.progressDeadlineSeconds", deadline, detail))
    return causes


def selector_update_causes(obj: Obj, old: Obj) -> list[CauseLike]:
    return list(_unchanged(obj, old, "selector"))


def job_causes(obj: Obj) -> list[CauseLike]:
    spec = obj["spec"]
    causes = [
        *_counts(spec, "parallelism", "completions", "backoffLimit", "ttlSecondsAfterFinished")
    ]
    causes += _counts(spec, "activeDeadlineSeconds")
    causes += spec_causes("spec.template.spec", spec["template"]["spec"])
    restart = spec["template"]["spec"]["restartPolicy"]
    if restart not in ("OnFailure", "Never"):
        path = "spec.template.spec.restartPolicy"
        causes.append(unsupported(path, restart, ("OnFailure", "Never")))
    return causes


def job_update_causes(obj: Obj, old: Obj) -> list[CauseLike]:
    """A suspended Job that never started may still get another template."""
    fields = ["selector", "completionMode"]
    if not (dig(old, "spec", "suspend") and not dig(old, "status", "startTime")):
        fields.append("template")
    if dig(obj, "spec", "completionMode") != "Indexed":
        fields.append("completions")
    return [cause for field in fields for cause in _unchanged(obj, old, field)]


def pod_template_causes(obj: Obj) -> list[CauseLike]:
    return list(spec_causes("template.spec", obj["template"]["spec"]))


def _unchanged(obj: Obj, old: Obj, field: str) -> Iterator[CauseLike]:
    value = dig(obj, "spec", field)
    if value != dig(old, "spec", field):
        yield invalid(f"spec.{field}", value, _IMMUTABLE)


def _counts(spec: Obj, *fields: str) -> Iterator[CauseLike]:
    for field in fields:
        value = spec.get(field)
        if isinstance(value, int) and value < 0:
            yield invalid(f"spec.{field}", value, _NOT_NEGATIVE)


def _selected_template(spec: Obj, kind: str) -> Iterator[CauseLike]:
    template = spec["template"]
    selector = spec.get("selector")
    labels = dig(template, "metadata", "labels")
    if selector is None:
        yield required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield invalid("spec.selector", selector, f"empty selector is invalid for {kind}")
    else:
        yield from label_causes("spec.selector.matchLabels", selector.get("matchLabels"))
    yield from label_causes("spec.template.metadata.labels", labels)
    if selector is not None:
        yield from _matching(selector, labels)
    yield from spec_causes("spec.template.spec", template["spec"])


def _matching(selector: Obj, labels: Any) -> Iterator[CauseLike]:
    try:
        wanted = from_object(selector)
    except BadRequest as error:
        yield invalid("spec.selector", selector, error.message)
        return
    if not isinstance(labels, dict | None) or not wanted.matches(labels):
        detail = "`selector` does not match template `labels`"
        yield invalid("spec.template.metadata.labels", labels or {}, detail)


def _always_restarting(spec: Obj) -> Iterator[CauseLike]:
    restart = spec["template"]["spec"]["restartPolicy"]
    if restart != "Always":
        yield unsupported("spec.template.spec.restartPolicy", restart, ("Always",))


def _strategy(strategy: Obj) -> Iterator[CauseLike]:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    path = "spec.strategy.rollingUpdate"
    if kind not in _STRATEGIES:
        yield unsupported("spec.strategy.type", kind, _STRATEGIES)
    if rolling is None:
        return
    if kind == "Recreate":
        yield forbidden(path, "may not be specified when strategy `type` is 'Recreate'")
        return
    for field in ("maxUnavailable", "maxSurge"):
        value = rolling.get(field)
        if isinstance(value, str) and not _PERCENT.fullmatch(value):
            detail = "a valid percent string must be a numeric string followed by an ending '%'"
            yield invalid(f"{path}.{field}", value, detail)
        elif isinstance(value, int) and value < 0:
            yield invalid(f"{path}.{field}", value, _NOT_NEGATIVE)
    if _is_zero(rolling.get("maxUnavailable")) and _is_zero(rolling.get("maxSurge")):
        value = rolling["maxUnavailable"]
        yield invalid(f"{path}.maxUnavailable", value, "may not be 0 when `maxSurge` is 0")


def _is_zero(value: Any) -> bool:
    return value == 0 or (isinstance(value, str) and value.rstrip("%").strip("0") == "")
