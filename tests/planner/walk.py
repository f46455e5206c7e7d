"""A Model that is judged at every write: users and pods do as they please, the rules hold.

``Walk`` adds moves (what users, pods and time do) and checks (what must be true after every single
write of every plan) to the Model. Used by the property tests; a failing walk prints its moves.
"""

import copy
from dataclasses import replace

from rollouts.api.intstr import resolve_budgets
from rollouts.api.reasons import Phase
from rollouts.api.status import RolloutStatus
from rollouts.planner.plan import Plan, Scale, Switch, Verb, Write
from rollouts.planner.planner import plan
from rollouts.planner.project import project
from rollouts.planner.world import ReplicaSet, Run, World
from tests.planner.model import Model, rollout

BAD = ("Failed", "Error", "Inconclusive")
TEMPLATE = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AnalysisTemplate",
    "metadata": {"name": "rate", "namespace": "shop"},
    "spec": {
        "metrics": [
            {
                "name": "rate",
                "count": 1,
                "successCondition": "result[0] > 0.9",
                "provider": {"prometheus": {"address": "http://p", "query": "up"}},
            }
        ],
    },
}
ANALYSIS = {"templates": [{"templateName": "rate"}]}


def serving(world: World) -> int:
    """Pods that still serve once everybody has done as asked."""
    return sum(min(rs.spec, rs.available) for rs in world.replica_sets)


def asked(world: World) -> int:
    return sum(rs.spec for rs in world.replica_sets)


def behind(world: World, service: str) -> ReplicaSet | None:
    """The revision a Service reaches."""
    selector = world.services[service]["spec"]["selector"]
    pod_hash = selector.get("rollouts-pod-template-hash")
    return next((rs for rs in world.replica_sets if pod_hash and rs.hash == pod_hash), None)


class Walk(Model):
    """One Rollout, any sequence of moves, every rule checked at every write."""

    def __init__(self, strategy: dict, *, replicas: int = 5, **spec) -> None:
        names = ("stable", "canary", "active", "preview")
        raw = rollout(strategy, replicas=replicas, **spec)
        super().__init__(raw, *names, templates={"rate": TEMPLATE})
        self.created_runs: set[str] = set()
        self.touched = True  # whether a user did anything since the last plan

    # --- moves

    def user_promote(self) -> None:
        """What ``promote`` sends: unpause, resume, or skip the step."""
        self.touched = True
        if self.world.rollout.spec.paused:
            self.change({"spec": {"paused": False}})
        steps = self.steps
        at = self.status.get("currentStepIndex") or 0
        run = (self.status.get("canary") or {}).get("currentStepAnalysisRunStatus") or {}
        if run.get("status") == "Inconclusive" and self.status.get("pauseConditions"):
            resumed = {"pauseConditions": None, "controllerPause": False}
            self.change({"status": {**resumed, "currentStepIndex": at + 1}})
        elif self.status.get("pauseConditions"):
            self.change({"status": {"pauseConditions": None}})
        elif steps:
            self.change({"status": {"currentStepIndex": min(at + 1, len(steps))}})

    def user_promote_full(self) -> None:
        self.touched = True
        if self.world.rollout.spec.paused:
            self.change({"spec": {"paused": False}})
        if self.status.get("currentPodHash") != self.status.get("stableRS"):
            self.change({"status": {"promoteFull": True}})

    def user(self, patch: dict) -> None:
        self.touched = True
        self.change(patch)

    def user_image(self, number: int) -> None:
        self.touched = True
        self.set_image(f"app:{number}")

    def set_follows(self, at: int, up: int) -> None:
        """One ReplicaSet gets the pods it asks for; ``up`` more of them become available."""
        self._set_status(at, lambda rs: (rs.spec, min(rs.spec, min(rs.available, rs.spec) + up)))

    def pods_die(self, at: int, down: int) -> None:
        self._set_status(at, lambda rs: (rs.replicas, max(0, rs.available - down)))

    def _set_status(self, at: int, counts) -> None:
        sets = list(self.world.replica_sets)
        if not sets:
            return
        rs = sets[at % len(sets)]
        raw = copy.deepcopy(rs.raw)
        replicas, available = counts(rs)
        raw["status"] = {
            "replicas": replicas,
            "readyReplicas": available,
            "availableReplicas": available,
            "observedGeneration": raw["metadata"].get("generation", 0),
        }
        sets[at % len(sets)] = ReplicaSet.of(raw)
        self.world = replace(self.world, replica_sets=tuple(sets))

    def run_ends(self, at: int, phase: str) -> None:
        going = [run for run in self.world.runs if not run.completed]
        if not going:
            return
        run = going[at % len(going)]
        ended = "Successful" if run.terminating else phase
        raw = {**run.raw, "status": {"phase": ended, "message": ""}}
        uid = self.world.rollout.metadata.uid
        runs = tuple(Run.of(raw, uid) if r.name == run.name else r for r in self.world.runs)
        self.world = replace(self.world, runs=runs)

    # --- one plan, judged

    def reconcile(self) -> Plan:
        before = self.world
        made = plan(before)
        world = before
        for write in made.writes:
            after = project(world, [write])
            self._judge_write(before, world, after, write)
            world = after
        result = super().reconcile()
        self._judge_plan(before, result)
        self.touched = False
        return result

    def _judge_write(self, start: World, world: World, after: World, write: Write) -> None:
        if isinstance(write.effect, Scale):
            self._bounds(world, after, write.effect)
            self._aborted_only_shrinks(start, write.effect)
        if isinstance(write.effect, Scale) and write.effect.new < write.effect.old:
            self._still_served(world, after)
        if isinstance(write.effect, Switch):
            self._can_take_over(world, write.effect)
        if write.resource.kind == "AnalysisRun" and write.verb is Verb.CREATE:
            assert write.name not in self.created_runs, f"S6: run {write.name} made twice"
            self.created_runs.add(write.name)
        if write.subresource == "status":
            self._step_moves_lawfully(start, world, after)
        hashes = [rs.hash for rs in after.replica_sets]
        assert len(hashes) == len(set(hashes)), "S12: one ReplicaSet per hash"

    def _bounds(self, world: World, after: World, scale: Scale) -> None:
        """S3, for a canary without a router."""
        canary = after.rollout.spec.canary
        if canary is None:
            return
        size = after.rollout.spec.replicas_or_default
        surge, unavailable = resolve_budgets(canary.max_surge, canary.max_unavailable, size)
        there = next(rs.available for rs in world.replica_sets if rs.hash == scale.hash)
        if scale.new > there:  # a pod that is still there need not be made again
            most = max(asked(world), size + surge)
            assert asked(after) <= most, "S3: more pods than surge allows"
        least = min(serving(world), size - unavailable)
        assert serving(after) >= least, "S3: fewer pods serve than may be missing"

    def _still_served(self, world: World, after: World) -> None:
        """S1 and S4: production Services keep their pods."""
        size = after.rollout.spec.replicas_or_default
        for name in self.production:
            was, now = behind(world, name), behind(after, name)
            if was is None or now is None or now.spec >= was.spec:
                continue
            if name == "active":
                assert now.spec >= size, "S4: the active revision was made smaller"
                continue
            if min(was.spec, was.available) and self._room(after) > 1:
                assert min(now.spec, now.available), f"S1: Service {name} reaches nothing"

    def _room(self, world: World) -> int:
        """How many pods there may be at once; without room for two, users have allowed a gap."""
        spec = world.rollout.spec
        size = spec.replicas_or_default
        return size + (spec.canary.budgets(size)[0] if spec.canary and size else 0)

    def _can_take_over(self, world: World, switch: Switch) -> None:
        """S1: a Service goes to pods that can serve."""
        if switch.service not in self.production:
            return
        target = next(rs for rs in world.replica_sets if rs.hash == switch.new)
        was = behind(world, switch.service)
        had = was.available if was else sum(rs.available for rs in world.replica_sets)
        size = world.rollout.spec.replicas_or_default
        least = min(had, size)
        if switch.service != "active":
            least = min(1, least)
        assert target.available >= least, f"S1: Service {switch.service} loses its pods"

    def _aborted_only_shrinks(self, start: World, scale: Scale) -> None:
        """S9: from the abort on, the canary never grows and the stable one never shrinks."""
        status = start.rollout.status
        if not status.abort or status.aborted_at is None or self.touched or not self.canary:
            return
        if status.stable_rs in ("", status.current_pod_hash):
            return
        if scale.hash == status.current_pod_hash:
            assert scale.new <= scale.old, "S9: an aborted canary grows"
        if scale.hash == status.stable_rs:
            assert scale.new >= min(scale.old, start.rollout.spec.replicas_or_default), "S9"

    def _step_moves_lawfully(self, start: World, world: World, after: World) -> None:
        """S6 and S10: by one, to the start, or to the end, each only for its reason."""
        old, new = world.rollout.status, after.rollout.status
        was, now = old.current_step_index, new.current_step_index
        end = len(self.steps) if self.steps else None
        assert now is None or end is None or 0 <= now <= end, "S6: index out of range"
        if was == now or now is None or was is None:
            return
        started_over = (old.current_pod_hash, old.current_step_hash) != (
            new.current_pod_hash,
            new.current_step_hash,
        )
        if started_over or new.abort or new.stable_rs != old.stable_rs:
            assert now in (0, end, was + 1), "S6: started over somewhere in the middle"
            return
        if now == end and (old.promote_full or start.rollout.spec.rollback_window is not None):
            return
        if was > (end or 0) or now == 0:
            return
        assert now == was + 1, f"S6: from step {was} to step {now}"
        assert not start.rollout.spec.paused, "S10: went on while paused by a person"
        self._pause_was_kept(world, was)

    def _pause_was_kept(self, world: World, at: int) -> None:
        pause = self.steps[at].get("pause")
        if pause is None:
            return
        for condition in world.rollout.status.pause_conditions:
            if condition.reason == "CanaryPauseStep":
                assert "duration" in pause, "S10: left a pause without an end"
                assert condition.start_time is not None
                ends = condition.start_time + pause["duration"]
                assert world.now >= ends, "S10: left a pause too early"

    def _judge_plan(self, before: World, made: Plan) -> None:
        status = self.world.rollout.status
        assert status.phase in set(Phase), status.phase
        assert status.observed_generation == str(self.world.rollout.metadata.generation)
        self._verdict_counts(before)
        self._times_agree(made)
        self._run_belongs_to_its_step(status)
        for run in self.world.runs:
            refs = run.raw["metadata"]["ownerReferences"]
            assert [ref["uid"] for ref in refs] == ["uid-app"], "S12: a child without its owner"
        for rs in self.world.replica_sets:
            assert rs.name == f"app-{rs.hash}", "S12"
            assert rs.raw["metadata"]["ownerReferences"][0]["uid"] == "uid-app", "S12"

    def _run_belongs_to_its_step(self, status: RolloutStatus) -> None:
        """S7: no step is judged by the run of another one."""
        named = status.canary.current_step_analysis_run_status
        run = next((r for r in self.world.runs if named and r.name == named.name), None)
        if run is not None:
            assert run.labels["step-index"] == str(status.current_step_index), "S7: another's run"

    def _verdict_counts(self, before: World) -> None:
        """S7: a bad verdict that counts stops the release until a person has acted."""
        old, new = before.rollout.status, self.world.rollout.status
        if self.touched or old.stable_rs in ("", old.current_pod_hash) or old.promote_full:
            return
        parts = (old.canary, old.blue_green)
        named = {
            entry.name
            for part, field in (
                (parts[0], "current_step_analysis_run_status"),
                (parts[0], "current_background_analysis_run_status"),
                (parts[1], "pre_promotion_analysis_run_status"),
                (parts[1], "post_promotion_analysis_run_status"),
            )
            if (entry := getattr(part, field)) is not None
        }
        bad = [r for r in before.runs if r.name in named and r.phase in BAD]
        if not bad or new.current_pod_hash != old.current_pod_hash:
            return
        if old.unpausing or self.within_window:
            return
        assert new.stable_rs == old.stable_rs, "S7: promoted in spite of a bad verdict"
        stopped = new.abort or any(c.reason.startswith("Incon") for c in new.pause_conditions)
        assert stopped, f"S7: {bad[0].name} is {bad[0].phase}, and nothing stops"
        if new.blue_green.active_selector != old.blue_green.active_selector:
            assert new.blue_green.active_selector == new.stable_rs, "S7: switched"

    @property
    def within_window(self) -> bool:
        return self.world.rollout.spec.rollback_window is not None

    def _times_agree(self, made: Plan) -> None:
        """What ``why`` says of time is when the planner looks again."""
        for blocker in made.why:
            assert blocker.code
            assert blocker.message
        times = [b.until for b in made.why if b.until is not None]
        for until in times:
            assert until > self.world.now, f"a time that has passed: {made.why}"
        if made.wake_at is None:
            assert not times, f"nobody wakes for {made.why}"
        elif made.why[0].code == "InvalidSpec":  # looked at again and again, until it is mended
            assert made.wake_at > self.world.now
        else:
            assert made.wake_at > self.world.now
            assert times, f"wakes at {made.wake_at} for no reason told: {made.why}"
            assert made.wake_at - 1 <= min(times) <= made.wake_at, (
                f"{made.why} but wakes at {made.wake_at}"
            )

    # --- the end

    def finish(self) -> None:
        """Everything asked for becomes true, and a person lets the release go on."""
        self.ready = True
        self.user({"spec": {"paused": None}})
        for _ in range(60):
            self.settle()
            self.touched = False
            if any(not run.completed for run in self.world.runs):
                self.run_ends(0, "Successful")
            elif self.status.get("pauseConditions"):
                self.user({"status": {"pauseConditions": None}})
            elif self.plan.wake_at is not None:
                self.wait(self.plan.wake_at - self.world.now)
            else:
                break
        self.settle()

    def judge_rest(self) -> None:
        """L1: at rest in the state the spec says; S13: nothing is left over."""
        status = self.world.rollout.status
        size = self.world.rollout.spec.replicas_or_default
        kept = [rs for rs in self.world.replica_sets if rs.hash not in self.roles]
        assert all(rs.spec == 0 for rs in kept), f"S13: {self.counts} {self.plan.why}"
        assert len(kept) <= self.world.rollout.spec.history_limit, "S13"
        stable = next(rs for rs in self.world.replica_sets if rs.hash == status.stable_rs)
        assert stable.spec == size, f"{self.counts} {self.plan.why}"
        if status.abort:
            assert self.phase[0] == "Degraded", self.phase
            assert self.codes()[0] == "Aborted"
        else:
            assert self.phase == ("Healthy", ""), (self.phase, self.plan.why)
            assert self.codes() == ["Healthy"]
            assert status.stable_rs == status.current_pod_hash
            assert not any(run.completed is False for run in self.world.runs)
        for name in self.production:
            reached = behind(self.world, name)
            assert size == 0 or (reached and reached.hash == status.stable_rs), name

    def judge_quiet(self) -> None:
        """L2: a day of nothing."""
        count = len(self.writes)
        for _ in range(24):
            self.wait(3600)
            self.reconcile()
        assert len(self.writes) == count, self.writes[count:]

    @property
    def roles(self) -> set[str]:
        status = self.world.rollout.status
        return {status.stable_rs, status.current_pod_hash}

    @property
    def canary(self) -> bool:
        return self.world.rollout.spec.canary is not None

    @property
    def steps(self) -> list[dict]:
        strategy = self.world.rollout.raw["spec"]["strategy"]
        return (strategy.get("canary") or {}).get("steps") or []

    @property
    def production(self) -> tuple[str, ...]:
        strategy = self.world.rollout.raw["spec"]["strategy"]
        if not self.canary:
            return ("active",)
        names = ("stableService", "canaryService")
        return tuple(strategy["canary"][name] for name in names if name in strategy["canary"])
