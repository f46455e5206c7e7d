"""The Rollout's Experiments: which should exist, which should stop, and what their verdict does.

Owns the life of the Experiment of a step. It is first named in the status and then made to exist,
so a crash between the two neither loses nor repeats it, and an old verdict is never read again: a
new attempt gets a new name. One that was stopped before its time has not passed. Refuses to run it
(``planner.experiment``) and to share out traffic (``planner.shares``). Pure; called by both
strategies.
"""

from collections.abc import Iterator

from analysis.args import ArgsError
from rollouts.api.canary import CanaryStrategy
from rollouts.api.reasons import EventReason, ExperimentPhase, PauseReason
from rollouts.api.steps import ExperimentStep, StepKind
from rollouts.kube.resources import EXPERIMENTS
from rollouts.planner import history, promotion, runs, shares, steps, trialspec
from rollouts.planner.draft import Draft
from rollouts.planner.plan import Blocker, EndTrial, Verb, Write
from rollouts.planner.trials import Trial


def reconcile(draft: Draft, canary: CanaryStrategy) -> bool:
    """The Experiment of the current step; True when its verdict stops this pass."""
    at, step = steps.index(draft, canary), _step(draft, canary)
    if at is None or step is None or runs.over(draft):
        stop(draft)
        return False
    stopped = _keep(draft, step, at)
    _tidy(draft)
    return stopped


def stop(draft: Draft) -> None:
    """No Experiment matters any more."""
    _put(draft, "")
    _tidy(draft)


def passed(draft: Draft, canary: CanaryStrategy) -> bool:
    """Whether the Experiment of the current step has come to a good end by itself."""
    trial, at = shares.current(draft), steps.index(draft, canary)
    if trial is None or at is None or not trialspec.belongs_to(draft, trial.name, at):
        return False
    return trial.passed


def _tidy(draft: Draft) -> None:
    """Stop what no longer matters, and forget what is finished beyond the history limits."""
    if not draft.world.experiments:
        return
    named = draft.status.canary.current_experiment
    idle = [each for each in draft.world.experiments if each.owned and each.name != named]
    for trial in idle:
        if not trial.completed and not trial.terminating:
            body = {"spec": {"terminate": True}}
            draft.writes.append(
                Write(
                    Verb.PATCH,
                    EXPERIMENTS,
                    trial.name,
                    body,
                    # One that has come to its end meanwhile is not to look as if it was cut short.
                    resource_version=trial.experiment.metadata.resource_version,
                    effect=EndTrial(trial.name),
                )
            )
    kept = set() if draft.fully_promoted else trialspec.last_attempts(draft)
    finished = [each for each in idle if each.completed and each.name not in kept]
    for trial in history.surplus(draft, finished):
        uid = trial.experiment.metadata.uid
        draft.writes.append(
            Write(Verb.DELETE, EXPERIMENTS, trial.name, {}, uid=uid, effect=EndTrial(trial.name))
        )


def _step(draft: Draft, canary: CanaryStrategy) -> ExperimentStep | None:
    step = steps.current(draft, canary)
    return step.experiment if step is not None and step.kind is StepKind.EXPERIMENT else None


def _keep(draft: Draft, step: ExperimentStep, at: int) -> bool:
    """Name the step's Experiment, make it exist, and act on its verdict."""
    named = draft.status.canary.current_experiment
    if named and not trialspec.belongs_to(draft, named, at):
        named = ""  # a person who skips a step leaves its Experiment behind
    trial = shares.current(draft)
    if not named:
        _put(draft, trialspec.next_name(draft, at) if _may_begin(draft, step) else "")
        return False
    if trial is None:
        taken = any(each.name == named for each in draft.world.experiments)
        if taken:
            _put(draft, trialspec.next_name(draft, at))
        return not taken and not _create(draft, step, named)
    if trial.undecided and draft.status.unpausing:
        if not runs.to_be_asked_again(draft):
            draft.set(controller_pause=False)
        _put(draft, trialspec.next_name(draft, at))
        return False
    return _judge(draft, trial)


def _may_begin(draft: Draft, step: ExperimentStep) -> bool:
    """Not while somebody has to decide something, nor without pods to copy."""
    if draft.spec.paused or draft.status.pause_conditions:
        return False
    return draft.stable is not None or not trialspec.needs_stable(step)


def _create(draft: Draft, step: ExperimentStep, name: str) -> bool:
    """Make it exist; False where it cannot be put together."""
    if not _may_begin(draft, step):
        return True
    try:
        body = trialspec.build(draft, step, name)
    except ArgsError as error:
        draft.invalid = f"Experiment {name} cannot be created: {error}"
        return False
    draft.writes.append(Write(Verb.CREATE, EXPERIMENTS, name, body))
    draft.event(EventReason.EXPERIMENT_CREATED, f"Created Experiment '{name}'")
    return True


def _judge(draft: Draft, trial: Trial) -> bool:
    if trial.failed:
        detail = f": {trial.message}" if trial.message else ""
        promotion.abort(draft, f"Experiment analysis phase is error/failed{detail}")
        return True
    if trial.undecided:
        draft.pause(PauseReason.INCONCLUSIVE_EXPERIMENT)
        return True
    if draft.paused_for(PauseReason.INCONCLUSIVE_EXPERIMENT):
        draft.unpause(PauseReason.INCONCLUSIVE_EXPERIMENT)  # a person has it run once more
    elif draft.status.unpausing and not runs.to_be_asked_again(draft):
        draft.set(controller_pause=False)
    return False


def _put(draft: Draft, name: str) -> None:
    if draft.status.canary.current_experiment != name:
        part = draft.status.canary.model_copy(update={"current_experiment": name})
        draft.set(canary=part)


# --- why ------------------------------------------------------------------------------------------


def blockers(draft: Draft) -> Iterator[Blocker]:
    """What a release in an experiment step waits for."""
    canary = draft.spec.canary
    step = _step(draft, canary) if canary is not None else None
    if canary is None or step is None or runs.over(draft):
        return
    if draft.stable is None and trialspec.needs_stable(step):
        yield Blocker(
            "ExperimentWithoutStable",
            "the Experiment is to have pods of the stable revision, which does not exist any more",
            object=f"Rollout/{draft.name}",
            field="spec.strategy.canary.steps",
            then="nothing, until the step is skipped",
            command=_command(draft, "promote", draft.name),
        )
    trial = shares.current(draft)
    if trial is None or not trial.completed:
        yield from _waiting(draft, trial)
    if trial is not None and trial.phase == ExperimentPhase.RUNNING:
        yield from _without_traffic(draft, canary, trial)


def doubt(draft: Draft) -> str:
    """Why the Experiment of the current step cannot tell."""
    trial = shares.current(draft)
    if trial is None:
        return "an Experiment was inconclusive, and it is gone; promoting runs another one"
    said = "was stopped before its time" if trial.cut_short else "was inconclusive"
    detail = f" ({trial.message})" if trial.message else ""
    return f"Experiment {trial.name} {said}{detail}; promoting runs another one"


def _waiting(draft: Draft, trial: Trial | None) -> Iterator[Blocker]:
    name = draft.status.canary.current_experiment
    if not name:
        return
    if trial is None:
        text = f"Experiment {name} is not created yet"
        yield Blocker("ExperimentPending", text, object=f"Experiment/{name}")
        return
    running = trial.phase == ExperimentPhase.RUNNING
    ends = trial.ends_at if running and not trial.required else None
    until = ends if ends is not None and ends > draft.now else None
    if until is not None:
        draft.wake(until)
    yield Blocker(
        "ExperimentRunning" if running else "ExperimentPending",
        f"Experiment {name} {_course(trial) if running else _coming(trial)}",
        object=f"Experiment/{name}",
        field="status.phase",
        since=trial.experiment.status.available_at if running else trial.created,
        until=until,
        then="it ends, and the step is done if all is well" if until is not None else "",
        command=_command(draft, "get experiment", name),
    )


def _course(trial: Trial) -> str:
    """What ends an Experiment that runs."""
    states = {each.name: each.phase for each in trial.experiment.status.analysis_runs}
    if trial.terminating:
        return "is being stopped"
    if trial.required:
        told = ", ".join(f"{each} ({states.get(each) or 'not begun'})" for each in trial.required)
        return f"runs until these analyses have succeeded: {told}"
    if trial.experiment.spec.duration:
        return f"runs for {trial.experiment.spec.duration}"
    return "runs until somebody terminates it"


def _coming(trial: Trial) -> str:
    """What an Experiment that does not run yet waits for."""
    if trial.refused:
        return f"is refused: {trial.refused}"
    lacking = [
        f"{each.name} has {each.available_replicas} of {wanted.replicas_or_default} pods"
        for wanted in trial.experiment.spec.templates
        for each in trial.experiment.status.template_statuses
        if each.name == wanted.name and each.available_replicas < wanted.replicas_or_default
    ]
    said = "; ".join([*([trial.message] if trial.message else []), *lacking])
    return f"is {trial.phase or 'not begun'}" + (f": {said}" if said else "")


def _without_traffic(draft: Draft, canary: CanaryStrategy, trial: Trial) -> Iterator[Blocker]:
    for template in shares.weighted(draft, canary):
        if trial.backend(template.name) is None:
            yield Blocker(
                "ExperimentWithoutTraffic",
                f"template {template.name} gets no traffic: it has no Service, which needs "
                "a port that its containers declare",
                object=f"Experiment/{trial.name}",
                field="spec.templates",
                command=_command(draft, "get experiment", trial.name),
            )


def _command(draft: Draft, verb: str, name: str) -> str:
    return f"kubectl argo rollouts {verb} {name} -n {draft.rollout.metadata.namespace}"
