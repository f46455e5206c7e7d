"""Services of an Experiment: made of the pods' ports, gone with the last pod."""

from rollouts.api.labels import POD_TEMPLATE_HASH
from rollouts.kube.errors import AlreadyExists, Invalid
from tests.planner.experiment.model import Model, experiment, template


def offering(name: str, *ports: dict, service: dict | None = None) -> dict:
    made = template(name, service=service or {})
    made["template"]["spec"]["containers"][0]["ports"] = list(ports)
    return made


HTTP = {"name": "http", "containerPort": 8080}


def test_a_service_is_made_of_the_ports_and_labels_of_the_pods():
    model = Model(experiment(offering("a", HTTP, {"containerPort": 53, "protocol": "UDP"})))
    model.settle()
    (service,) = model.world.services
    labels = model.set_of("a")["metadata"]["labels"]
    assert service["metadata"]["name"] == "trial-a"
    assert service["metadata"]["annotations"] == {
        "experiment.argoproj.io/name": "trial",
        "experiment.argoproj.io/template-name": "a",
    }
    assert service["metadata"]["ownerReferences"][0]["kind"] == "Experiment"
    assert service["spec"]["selector"] == labels
    assert POD_TEMPLATE_HASH in labels
    assert service["spec"]["ports"] == [
        {"name": "http", "protocol": "TCP", "port": 8080, "targetPort": 8080},
        {"name": "udp-53", "protocol": "UDP", "port": 53, "targetPort": 53},
    ]
    assert model.status["templateStatuses"][0]["serviceName"] == "trial-a"


def test_a_service_may_have_a_name_of_its_own():
    model = Model(experiment(offering("a", HTTP, service={"name": "preview"})))
    model.settle()
    assert model.services == ["preview"]
    assert model.status["templateStatuses"][0]["serviceName"] == "preview"


def test_the_same_port_twice_is_offered_once_and_names_are_not_repeated():
    two = offering("a", HTTP)
    containers = two["template"]["spec"]["containers"]
    containers.append({"name": "other", "ports": [HTTP, {**HTTP, "containerPort": 9090}]})
    model = Model(experiment(two))
    model.settle()
    ports = model.world.services[0]["spec"]["ports"]
    assert [(each["name"], each["port"]) for each in ports] == [("http", 8080), ("tcp-9090", 9090)]


def test_no_service_is_asked_for_and_none_is_made():
    model = Model(experiment())
    model.settle()
    assert model.services == []
    assert "serviceName" not in model.status["templateStatuses"][0]


def test_pods_without_ports_have_no_service_and_why_says_so():
    model = Model(experiment(offering("a")))
    model.settle()
    assert (model.phase, model.services) == ("Running", [])
    assert "ServiceWithoutPorts" in model.codes()


def test_pods_are_available_without_asking_the_service():
    model = Model(experiment(offering("a", HTTP)))
    model.reconcile()
    model.pods_follow()
    model.reconcile()
    assert model.phase == "Running"


def test_it_goes_when_the_last_pod_has_gone_and_not_before():
    model = Model(experiment(offering("a", HTTP)))
    model.settle()
    model.terminate()
    model.settle()
    assert model.services == ["trial-a"]
    model.wait(30)
    model.reconcile()
    assert (model.sizes, model.services) == ({"trial-a": 0}, ["trial-a"])
    model.pods_follow()
    model.reconcile()
    assert model.services == []


def test_a_service_not_asked_for_any_more_stays_while_there_are_pods():
    model = Model(experiment(offering("a", HTTP)))
    model.settle()
    model.change({"spec": {"templates": [template("a")]}})
    model.settle()
    assert model.services == ["trial-a"]
    model.terminate()
    model.settle()
    model.wait(31)
    model.settle()
    assert model.services == []


def test_a_service_of_somebody_else_is_an_error_and_stays_untouched():
    model = Model(experiment(offering("a", HTTP)))
    foreign = {"kind": "Service", "metadata": {"name": "trial-a", "uid": "x"}, "spec": {}}
    model.put_service(foreign)
    model.settle()
    assert (model.phase, model.states) == ("Error", {"a": "Error"})
    assert "Service trial-a: it exists and belongs to somebody else" in model.status["message"]
    assert model.world.services == (foreign,)


def test_a_service_the_server_refuses_is_an_error_with_its_words():
    for error in (Invalid("a name must be lower case"), AlreadyExists("it exists")):
        model = Model(experiment(offering("a", HTTP, service={"name": "Preview"})))
        model.refuse(error, "Service")
        model.settle()
        assert model.phase == "Error"
        assert model.status["message"] == f"Failed to create Service Preview: {error.message}"


def test_an_orphaned_service_of_its_own_is_taken_in():
    other = Model(experiment(offering("a", HTTP)))
    other.settle()
    (service,) = other.world.services
    meta = {k: v for k, v in service["metadata"].items() if k != "ownerReferences"}
    model = Model(experiment(offering("a", HTTP)))
    model.put_service({**service, "metadata": meta})
    model.settle()
    assert model.phase == "Running"
    assert model.world.owns(model.world.services[0])


def test_a_service_stays_while_a_lost_replica_set_is_made_again():
    model = Model(experiment(offering("a", HTTP)))
    model.settle()
    model.lose_set("a")
    count = len(model.writes)
    model.settle()
    assert model.services == ["trial-a"]
    assert {w.resource.kind for w in model.writes[count:]} == {"ReplicaSet", "Experiment"}
