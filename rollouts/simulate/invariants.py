"""The rules no write of a controller may break, judged on the store.

Owns RULES: each looks at one change a controller made, in the state it made, and says what is wrong
with it; and AT_REST: what must hold when nothing moves any more. Capacity is counted in pods that
can serve, not in what a ReplicaSet's status says. Used by the runner.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from rollouts.api import labels as keys
from rollouts.api.rollout import Rollout
from rollouts.kube.api import Obj
from rollouts.kube.resources import ANALYSIS_RUNS, REPLICA_SETS, ROLLOUTS, SERVICES
from rollouts.planner.safety import production_services
from rollouts.sandbox.objects import controller_of
from rollouts.sandbox.revisions import Revisions
from rollouts.simulate.ledger import Ledger, Seen, hash_of, selected, size, status_of
from rollouts.simulate.routing import capacity_for_shares
from rollouts.simulate.trials import experiment_of, leftovers, rules_of_trials

_MOMENT: Final = 1.0  # seconds a controller with a working watch may need to see a change


@dataclass(slots=True)
class Judge:
    """``grace``: seconds by which a controller may act on an older state without blame."""

    store: Revisions
    now: Callable[[], float]
    grace: float = 0.0
    ledger: Ledger = field(init=False)
    violations: list[str] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    turns: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.store, self.now, self._look)

    @property
    def patience(self) -> float:
        return _MOMENT + self.grace

    def at_rest(self) -> None:
        """Judge the end of a run."""
        for rule in AT_REST:
            self.violations += [f"{_name(rule)}: {text}" for text in rule(self)]

    def _look(self, seen: Seen) -> None:
        if not seen.by_controller:
            return
        for rule in RULES:
            self.violations += [f"{_name(rule)}: {text} ({seen})" for text in rule(self, seen)]


Rule: TypeAlias = Callable[[Judge, Seen], Iterator[str]]


def _name(rule: object) -> str:
    return str(getattr(rule, "__name__", rule)).strip("_")


def _s1_no_black_hole(judge: Judge, seen: Seen) -> Iterator[str]:
    """A Service that had pods keeps pods: enough of them where its users are real."""
    if seen.resource != SERVICES or seen.old is None or seen.new is None:
        return
    old, new = selected(seen.old), selected(seen.new)
    rollout = _rollout_using(judge, seen.name)
    if old == new or rollout is None:
        return
    hashes = [hash_of(rs) for rs in judge.ledger.sets_of(rollout)]
    before = judge.ledger.ready(old) if old else sum(map(judge.ledger.ready, hashes))
    after = judge.ledger.ready(new)
    if seen.name not in production_services(Rollout.decode(rollout).spec) or not before:
        return
    if after < min(_needed(judge, rollout, seen.name), before):
        yield f"Service {seen.name} goes from {before} pods of {old} to {after} of {new}"


def _needed(judge: Judge, rollout: Obj, service: str) -> int:
    """How many pods a Service must keep at least."""
    least: list[int] = []
    for wanted in judge.ledger.wanted(rollout, judge.now() - judge.patience):
        canary, replicas = wanted.spec.canary, wanted.spec.replicas_or_default
        if canary is None:
            least.append(replicas)
        elif service == canary.canary_service:
            least.append(1)
        else:
            least.append(max(1, replicas - canary.budgets(replicas)[1]))
    return min(least, default=1)


def _s2_capacity_for_shares(judge: Judge, seen: Seen) -> Iterator[str]:
    """A router never sends more to a revision than its pods can take."""
    return capacity_for_shares(judge.ledger, seen, judge.now() - judge.patience)


def _s4_reference_before_scale_down(judge: Judge, seen: Seen) -> Iterator[str]:
    """Nothing a Service points at is emptied."""
    if seen.resource != REPLICA_SETS or size(seen.new) > 0 or size(seen.old) == 0:
        return
    rollout = judge.ledger.rollout_of(seen.obj)
    if rollout is None or not Rollout.decode(rollout).spec.replicas_or_default:
        return
    names = production_services(Rollout.decode(rollout).spec)
    for service in judge.ledger.all(SERVICES):
        name = service["metadata"]["name"]
        if name in names and selected(service) == hash_of(seen.obj):
            yield f"ReplicaSet {seen.name} is emptied while Service {name} points at it"


def _s3_canary_bounds(judge: Judge, seen: Seen) -> Iterator[str]:
    """Never more pods than replicas + surge, never fewer that serve than replicas - unavailable.

    With a router it is the shares that need pods.
    """
    if seen.resource != REPLICA_SETS or seen.new is None or size(seen.old) == size(seen.new):
        return
    rollout = judge.ledger.rollout_of(seen.new)
    if rollout is None:
        return
    ceilings, floors = [], []
    for wanted in judge.ledger.wanted(rollout, judge.now() - judge.patience):
        if wanted.spec.canary is None or wanted.spec.canary.traffic_routing is not None:
            return
        replicas = wanted.spec.replicas_or_default
        surge, unavailable = wanted.spec.canary.budgets(replicas)
        ceilings.append(replicas + surge)
        floors.append(replicas - unavailable)
    sets = judge.ledger.sets_of(rollout)
    total = sum(map(size, sets))
    if size(seen.new) > size(seen.old) and total > max(ceilings):
        yield f"{total} pods are asked for, {max(ceilings)} are allowed"
    serving = {rs["metadata"]["name"]: judge.ledger.ready(hash_of(rs)) for rs in sets}
    left = sum(min(size(rs), serving[rs["metadata"]["name"]]) for rs in sets)
    lost = min(serving[seen.name], size(seen.old)) - min(serving[seen.name], size(seen.new))
    if lost > 0 and left < min(floors):
        yield f"{left} pods are left that serve, {min(floors)} are needed"


def _s6_steps(_: Judge, seen: Seen) -> Iterator[str]:
    """The step index goes on by one, to the start, or to the end."""
    if seen.resource != ROLLOUTS or seen.old is None or seen.new is None:
        return
    old, new = status_of(seen.old), status_of(seen.new)
    was, now = old.get("currentStepIndex"), new.get("currentStepIndex")
    canary = Rollout.decode(seen.new).spec.canary
    if was == now or canary is None or now is None:
        return
    over = any(
        old.get(key) != new.get(key) for key in ("currentPodHash", "currentStepHash", "stableRS")
    )
    if was is not None and now == was + 1:
        return
    if now == 0 and (over or new.get("abort")):
        return
    if now == len(canary.steps) and (over or was is None or _is_promotion(old, new)):
        return
    yield f"the step index goes from {was} to {now} of {len(canary.steps)}"


def _is_promotion(old: Obj, new: Obj) -> bool:
    promoted = new.get("stableRS") == new.get("currentPodHash")
    return promoted or bool(old.get("promoteFull") or new.get("promoteFull"))


def _s7_no_advance_after_failure(judge: Judge, seen: Seen) -> Iterator[str]:
    """Once an analysis has failed nothing moves towards the new revision until a user acts."""
    rollout = seen.new if seen.resource == ROLLOUTS else _rollout_around(judge, seen)
    if rollout is None or seen.new is None or seen.old is None:
        return
    status = status_of(rollout)
    new_hash = status.get("currentPodHash")
    failing = _failing(judge, rollout)
    if not failing or new_hash == status.get("stableRS"):
        return
    if seen.resource == ROLLOUTS:
        was = status_of(seen.old).get("currentStepIndex") or 0
        if (status.get("currentStepIndex") or 0) > was:
            yield f"the step index goes on from {was} though {failing} failed"
    if seen.resource == SERVICES and new_hash == selected(seen.new) != selected(seen.old):
        yield f"Service {seen.name} goes to the new revision though {failing} failed"
    grows = seen.resource == REPLICA_SETS and size(seen.new) > size(seen.old)
    if grows and hash_of(seen.new) == new_hash:
        yield f"the new revision grows though {failing} failed"


def _failing(judge: Judge, rollout: Obj) -> str:
    """A run of the current revision that failed long enough ago to be known."""
    ghost = judge.ledger.ghosts[rollout["metadata"]["name"]]
    known = [name for name, at in ghost.failing.items() if judge.now() - at > judge.patience]
    current = status_of(rollout).get("currentPodHash")
    runs = {r["metadata"]["name"]: hash_of(r) for r in judge.ledger.all(ANALYSIS_RUNS)}
    return next((name for name in known if runs.get(name) == current), "")


def _s9_abort_is_final(judge: Judge, seen: Seen) -> Iterator[str]:
    """From the abort on the new revision never grows."""
    if seen.resource != REPLICA_SETS or seen.new is None or size(seen.new) <= size(seen.old):
        return
    rollout = judge.ledger.rollout_of(seen.new)
    if rollout is None:
        return
    status, ghost = status_of(rollout), judge.ledger.ghosts[rollout["metadata"]["name"]]
    is_new = hash_of(seen.new) == status.get("currentPodHash") != status.get("stableRS")
    since = judge.now() if ghost.aborted_at is None else ghost.aborted_at
    if is_new and judge.now() - since > judge.patience:
        yield f"ReplicaSet {seen.name} grows after the abort"


def _s10_pause_lasts(judge: Judge, seen: Seen) -> Iterator[str]:
    """A pause ends when its time has passed or a user ends it."""
    if seen.resource != ROLLOUTS or seen.old is None or seen.new is None:
        return
    old, new = status_of(seen.old), status_of(seen.new)
    was, canary = old.get("currentStepIndex"), Rollout.decode(seen.old).spec.canary
    if canary is None or was is None or new.get("currentStepIndex") != was + 1:
        return
    if new.get("stableRS") == new.get("currentPodHash") or was >= len(canary.steps):
        return
    pause = canary.steps[was].pause
    if pause is None:
        return
    started = _pause_start(seen.old)
    ghost = judge.ledger.ghosts[seen.name]
    if ghost.user_at > ghost.step_at[0]:
        return
    if pause.seconds is None:
        yield f"a pause without an end ended by itself at step {was}"
    elif started is None or judge.now() - started < pause.seconds:
        lasted = None if started is None else judge.now() - started
        yield f"the pause of step {was} lasted {lasted} s instead of {pause.seconds} s"


def _pause_start(rollout: Obj) -> float | None:
    status = Rollout.decode(rollout).status
    starts = (c.start_time for c in status.pause_conditions if c.reason == "CanaryPauseStep")
    return next(starts, None)


def _s12_identity(judge: Judge, seen: Seen) -> Iterator[str]:
    """One ReplicaSet per template, one run per attempt, and everything has its owner."""
    if seen.verb != "create" or seen.new is None:
        return
    if seen.resource not in (REPLICA_SETS, ANALYSIS_RUNS):
        return
    rollout = judge.ledger.rollout_of(seen.new)
    if rollout is None:
        if experiment_of(judge.ledger, seen.new) is None:
            yield f"{seen.resource.kind} {seen.name} is created without an owner"
        return
    if seen.resource == REPLICA_SETS:
        twins = [rs for rs in judge.ledger.sets_of(rollout) if hash_of(rs) == hash_of(seen.new)]
        if len(twins) > 1:
            yield f"{len(twins)} ReplicaSets have the hash {hash_of(seen.new)}"
        return
    meta, ghost = seen.new["metadata"], judge.ledger.ghosts[rollout["metadata"]["name"]]
    labels = meta.get("labels") or {}
    revision = (meta.get("annotations") or {}).get(keys.REVISION)
    purpose = (labels.get(keys.RUN_TYPE), labels.get(keys.STEP_INDEX), revision, ghost.user_at)
    slot = f"{rollout['metadata']['name']} {hash_of(seen.new)} {purpose}"
    judge.attempts[slot] += 1
    if judge.attempts[slot] > 1:
        yield f"run {seen.name} repeats one that exists: {slot}"


def _s14_no_back_and_forth(judge: Judge, seen: Seen) -> Iterator[str]:
    """Nothing swings: between two things a user did or a run decided, one turn is enough."""
    if seen.old is None or seen.new is None or seen.resource != REPLICA_SETS:
        return
    rollout = judge.ledger.rollout_of(seen.new)
    if rollout is None or size(seen.old) == size(seen.new):
        return
    ghost = judge.ledger.ghosts[rollout["metadata"]["name"]]
    if judge.now() - ghost.user_at <= judge.patience:
        return  # what was decided before the user spoke may still be on its way
    direction = 1 if size(seen.new) > size(seen.old) else -1
    slot = f"{seen.name} {ghost.user_at} {len(ghost.failing)}"
    before, count = judge.turns.get(slot, (direction, 0))
    judge.turns[slot] = (direction, count + (before != direction))
    if count and before != direction:
        yield f"ReplicaSet {seen.name} swings: {size(seen.old)} to {size(seen.new)} again"


def _s10_halted_is_halted(judge: Judge, seen: Seen) -> Iterator[str]:
    """While a user has paused the Rollout no pods, no Service and no step are moved."""
    if seen.old is None or seen.new is None:
        return
    rollout = seen.new if seen.resource == ROLLOUTS else _rollout_around(judge, seen)
    if rollout is None or not rollout["spec"].get("paused"):
        return
    if judge.now() - judge.ledger.ghosts[rollout["metadata"]["name"]].user_at <= judge.patience:
        return
    if seen.resource == REPLICA_SETS and size(seen.old) != size(seen.new):
        yield f"ReplicaSet {seen.name} changes size while paused"
    if seen.resource == SERVICES and selected(seen.old) != selected(seen.new):
        yield f"Service {seen.name} is switched while paused"
    step = "currentStepIndex"
    if seen.resource == ROLLOUTS and status_of(seen.old).get(step) != status_of(seen.new).get(step):
        yield "the step index changes while paused"


def _trials(judge: Judge, seen: Seen) -> Iterator[str]:
    """What Experiments may never do."""
    return rules_of_trials(judge.ledger, seen)


def _trials_leave_nothing(judge: Judge) -> Iterator[str]:
    """At rest an Experiment that is over has neither pods nor Services nor runs that measure."""
    return leftovers(judge.ledger)


def _s13_no_leftovers(judge: Judge) -> Iterator[str]:
    """At rest every child has its owner, and only revisions in use have pods."""
    ledger = judge.ledger
    for resource in (REPLICA_SETS, ANALYSIS_RUNS):
        for obj in ledger.all(resource):
            owned = (controller_of(obj) or {}).get("kind") == "Rollout"
            if owned and ledger.rollout_of(obj) is None:
                yield f"{resource.kind} {obj['metadata']['name']} has lost its owner"
    for rollout in ledger.all(ROLLOUTS):
        status = status_of(rollout)
        in_use = {status.get("stableRS"), status.get("currentPodHash")}
        for rs in ledger.sets_of(rollout):
            if size(rs) and hash_of(rs) not in in_use and not rollout["spec"].get("paused"):
                yield f"ReplicaSet {rs['metadata']['name']} still has {size(rs)} pods"


def _s1_services_serve(judge: Judge) -> Iterator[str]:
    """At rest every Service users reach has pods."""
    for rollout in judge.ledger.all(ROLLOUTS):
        spec = Rollout.decode(rollout).spec
        for service in judge.ledger.all(SERVICES):
            name, chosen = service["metadata"]["name"], selected(service)
            concerned = name in production_services(spec) and spec.replicas_or_default > 0
            if concerned and chosen and not judge.ledger.ready(chosen):
                yield f"Service {name} points at {chosen}, which has no pods"


def _rollout_using(judge: Judge, service: str) -> Obj | None:
    for rollout in judge.ledger.all(ROLLOUTS):
        strategy = (rollout["spec"].get("strategy") or {}).values()
        if any(service in each.values() for each in strategy):
            return rollout
    return None


def _rollout_around(judge: Judge, seen: Seen) -> Obj | None:
    if seen.resource == SERVICES:
        return _rollout_using(judge, seen.name)
    return judge.ledger.rollout_of(seen.obj) if seen.resource == REPLICA_SETS else None


RULES: Final[tuple[Rule, ...]] = (
    _s1_no_black_hole,
    _s2_capacity_for_shares,
    _s3_canary_bounds,
    _s4_reference_before_scale_down,
    _s6_steps,
    _s7_no_advance_after_failure,
    _s9_abort_is_final,
    _s10_pause_lasts,
    _s10_halted_is_halted,
    _s12_identity,
    _s14_no_back_and_forth,
    _trials,
)
AT_REST: Final[tuple[Callable[[Judge], Iterator[str]], ...]] = (
    _s13_no_leftovers,
    _s1_services_serve,
    _trials_leave_nothing,
)
