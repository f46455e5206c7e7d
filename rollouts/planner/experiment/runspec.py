"""From an analysis of an Experiment to the AnalysisRun object.

Owns its labels, annotations and arguments: literal values, in which the hashes and names of the
Experiment's own pods and the times of its course may be referred to. Refuses to decide when a run
is due (``analyses``, ``runs``). Pure.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeVar

import re2

from analysis.args import ArgsError
from analysis.decode import decode
from analysis.spec import (
    Argument,
    DryRun,
    MeasurementRetention,
    RunSpec,
    TemplateRef,
    TemplateSpec,
)
from analysis.templates import TemplateError, collect, run_spec
from analysis.times import format_time
from rollouts.api import labels as keys
from rollouts.api.analysis import AnalysisRunArgument
from rollouts.api.steps import ExperimentAnalysisRef
from rollouts.kube.resources import ANALYSIS_RUNS
from rollouts.planner.experiment.draft import Draft, owner_reference
from rollouts.planner.experiment.world import World, set_name
from rollouts.planner.plan import Obj

_TAG: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_LONGEST_QUOTE: Final = 64
Rule = TypeVar("Rule", DryRun, MeasurementRetention)


def problem(draft: Draft, analysis: ExperimentAnalysisRef) -> str | None:
    """Why the run of an analysis cannot be put together; None when it can."""
    try:
        _spec(draft, analysis)
    except (ArgsError, TemplateError) as error:
        return str(error)
    return None


def build(draft: Draft, analysis: ExperimentAnalysisRef, name: str) -> Obj:
    """The AnalysisRun called ``name``. Raises ArgsError or TemplateError where it cannot be."""
    extra = draft.spec.analysis_run_metadata
    mine = draft.world.instance_id
    meta: Obj = {
        "name": name,
        "namespace": draft.experiment.metadata.namespace,
        "labels": {
            **({keys.INSTANCE_ID: mine} if mine else {}),
            **(extra.labels if extra else {}),
        },
        "annotations": dict(extra.annotations) if extra else {},
        "ownerReferences": [owner_reference(draft.experiment)],
    }
    return {
        "apiVersion": ANALYSIS_RUNS.api_version,
        "kind": ANALYSIS_RUNS.kind,
        "metadata": {key: value for key, value in meta.items() if value},
        "spec": _spec(draft, analysis).to_obj(),
    }


def reference(analysis: ExperimentAnalysisRef) -> TemplateRef:
    """The template an analysis names."""
    return TemplateRef(template_name=analysis.template_name, cluster_scope=analysis.cluster_scope)


def lookup(world: World, ref: TemplateRef) -> TemplateSpec | None:
    """The template that is referred to, where it exists."""
    known = world.cluster_templates if ref.cluster_scope else world.templates
    found = known.get(ref.template_name)
    return None if found is None else decode(TemplateSpec, found.get("spec"))[0]


def _spec(draft: Draft, analysis: ExperimentAnalysisRef) -> RunSpec:
    known = _placeholders(draft)
    refs = (reference(analysis),)

    def find(ref: TemplateRef) -> TemplateSpec | None:
        return lookup(draft.world, ref)

    names = [metric.name for template in collect(refs, find) for metric in template.metrics]
    return run_spec(
        refs,
        find,
        arguments=[_argument(each, known) for each in analysis.args],
        dry_run=_fitting(draft, draft.spec.dry_run, names),
        retention=_fitting(draft, draft.spec.measurement_retention, names),
    )


def _fitting(draft: Draft, rules: Sequence[Rule], names: list[str]) -> list[Rule]:
    """What is said once for all analyses goes to those that have such a metric."""
    if len(draft.spec.analyses) == 1:
        return list(rules)  # a rule that matches nothing is a mistake, and the run says so
    return [rule for rule in rules if _matches(rule.metric_name, names)]


def _matches(pattern: str, names: list[str]) -> bool:
    try:
        compiled = re2.compile(pattern)
    except re2.error:
        return True  # the run says what is wrong with it
    return any(compiled.search(name) for name in names)


def _placeholders(draft: Draft) -> dict[str, str]:
    """What may stand between braces in the value of an argument, and what it means now."""
    known: dict[str, str] = {}
    for template in draft.spec.templates:
        rs = draft.world.set_of(template)
        known[f"templates.{template.name}.replicaset.name"] = set_name(draft.experiment, template)
        if rs is not None:
            known[f"templates.{template.name}.podTemplateHash"] = rs.hash
    if draft.status.available_at is not None:
        known["experiment.availableAt"] = format_time(draft.status.available_at)
    if draft.ends_at is not None:
        known["experiment.finishedAt"] = format_time(draft.ends_at)
    return known


def _argument(argument: AnalysisRunArgument, known: dict[str, str]) -> Argument:
    if argument.value is None and argument.value_from is not None:
        raise ArgsError(f"args.{argument.name}: an Experiment takes values only, no valueFrom")

    def value(tag: re.Match[str]) -> str:
        name = tag[1].strip()
        if name not in known:
            raise ArgsError(
                f"args.{argument.name}: failed to resolve {{{{{name[:_LONGEST_QUOTE]}}}}}"
            )
        return known[name]

    return Argument(name=argument.name, value=_TAG.sub(value, argument.value or ""))
