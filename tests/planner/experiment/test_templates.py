"""Pods of an Experiment, from the first to the last."""

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.kube.errors import AlreadyExists, Forbidden
from rollouts.planner.plan import Scale, Verb
from tests.planner.experiment.model import Model, at, experiment, template

DEADLINE = "scale-down-deadline"


def test_each_template_gets_a_replica_set_that_is_born_empty_and_then_sized():
    model = Model(experiment(template("a", replicas=3, minReadySeconds=5), template("b")))
    model.reconcile()
    made = {w.name: w.body for w in model.writes if w.verb is Verb.CREATE}
    assert made.keys() == {"trial-a", "trial-b"}
    assert {name: body["spec"]["replicas"] for name, body in made.items()} == {
        "trial-a": 0,
        "trial-b": 0,
    }
    assert [(w.name, w.effect.new) for w in model.writes if isinstance(w.effect, Scale)] == [
        ("trial-a", 3),
        ("trial-b", 1),
    ]
    body = made["trial-a"]
    hashed = body["metadata"]["labels"][POD_TEMPLATE_HASH]
    assert body["metadata"]["labels"] == {
        "app": "shop",
        "variant": "a",
        POD_TEMPLATE_HASH: hashed,
    }
    assert body["metadata"]["annotations"] == {
        "experiment.argoproj.io/name": "trial",
        "experiment.argoproj.io/template-name": "a",
    }
    assert body["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Experiment",
            "name": "trial",
            "uid": "uid-trial",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert body["spec"]["minReadySeconds"] == 5
    assert body["spec"]["selector"]["matchLabels"][POD_TEMPLATE_HASH] == hashed
    assert body["spec"]["template"]["metadata"]["labels"][POD_TEMPLATE_HASH] == hashed
    assert model.reasons().count("ScalingReplicaSet") == 2
    assert "Scaled up ReplicaSet trial-a from 0 to 3" in [e.message for e in model.events]
    assert "NewReplicaSetCreated" not in model.reasons()


def test_a_hash_that_came_with_the_template_is_not_its_own():
    plain = Model(experiment(template("a")))
    plain.reconcile()
    copied = template("a")
    copied["template"]["metadata"]["labels"][POD_TEMPLATE_HASH] = "stale"
    copied["selector"]["matchLabels"][POD_TEMPLATE_HASH] = "stale"
    model = Model(experiment(copied))
    model.reconcile()
    assert model.set_of("a")["spec"] == plain.set_of("a")["spec"]
    assert model.status["templateStatuses"][0]["podTemplateHash"] != "stale"


def test_templates_come_run_and_end_with_the_duration():
    model = Model(experiment(duration="1m"))
    model.reconcile()
    assert (model.phase, model.states) == ("Pending", {"a": "Progressing", "b": "Progressing"})
    assert model.codes() == ["PodsNotAvailable", "PodsNotAvailable"]
    model.wait(20)
    model.settle()
    assert (model.phase, model.states) == ("Running", {"a": "Running", "b": "Running"})
    assert model.status["availableAt"] == at(20)
    assert model.codes() == ["DurationRunning"]
    assert model.plan.wake_at == model.world.now + 60
    model.wait(59)
    assert model.reconcile().writes == ()
    model.wait(1)
    model.settle()
    assert (model.phase, model.states) == ("Successful", {"a": "Successful", "b": "Successful"})
    assert [e.message for e in model.events if e.reason.startswith("Template")][-2:] == [
        "Template 'a' transitioned from Running -> Successful",
        "Template 'b' transitioned from Running -> Successful",
    ]
    assert [e.message for e in model.events if e.reason.startswith("Experiment")] == [
        "Experiment transitioned from  -> Pending",
        "Experiment transitioned from Pending -> Running",
        "Experiment transitioned from Running -> Successful",
    ]


def test_pods_are_counted_in_the_status():
    model = Model(experiment(template("a", replicas=2)))
    model.settle()
    (entry,) = model.status["templateStatuses"]
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    assert [entry[each] for each in counts] == [2, 2, 2, 2]


def test_it_is_available_only_when_every_template_is():
    model = Model(experiment(duration="1m"))
    model.broken = {"b"}
    model.settle()
    assert model.states == {"a": "Running", "b": "Progressing"}
    assert "availableAt" not in model.status
    model.wait(120)
    model.broken = set()
    model.settle()
    assert (model.phase, model.status["availableAt"]) == ("Running", at(120))


def test_without_duration_and_required_analysis_it_runs_until_somebody_ends_it():
    model = Model(experiment())
    for _ in range(24):
        model.settle()
        model.wait(3600)
    assert model.phase == "Running"
    assert model.codes() == ["RunsUntilTerminated"]
    assert model.plan.wake_at is None
    model.terminate()
    model.settle()
    assert model.phase == "Successful"


def test_a_template_that_never_gets_available_fails_at_its_deadline():
    model = Model(experiment(progressDeadlineSeconds=30, scaleDownDelaySeconds=0))
    model.broken = {"b"}
    model.settle()
    assert model.plan.wake_at == model.world.now + 30
    model.wait(29)
    assert model.reconcile().writes == ()
    model.wait(1)
    model.settle()
    assert (model.phase, model.states) == ("Failed", {"a": "Successful", "b": "Failed"})
    sentence = "Template 'b' exceeded its progressDeadlineSeconds (30)"
    assert model.status["message"] == sentence
    assert model.sizes == {"trial-a": 0, "trial-b": 0}
    (told,) = [e for e in model.events if e.reason == "TemplateFailed"]
    assert told.type == "Warning"
    assert told.message == f"Template 'b' transitioned from Progressing -> Failed: {sentence}"


def test_a_running_template_that_loses_a_pod_has_the_whole_deadline_to_mend():
    model = Model(experiment(template("a", replicas=2), progressDeadlineSeconds=30))
    model.settle()
    model.wait(3600)
    model.broken = {"a"}
    model.lose("a")
    model.reconcile()
    assert (model.phase, model.states) == ("Pending", {"a": "Progressing"})
    assert model.status["availableAt"] == at(0)
    model.wait(29)
    model.reconcile()
    assert model.phase == "Pending"
    model.broken = set()
    model.settle()
    assert (model.phase, model.states) == ("Running", {"a": "Running"})


def test_pods_stay_for_the_delay_after_the_end():
    model = Model(experiment(scaleDownDelaySeconds=45))
    model.settle()
    model.terminate()
    model.settle()
    assert model.phase == "Successful"
    assert model.sizes == {"trial-a": 1, "trial-b": 1}
    assert model.set_of("a")["metadata"]["annotations"][DEADLINE] == at(45)
    assert model.codes() == ["ScaleDownDelay", "ScaleDownDelay"]
    model.wait(44)
    assert model.reconcile().writes == ()
    model.wait(1)
    model.settle()
    assert model.sizes == {"trial-a": 0, "trial-b": 0}
    assert DEADLINE not in model.set_of("a")["metadata"]["annotations"]
    assert model.codes() == ["Completed"]
    assert [each.get("replicas", 0) for each in model.status["templateStatuses"]] == [0, 0]


def test_pods_stay_for_half_a_minute_where_nothing_else_is_said():
    model = Model(experiment())
    model.settle()
    model.terminate()
    model.settle()
    assert model.set_of("a")["metadata"]["annotations"][DEADLINE] == at(30)


def test_without_delay_pods_go_at_once():
    model = Model(experiment(scaleDownDelaySeconds=0))
    model.settle()
    model.terminate()
    model.reconcile()
    assert model.sizes == {"trial-a": 0, "trial-b": 0}


def test_a_deadline_nobody_can_read_has_passed():
    model = Model(experiment())
    model.settle()
    model.terminate()
    model.settle()
    broken = {"metadata": {"annotations": {DEADLINE: "soon"}}}
    model.patch_set("a", broken)
    model.settle()
    assert model.sizes == {"trial-a": 0, "trial-b": 1}


def test_terminated_before_its_pods_came_it_is_over():
    model = Model(experiment(duration="1m", scaleDownDelaySeconds=0))
    model.broken = {"a"}
    model.settle()
    model.terminate()
    model.settle()
    assert (model.phase, model.states) == ("Successful", {"a": "Successful", "b": "Successful"})
    assert model.sizes == {"trial-a": 0, "trial-b": 0}


def test_created_terminated_nothing_is_ever_made():
    model = Model(experiment(terminate=True))
    model.settle()
    assert model.phase == "Successful"
    assert model.sizes == {}


def test_another_number_of_pods_is_followed():
    model = Model(experiment(template("a", replicas=1)))
    model.settle()
    model.change({"spec": {"templates": [template("a", replicas=4)]}})
    model.settle()
    assert model.sizes == {"trial-a": 4}
    assert model.phase == "Running"


def test_pods_are_made_once_and_a_changed_template_is_said():
    model = Model(experiment())
    model.settle()
    changed = template("a")
    changed["template"]["spec"]["containers"][0]["image"] = "shop:other"
    model.change({"spec": {"templates": [changed, template("b")]}})
    count = len(model.writes)
    model.settle()
    assert len(model.writes) == count
    assert model.codes() == ["RunsUntilTerminated", "TemplateChanged"]


def test_a_template_spelled_out_with_defaults_is_the_same():
    model = Model(experiment())
    model.settle()
    spelled = template("a")
    spelled["template"]["spec"] |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}
    model.change({"spec": {"templates": [spelled, template("b")]}})
    model.settle()
    assert model.codes() == ["RunsUntilTerminated"]


def test_pods_of_a_template_that_was_taken_out_go():
    model = Model(experiment())
    model.settle()
    model.change({"spec": {"templates": [template("a")]}})
    model.settle()
    assert model.sizes == {"trial-a": 1, "trial-b": 0}


def test_no_pods_wanted_is_all_pods_there():
    model = Model(experiment(template("a", replicas=0), duration="1m"))
    model.settle()
    assert model.phase == "Running"


def test_a_replica_set_somebody_deletes_is_made_again():
    model = Model(experiment(duration="10m"))
    model.settle()
    model.lose_set("a")
    model.reconcile()
    assert model.states == {"a": "Progressing", "b": "Running"}
    model.settle()
    assert (model.phase, model.sizes) == ("Running", {"trial-b": 1, "trial-a": 1})


def test_a_replica_set_the_server_refuses_is_an_error_with_its_words():
    model = Model(experiment(scaleDownDelaySeconds=0))
    model.refuse(Forbidden("exceeded quota: pods"), "ReplicaSet")
    model.settle()
    assert model.phase == "Error"
    sentence = "Failed to create ReplicaSet trial-a: exceeded quota: pods"
    assert model.status["message"] == sentence
    assert model.states == {"a": "Error", "b": "Successful"}
    assert model.sizes == {}


def test_a_name_that_somebody_else_has_is_an_error():
    model = Model(experiment(template("a")))
    model.refuse(AlreadyExists('ReplicaSet "trial-a" exists'), "ReplicaSet")
    model.settle()
    assert (model.phase, model.states) == ("Error", {"a": "Error"})
    assert 'ReplicaSet "trial-a" exists' in model.status["message"]


def test_a_replica_set_of_somebody_else_in_the_cache_is_an_error_as_well():
    other = Model(experiment(template("a")))
    other.settle()
    model = Model(experiment(template("a")))
    model.give(other.set_of("a"), owner="somebody")
    model.settle()
    assert (model.phase, model.sizes) == ("Error", {"trial-a": 1})
    assert "belongs to somebody else" in model.status["message"]


def test_an_orphan_that_is_what_would_be_made_is_taken_in():
    other = Model(experiment(template("a")))
    other.settle()
    model = Model(experiment(template("a")))
    model.give(other.set_of("a"), owner=None)
    model.settle()
    assert model.phase == "Running"
    hashed = model.set_of("a")["metadata"]["labels"][POD_TEMPLATE_HASH]
    assert model.status["templateStatuses"][0]["podTemplateHash"] == hashed
    assert [w.verb for w in model.writes if w.resource.kind == "ReplicaSet"] == [Verb.PATCH]
    assert all(w.owner_must_exist for w in model.writes if w.resource.kind == "ReplicaSet")


def test_an_orphan_with_other_pods_is_in_the_way():
    other = Model(experiment(template("a")))
    other.settle()
    changed = template("a")
    changed["template"]["spec"]["containers"][0]["image"] = "shop:other"
    model = Model(experiment(changed))
    model.give(other.set_of("a"), owner=None)
    model.settle()
    assert model.phase == "Error"


def test_retried_it_starts_from_the_beginning():
    model = Model(experiment(progressDeadlineSeconds=30))
    model.broken = {"b"}
    model.settle()
    model.wait(31)
    model.settle()
    assert model.phase == "Failed"
    model.broken = set()
    model.wait(3600)
    model.settle()
    model.retry()
    model.settle()
    assert (model.phase, model.states) == ("Running", {"a": "Running", "b": "Running"})
    assert model.sizes == {"trial-a": 1, "trial-b": 1}
    assert model.status["availableAt"] == at(3631)


def test_retried_within_the_delay_its_pods_stay():
    model = Model(experiment())
    model.settle()
    model.terminate()
    model.settle()
    model.change({"spec": {"terminate": None}})
    model.retry()
    model.settle()
    model.wait(60)
    model.settle()
    assert model.sizes == {"trial-a": 1, "trial-b": 1}
    assert DEADLINE not in model.set_of("a")["metadata"]["annotations"]


def test_the_condition_follows_and_stays_as_it_was_after_a_failure():
    model = Model(experiment(progressDeadlineSeconds=30))
    model.reconcile()
    assert model.condition() == (
        "True",
        "ReplicaSetUpdated",
        'Experiment "trial" is progressing.',
    )
    model.settle()
    running = ("True", "NewReplicaSetAvailable", 'Experiment "trial" is running.')
    assert model.condition() == running
    model.terminate()
    model.settle()
    assert model.condition() == (
        "False",
        "ExperimentCompleted",
        'Experiment "trial" has successfully ran and completed.',
    )
    failing = Model(experiment(progressDeadlineSeconds=30))
    failing.broken = {"a"}
    failing.settle()
    before = failing.condition()
    failing.wait(30)
    failing.settle()
    assert failing.phase == "Failed"
    assert failing.condition() == before


def test_being_deleted_it_is_left_to_the_garbage_collector():
    model = Model(experiment())
    model.settle()
    model.change({"metadata": {"deletionTimestamp": at(10)}})
    assert model.reconcile().writes == ()
    assert model.codes() == ["Deleted"]
