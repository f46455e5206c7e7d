"""A model cluster with a router, and a judge who looks at every single write.

The judge knows nothing of the planner's reasons: only what the Services select, what the router was
told, what the data plane obeys, and which pods are there.
"""

from dataclasses import replace

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.kube.patches import apply_merge
from rollouts.kube.resources import CONFIG_MAPS
from rollouts.planner import threshold
from rollouts.planner.plan import Plan, Scale, Switch, Write
from rollouts.planner.planner import plan
from rollouts.planner.project import project
from rollouts.planner.world import ReplicaSet, World
from rollouts.traffic.router import Ref
from tests.planner.model import Model, rollout

STEPS = [{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}}]
FINE = [step for weight in (20, 40, 60, 80) for step in ({"setWeight": weight}, {"pause": {}})]
SPLIT = Ref(CONFIG_MAPS, "shop", "split")


def routed(steps: list, **fields) -> dict:
    routing = {"plugins": {"rollouts/memory": {"configMap": "split"}}}
    routing |= fields.pop("routing", {})
    strategy = {"steps": steps, "trafficRouting": routing, **fields}
    return {"canary": {"canaryService": "canary", "stableService": "stable", **strategy}}


class RoutedModel(Model):
    """``verifying``: the data plane says which weight it obeys, and obeys when told to."""

    def __init__(self, raw: dict, *, verifying: bool = False) -> None:
        super().__init__(raw, "canary", "stable")
        made = {"kind": "ConfigMap", "metadata": {"name": "split", "namespace": "shop"}}
        if verifying:
            made["data"] = {"inEffect": "0"}
        self.world = replace(self.world, router_objects={SPLIT: made})
        self.weights: list[int] = []
        self.broken: set[int] = set()

    # --- what the controller does

    def reconcile(self) -> Plan:
        before = self.world
        for write in plan(before).writes:
            after = project(before, [write])
            self.judge(before, write, after)
            before = after
        return super().reconcile()

    def settle_slowly(self, rounds: int = 200, obey_every: int = 3) -> None:
        """One pod at a time, and a router that takes its time."""
        quiet = 0
        for number in range(rounds):
            before = (len(self.writes), self.counts, self.data)
            self.reconcile()
            self.pods_follow(limit=1)
            if number % obey_every == 0:
                self.obey()
            quiet = quiet + 1 if (len(self.writes), self.counts, self.data) == before else 0
            if quiet > obey_every:
                return
        raise AssertionError("does not settle")

    # --- what the cluster does

    def obey(self) -> None:
        """The data plane now does what the router was told."""
        if "inEffect" in self.data and "canary.weight" in self.data:
            self.set_data({"inEffect": self.data["canary.weight"]})

    def set_data(self, data: dict) -> None:
        self.change_split({"data": data})

    def change_split(self, patch: dict) -> None:
        changed = apply_merge(self.world.router_objects[SPLIT], patch)
        self.world = replace(self.world, router_objects={SPLIT: changed})

    def forget_split(self) -> None:
        self.world = replace(self.world, router_objects={})

    def pods_follow(self, *, limit: int | None = None) -> None:
        """As ever, but revisions that are broken get no pod ready."""
        before = {rs.revision: rs.available for rs in self.world.replica_sets}
        super().pods_follow(limit=limit)
        for rs in self.world.replica_sets:
            if rs.revision in self.broken:
                self.lose(rs.revision, max(0, rs.available - before[rs.revision]))

    def lose(self, revision: int, count: int) -> None:
        """So many pods of a revision are gone all at once."""
        sets = []
        for rs in self.world.replica_sets:
            raw = rs.raw
            if rs.revision == revision:
                left = {
                    "availableReplicas": rs.available - count,
                    "readyReplicas": rs.ready - count,
                }
                raw = {**raw, "status": {**raw["status"], **left}}
            sets.append(ReplicaSet.of(raw))
        self.world = replace(self.world, replica_sets=tuple(sets))

    # --- what can be seen

    @property
    def data(self) -> dict:
        return self.world.router_objects[SPLIT].get("data") or {}

    @property
    def weight(self) -> int:
        return told(self.world)

    @property
    def recorded(self) -> tuple[int, int]:
        found = self.status["canary"]["weights"]
        return found["canary"]["weight"], found["stable"]["weight"]

    # --- the judge

    def judge(self, before: World, write: Write, after: World) -> None:
        match write.effect:
            case Scale(hash=pod_hash, old=old, new=new) if new < old:
                for weight in possible(before):
                    share = shares(before, weight).get(pod_hash, 0)
                    assert new >= pods(before, share), f"{write} under weight {weight}"
            case Switch():
                for weight in possible(before):
                    self._no_worse(before, weight, after, weight, write)
            case _ if write.resource == CONFIG_MAPS:
                self._judge_shift(before, write, after)
            case _:
                pass

    def _judge_shift(self, before: World, write: Write, after: World) -> None:
        was, now = told(before), told(after)
        self.weights.append(now)
        self._no_worse(before, was, after, now, write)
        data = after.router_objects[SPLIT]["data"]
        whole = before.rollout.spec.canary.max_weight
        further = [each.rpartition("=")[2] for each in data.get("additional", "").split(",")]
        parts = (data["canary.weight"], data["stable.weight"], *further)
        assert sum(int(each or 0) for each in parts) == whole
        status = before.rollout.status
        if status.abort and not status.promote_full:
            assert now <= was, "an abort never sends more traffic to the canary"
        steps = before.rollout.spec.canary.steps
        at = status.current_step_index or 0
        passed = [step.set_weight or 0 for step in steps[: at + 1]]
        if now > was and at < len(steps) and not status.promote_full:
            assert now <= max(passed, default=0), "no more than the steps allow"

    def _no_worse(self, before: World, was: int, after: World, now: int, write: Write) -> None:
        """Whoever gets more has the pods for it, or fewer pods are missing altogether."""
        canary, size = before.rollout.spec.canary, before.rollout.spec.replicas_or_default
        if missing(after, now) < missing(before, was):
            return
        old, new = shares(before, was), shares(after, now)
        for pod_hash, share in new.items():
            if share <= old.get(pod_hash, 0) or size == 0:
                continue
            need = pods(after, share)
            if pod_hash == before.rollout.status.stable_rs:
                need -= canary.budgets(size)[1]
            have = available(after, pod_hash)
            assert have >= max(1, threshold.needed(canary, need)), f"{write}: {have} for {share}"


def told(world: World) -> int:
    return int((world.router_objects[SPLIT].get("data") or {}).get("canary.weight", 0))


def possible(world: World) -> set[int]:
    data = world.router_objects[SPLIT].get("data") or {}
    return {told(world), int(data.get("inEffect", told(world)))}


def pods(world: World, share: int) -> int:
    """Pods that carry a share."""
    spec = world.rollout.spec
    return -(-share * spec.replicas_or_default // spec.canary.max_weight)


def available(world: World, pod_hash: str) -> int:
    return sum(rs.available for rs in world.replica_sets if rs.hash == pod_hash)


def missing(world: World, weight: int) -> int:
    needs = ((pod_hash, pods(world, share)) for pod_hash, share in shares(world, weight).items())
    return sum(max(0, need - available(world, pod_hash)) for pod_hash, need in needs)


def shares(world: World, weight: int) -> dict[str, int]:
    """Traffic by revision, as the Services stand; unpinned Services reach nobody in particular."""
    whole = world.rollout.spec.canary.max_weight
    found: dict[str, int] = {}
    for name, share in (("canary", weight), ("stable", whole - weight)):
        selector = world.services[name]["spec"]["selector"]
        if share and POD_TEMPLATE_HASH in selector:
            to = selector[POD_TEMPLATE_HASH]
            found[to] = found.get(to, 0) + share
    return found


def deployed(strategy: dict, *, replicas: int = 10, verifying: bool = False) -> RoutedModel:
    model = RoutedModel(rollout(strategy, replicas=replicas), verifying=verifying)
    model.settle()
    model.obey()
    model.settle()
    return model


def updating(strategy: dict, *, promotions: int = 0, **fields) -> RoutedModel:
    """In the middle of an update, after so many pauses."""
    model = deployed(strategy, **fields)
    model.set_image("app:2")
    model.settle_slowly()
    for _ in range(promotions):
        model.promote()
        model.settle_slowly()
    return model
