"""Whether an Experiment's spec can be acted upon.

Owns the rules and their sentences, the first of which becomes the InvalidExperimentSpec condition;
Argo Rollouts' sentences are kept, its odd ones too, since people search for them. Refuses to look
at anything but the Experiment. Pure; used by the controller, and good for lint.
"""

from collections.abc import Callable, Iterator
from typing import Final

from analysis.times import parse_duration
from rollouts.api.experiment import Experiment


def first_problem(experiment: Experiment) -> str | None:
    """What is wrong, in one sentence; None when nothing is."""
    for rule in _RULES:
        for sentence in rule(experiment):
            return sentence
    return None


def _readable(experiment: Experiment) -> Iterator[str]:
    """A field that cannot be read would otherwise count as not given."""
    for problem in experiment.problems:
        if problem.path.startswith("spec"):
            yield f"Experiment {experiment.metadata.name} cannot be read: {problem}"


def _selectors(experiment: Experiment) -> Iterator[str]:
    for index, template in enumerate(experiment.spec.templates):
        if template.selector is None:
            yield f"Rollout has missing field '.Spec.Templates[{index}].Selector'"
        elif template.selector.empty:
            yield (
                f"This experiment is selecting all pods at index {index}. "
                "A non-empty selector is required."
            )


def _ready_seconds(experiment: Experiment) -> Iterator[str]:
    for index, template in enumerate(experiment.spec.templates):
        if template.min_ready_seconds > experiment.spec.progress_deadline:
            yield (
                "MinReadySeconds cannot be longer than ProgressDeadlineSeconds. "
                f"Check template index {index}"
            )


def _template_names(experiment: Experiment) -> Iterator[str]:
    name, seen = experiment.metadata.name, set[str]()
    for index, template in enumerate(experiment.spec.templates):
        if not template.name:
            yield f"Experiment {name} has empty template name at index {index}"
        if template.name in seen:
            yield f"Experiment {name} has repeated template name '{template.name}' in templates"
        seen.add(template.name)


def _analysis_names(experiment: Experiment) -> Iterator[str]:
    """The name of an analysis is what its run is called after and found by."""
    name, seen = experiment.metadata.name, set[str]()
    for index, analysis in enumerate(experiment.spec.analyses):
        if not analysis.name:
            yield f"Experiment {name} has empty analysis name at index {index}"
        if analysis.name in seen:
            yield f"Experiment {name} has repeated analysis name '{analysis.name}' in analyses"
        seen.add(analysis.name)


def _duration(experiment: Experiment) -> Iterator[str]:
    if not experiment.spec.duration:
        return
    try:
        seconds = parse_duration(experiment.spec.duration)
    except ValueError as error:
        yield f"Experiment {experiment.metadata.name} has an invalid duration: {error}"
        return
    if seconds < 0:
        yield f"Experiment {experiment.metadata.name} has a negative duration"


def _not_negative(experiment: Experiment) -> Iterator[str]:
    name, spec = experiment.metadata.name, experiment.spec
    for field, value in (
        ("progressDeadlineSeconds", spec.progress_deadline),
        ("scaleDownDelaySeconds", spec.scale_down_delay),
    ):
        if value < 0:
            yield f"Experiment {name} has a negative {field}"
    for index, template in enumerate(spec.templates):
        if template.replicas_or_default < 0:
            yield f"Experiment {name} has negative replicas at index {index}"


_RULES: Final[tuple[Callable[[Experiment], Iterator[str]], ...]] = (
    _readable,
    _template_names,
    _selectors,
    _ready_seconds,
    _analysis_names,
    _duration,
    _not_negative,
)
