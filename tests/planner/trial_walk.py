"""A Walk with experiment steps: Experiments come, run, end and are stopped as others please.

What Experiments do is played here, not planned: any of them may get into any phase at any time.
"""

from dataclasses import replace

from analysis.times import format_time
from rollouts.kube.patches import apply_merge
from rollouts.planner.plan import Plan, Verb, Write
from rollouts.planner.trials import Trial
from rollouts.planner.world import World
from tests.planner.walk import BAD, Walk


class TrialWalk(Walk):
    """One Rollout whose steps may be experiments."""

    def __init__(self, strategy: dict, *, replicas: int = 5, **spec) -> None:
        super().__init__(strategy, replicas=replicas, **spec)
        self.made: set[str] = set()

    # --- moves

    def trial_gets(self, at: int, phase: str) -> None:
        """One that is under way gets into a phase; one that is to stop has stopped."""
        going = [each for each in self.trials if not each.completed]
        if going:
            trial = going[at % len(going)]
            self._put(trial, "Successful" if trial.terminating else phase)

    def trial_retried(self, at: int) -> None:
        """A person has one that is over run once more."""
        over = [each for each in self.trials if each.completed]
        if over:
            self.touched = True
            self._put(over[at % len(over)], None)

    def trial_lost(self, at: int) -> None:
        """A person deletes one."""
        if self.trials:
            self.touched = True
            lost = self.trials[at % len(self.trials)]
            self.made.discard(lost.name)
            left = tuple(each for each in self.trials if each is not lost)
            self.world = replace(self.world, experiments=left)

    def pods_follow(self, **how) -> None:
        super().pods_follow(**how)
        for trial in self.trials:
            if trial.terminating and not trial.completed:
                self._put(trial, "Successful")

    def _put(self, trial: Trial, phase: str | None) -> None:
        status = None
        if phase is not None:
            status = {"phase": phase, "availableAt": format_time(self.world.now)}
        raw = apply_merge(trial.raw, {"status": status})
        changed = trial.followed_by(raw, "uid-app")
        self.world = replace(
            self.world,
            experiments=tuple(changed if each is trial else each for each in self.trials),
        )

    # --- one plan, judged

    def _judge_write(self, start: World, world: World, after: World, write: Write) -> None:
        super()._judge_write(start, world, after, write)
        if write.resource.kind != "Experiment":
            return
        if write.verb is Verb.CREATE:
            assert write.name not in self.made, f"S6: Experiment {write.name} made twice"
            assert write.name == world.rollout.status.canary.current_experiment, "S6: not noted"
            self.made.add(write.name)

    def _judge_plan(self, before: World, made: Plan) -> None:
        super()._judge_plan(before, made)
        running = [each for each in self.trials if not each.completed and not each.terminating]
        named = self.world.rollout.status.canary.current_experiment
        assert [each.name for each in running if each.name != named] == [], "S13: one goes on"
        ended = [w.name for w in made.writes if w.resource.kind == "Experiment" and w.effect]
        assert named not in ended, "S6: the one that counts is ended"
        index, steps = self.status.get("currentStepIndex"), self.steps
        if named:
            assert "experiment" in steps[index], "S7: another step's Experiment"
        self._bad_trial_stops(before)

    def _bad_trial_stops(self, before: World) -> None:
        """S7: a bad end of the Experiment that counts stops the release."""
        old, new = before.rollout.status, self.world.rollout.status
        if self.touched or old.promote_full or old.abort or self.within_window or old.unpausing:
            return
        if old.stable_rs in ("", old.current_pod_hash):
            return
        found = [e for e in before.experiments if e.name == old.canary.current_experiment]
        if found and found[0].phase in BAD:
            stopped = new.abort or any(c.reason.startswith("Incon") for c in new.pause_conditions)
            assert stopped, f"S7: {found[0].name} is {found[0].phase}, and nothing stops"

    # --- the end

    def finish(self) -> None:
        super().finish()
        for _ in range(20):
            if not any(not each.completed for each in self.trials):
                return
            self.trial_gets(0, "Successful")
            super().finish()

    def judge_rest(self) -> None:
        super().judge_rest()
        assert all(each.completed for each in self.trials), "S13"
        assert not self.world.rollout.status.canary.current_experiment

    @property
    def trials(self) -> tuple[Trial, ...]:
        return self.world.experiments
