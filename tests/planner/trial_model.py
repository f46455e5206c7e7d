"""A routed model cluster in which Experiments run: both planners act, each on what the other left.

What the judge of routed releases looks at is judged here for Experiments too: no share without the
pods for it, and no pod goes while the router sends it a share.
"""

from dataclasses import replace

from rollouts.kube.patches import apply_merge
from rollouts.kube.resources import CONFIG_MAPS
from rollouts.planner.experiment.planner import plan as plan_experiment
from rollouts.planner.experiment.world import in_traffic
from rollouts.planner.plan import Plan, Scale, Write
from rollouts.planner.trials import Trial
from rollouts.planner.world import World
from tests.planner.experiment.model import Model as Experiment
from tests.planner.model import rollout
from tests.planner.routed_model import SPLIT, RoutedModel
from tests.planner.walk import TEMPLATE

PORTS = {"containers": [{"name": "app", "image": "app:1", "ports": [{"containerPort": 80}]}]}


def template(name: str, ref: str = "canary", **fields) -> dict:
    return {"name": name, "specRef": ref, **fields}


def step(*templates: dict, **fields) -> dict:
    both = (template("baseline", "stable"), template("canary"))
    return {"experiment": {"templates": list(templates or both), **fields}}


def basic(*steps: dict, **fields) -> dict:
    """A canary without a router."""
    names = {"stableService": "stable", "canaryService": "canary"}
    return {"canary": {"steps": list(steps), **names, **fields}}


class TrialModel(RoutedModel):
    """``broken_templates``: templates of Experiments whose pods never become available."""

    def __init__(self, raw: dict, *, verifying: bool = False) -> None:
        super().__init__(raw, verifying=verifying)
        self.world = replace(self.world, templates={"rate": TEMPLATE})
        if verifying:
            self.set_data({"inEffect.additional": ""})
        self.running: dict[str, Experiment] = {}
        self.broken_templates: set[str] = set()
        self.asleep = False  # whether nobody steers Experiments

    # --- what the controllers do

    def reconcile(self) -> Plan:
        done = super().reconcile()
        uids = {each.name: {"metadata": {"uid": f"uid-{each.name}"}} for each in self.trials}
        self.world = replace(
            self.world,
            experiments=tuple(
                each.followed_by(apply_merge(each.raw, uids[each.name]), "uid-app")
                for each in self.trials
            ),
        )
        return done

    def experiments_follow(self) -> None:
        """Every Experiment is steered, its pods follow, and its runs that are to stop do."""
        for trial in self.trials:
            if trial.owned and not self.asleep:
                self._steer(trial)
        found = [self._as_seen(trial) for trial in self.trials]
        self.world = replace(self.world, experiments=tuple(found))

    def settle(self) -> None:
        for _ in range(100):
            before = self._everything()
            self.reconcile()
            self.pods_follow()
            self.experiments_follow()
            if self._everything() == before:
                return
        raise AssertionError("does not settle")

    def settle_slowly(self, rounds: int = 200, obey_every: int = 3) -> None:
        """One pod at a time, and a router that takes its time."""
        quiet = 0
        for number in range(rounds):
            before = self._everything()
            self.reconcile()
            self.pods_follow(limit=1)
            self.experiments_follow()
            if number % obey_every == 0:
                self.obey()
            quiet = quiet + 1 if self._everything() == before else 0
            if quiet > obey_every:
                return
        raise AssertionError("does not settle")

    def _everything(self) -> tuple:
        trials = [(each.name, each.experiment.raw) for each in self.trials]
        return len(self.writes), self.counts, self.data, trials, self.backends

    def _steer(self, trial: Trial) -> None:
        one = self.running.setdefault(trial.name, Experiment(trial.raw, TEMPLATE))
        one.broken = self.broken_templates
        one.world = replace(
            one.world,
            now=self.world.now,
            experiment=trial.experiment,
            in_traffic=in_traffic(trial.experiment, self.world.rollout.raw),
        )
        for write in plan_experiment(one.world).writes:
            if isinstance(write.effect, Scale) and write.effect.new < write.effect.old:
                self._judge_end(trial, write)
        one.reconcile()
        one.pods_follow()
        one.runs_stop()

    def _as_seen(self, trial: Trial) -> Trial:
        one = self.running.get(trial.name)
        if one is None:
            return trial
        world = one.world
        names = frozenset(each["metadata"]["name"] for each in world.own_services)
        return Trial(world.experiment, trial.owned, world.own_sets, names)

    # --- what the cluster does

    def obey(self) -> None:
        super().obey()
        if "inEffect.additional" in self.data:
            self.set_data({"inEffect.additional": self.data.get("additional", "")})

    def break_templates(self) -> None:
        """From now on no pod of an Experiment becomes available, until it is mended."""
        self.broken_templates = set() if self.broken_templates else {"canary"}

    def analysis_ends(self, name: str, phase: str, message: str = "") -> None:
        """The run of an analysis of the current Experiment comes to an end."""
        self.running[self.named].run(name, phase, message)

    def change_trial(self, patch: dict) -> None:
        """A person changes the current Experiment."""
        self._replace(self.named, patch)

    def terminate(self) -> None:
        self.change_trial({"spec": {"terminate": True}})

    def play(self, phase: str, message: str = "") -> None:
        """The current Experiment gets into a phase, whatever leads to it."""
        self._replace(self.named, {"status": {"phase": phase, "message": message}})

    def _replace(self, name: str, patch: dict) -> None:
        self.world = replace(
            self.world,
            experiments=tuple(
                each.followed_by(apply_merge(each.raw, patch), "uid-app")
                if each.name == name
                else each
                for each in self.trials
            ),
        )

    # --- what can be seen

    @property
    def trials(self) -> tuple[Trial, ...]:
        return self.world.experiments

    @property
    def named(self) -> str:
        return (self.status.get("canary") or {}).get("currentExperiment", "")

    @property
    def trial(self) -> Trial:
        return next(each for each in self.trials if each.name == self.named)

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.trials]

    @property
    def phases(self) -> list[str]:
        return [each.phase for each in self.trials]

    @property
    def stopping(self) -> list[str]:
        return [each.name for each in self.trials if each.terminating]

    @property
    def index(self) -> int | None:
        return self.status.get("currentStepIndex")

    @property
    def backends(self) -> dict[str, int]:
        """Available pods behind the Services of Experiments."""
        return {each.service: each.available for trial in self.trials for each in trial.backends}

    @property
    def additional(self) -> dict[str, int]:
        """What the router gives Services of Experiments."""
        return shares_told(self.world)

    # --- the judge

    def judge(self, before: World, write: Write, after: World) -> None:
        if before.rollout.spec.canary and before.rollout.spec.canary.traffic_routing:
            super().judge(before, write, after)
        if write.resource == CONFIG_MAPS:
            was, now = shares_told(before), shares_told(after)
            for name, share in now.items():
                if share > was.get(name, 0):
                    assert self.backends.get(name), f"{write}: no pods behind {name}"
        if write.resource.kind == "Experiment" and write.verb != "create":
            gone = next(each for each in before.experiments if each.name == write.name)
            for name in gone.services:
                assert not _may_reach(before, name), f"{write}: the router knows {name}"

    def _judge_end(self, trial: Trial, write: Write) -> None:
        rs = next(each for each in trial.replica_sets if each.name == write.name)
        for each in trial.backends:
            if each.hash == rs.hash:
                assert not _may_reach(self.world, each.service), f"{write}: traffic is left"


def shares_told(world: World) -> dict[str, int]:
    return _parsed((world.router_objects[SPLIT].get("data") or {}).get("additional", ""))


def _may_reach(world: World, service: str) -> bool:
    data = world.router_objects[SPLIT].get("data") or {}
    obeyed = _parsed(data.get("inEffect.additional", ""))
    return bool(shares_told(world).get(service) or obeyed.get(service))


def _parsed(text: str) -> dict[str, int]:
    pairs = (each.split("=") for each in text.split(",") if each)
    return {name: int(weight) for name, weight in pairs}


def deployed(strategy: dict, *, replicas: int = 5, verifying: bool = False, **spec) -> TrialModel:
    raw = rollout(strategy, replicas=replicas, **spec)
    raw["spec"]["template"]["spec"] = PORTS
    model = TrialModel(raw, verifying=verifying)
    model.settle()
    model.obey()
    model.settle()
    return model


def updated(strategy: dict, **fields) -> TrialModel:
    """A new image was set, and seen once."""
    model = deployed(strategy, **fields)
    new = [{**PORTS["containers"][0], "image": "app:2"}]
    model.change({"spec": {"template": {"spec": {"containers": new}}}})
    model.reconcile()
    return model
