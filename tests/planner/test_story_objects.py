"""What a revision's ReplicaSet is made of, what of it follows the Rollout, and what is counted."""

from rollouts.kube.errors import AlreadyExists, Forbidden
from rollouts.planner.plan import Verb
from rollouts.planner.planner import plan
from rollouts.planner.project import project
from tests.planner.model import Model, at, rollout
from tests.planner.walk import Walk

REVISION = "rollout.argoproj.io/revision"
HISTORY = "rollout.argoproj.io/revision-history"
DESIRED = "rollout.argoproj.io/desired-replicas"
APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NOTIFIED = "notified.notifications.argoproj.io"


def annotated(**annotations: str) -> Model:
    raw = rollout({"canary": {}}, minReadySeconds=7)
    raw["metadata"]["annotations"] = annotations
    model = Model(raw)
    model.settle()
    return model


def annotations(model: Model, revision: int = 1) -> dict[str, str]:
    found = next(rs for rs in model.world.replica_sets if rs.revision == revision)
    return found.raw["metadata"]["annotations"]


def test_a_replica_set_is_born_with_the_rollouts_annotations_but_for_those_of_its_own():
    model = annotated(**{"team": "web", APPLIED: "{}", NOTIFIED: "{}"})
    assert annotations(model) == {"team": "web", REVISION: "1", DESIRED: "5"}
    (rs,) = model.world.replica_sets
    assert rs.raw["spec"]["minReadySeconds"] == 7


def test_what_is_annotated_later_follows_and_what_is_taken_away_stays():
    model = annotated(team="web")
    model.change({"metadata": {"annotations": {"team": None, "owner": "ann"}}})
    model.settle()
    assert annotations(model) == {"team": "web", "owner": "ann", REVISION: "1", DESIRED: "5"}


def test_the_time_pods_must_be_ready_follows():
    model = annotated()
    model.change({"spec": {"minReadySeconds": 30}})
    model.settle()
    (rs,) = model.world.replica_sets
    assert rs.raw["spec"]["minReadySeconds"] == 30
    assert model.phase == ("Healthy", "")


def test_a_revision_that_comes_back_is_the_newest_and_remembers_what_it_was():
    model = annotated()
    for image in ("app:2", "app:1", "app:2", "app:1"):
        model.wait(5)
        model.set_image(image)
        model.settle()
    assert annotations(model, 5)[HISTORY] == "1,3"
    assert annotations(model, 4)[HISTORY] == "2"
    assert model.world.rollout.metadata.annotations[REVISION] == "5"
    assert len(model.world.replica_sets) == 2


def test_of_a_blue_green_release_only_what_serves_is_ready_and_available():
    walk = Walk({"blueGreen": {"activeService": "active", "autoPromotionEnabled": False}})
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    counted = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    assert [walk.status[key] for key in counted] == [10, 5, 5, 5]
    walk.pods_die(0, 2)
    walk.reconcile()
    assert [walk.status[key] for key in counted] == [10, 5, 3, 3]


def test_of_a_canary_all_revisions_count():
    walk = Walk({"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}})
    walk.settle()
    walk.wait(5)
    walk.user_image(2)
    walk.settle()
    counted = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    assert [walk.status[key] for key in counted] == [5, 1, 5, 5]


def test_a_restart_that_a_new_template_has_made_needless_is_noted_as_done():
    walk = Walk({"canary": {}}, restartAt=at(60))
    walk.settle()
    walk.wait(100)
    walk.user_image(2)
    walk.reconcile()
    assert walk.status["restartedAt"] == at(60)


# --- a ReplicaSet the server does not take


def refuse(model: Model, error: Exception) -> bool:
    """Plan, and let the server refuse the new ReplicaSet; whether anything was stored."""
    made = plan(model.world)
    (create,) = [write for write in made.writes if write.verb is Verb.CREATE]
    stored = create.otherwise(error)
    model.world = project(model.world, [stored] if stored else [])
    return stored is not None


def test_a_replica_set_that_is_refused_is_told_once_and_made_when_it_can_be():
    model = annotated()
    model.set_image("app:2")
    error = Forbidden("the policy allows no such image")
    assert refuse(model, error)
    (told,) = [c for c in model.status["conditions"] if c["type"] == "Progressing"]
    assert (told["status"], told["reason"]) == ("False", "ReplicaSetCreateError")
    assert told["message"].endswith("the policy allows no such image")
    assert told["message"].startswith('Failed to create new replica set "app-')
    assert not refuse(model, error)
    assert plan(model.world).why[0].code == "ReplicaSetCreateError"
    assert refuse(model, Forbidden("for another reason"))
    model.settle()
    assert model.phase == ("Healthy", "")
    assert "ReplicaSetCreateError" not in model.codes()


def test_a_name_that_is_taken_leads_to_another():
    model = annotated()
    model.set_image("app:2")
    assert refuse(model, AlreadyExists("it belongs to somebody else"))
    assert model.status["collisionCount"] == 1
    model.settle()
    assert model.phase == ("Healthy", "")
