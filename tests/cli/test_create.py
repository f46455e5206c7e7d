"""Creating objects: all of a file or nothing, and never with a field silently dropped."""

import pytest
import yaml

from rollouts.kube.errors import NotFound
from rollouts.kube.resources import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    EXPERIMENTS,
    ROLLOUTS,
)
from tests.cli.cluster import World
from tests.cli.cluster import template as pods

SPEC = {
    "args": [{"name": "app"}, {"name": "least", "value": "0.9"}],
    "metrics": [
        {
            "name": "rate",
            "successCondition": "result > {{args.least}}",
            "provider": {"prometheus": {"address": "http://p", "query": "ok{app='{{args.app}}'}"}},
        }
    ],
}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def write(tmp_path):
    def write(*objects, name: str = "f.yaml") -> str:
        path = tmp_path / name
        path.write_text(yaml.safe_dump_all(objects, sort_keys=False))
        return str(path)

    return write


def obj(kind: str, name: str, **spec) -> dict:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def shop(**spec) -> dict:
    return obj(
        "Rollout",
        "shop",
        selector={"matchLabels": {"app": "shop"}},
        template=pods("shop", "shop:1"),
        strategy={"canary": {}},
        **spec,
    )


def test_objects_of_all_kinds(world, write, capsys):
    file = write(
        shop(), obj("AnalysisTemplate", "t", **SPEC), obj("ClusterAnalysisTemplate", "c", **SPEC)
    )
    assert world.run("create", "-f", file) == 0
    assert capsys.readouterr().out == (
        "rollout.argoproj.io/shop created\n"
        "analysistemplate.argoproj.io/t created\n"
        "clusteranalysistemplate.argoproj.io/c created\n"
    )
    assert world.get(ROLLOUTS, "shop")["spec"]["strategy"] == {"canary": {}}
    assert world.get(CLUSTER_ANALYSIS_TEMPLATES, "c", "")["spec"]["args"] == SPEC["args"]


def test_the_namespace_of_the_object_counts(world, write):
    world.run("create", "-n", "default", "-f", write(shop()))
    other = shop()
    other["metadata"]["namespace"] = "kube-system"
    assert world.run("create", "-f", write(other)) == 0
    assert world.get(ROLLOUTS, "shop", "kube-system")["metadata"]["namespace"] == "kube-system"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (shop(replcas=1), '7:3: spec.replcas: unknown field "replcas", did you mean "replicas"?'),
        (
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}},
            "creates of /Pod unsupported",
        ),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}},
            "creates of apps/Deployment unsupported",
        ),
        (obj("Rollout", ""), "metadata.name: Required value"),
    ],
)
def test_one_wrong_object_and_nothing_is_created(world, write, capsys, wrong, words):
    assert world.run("create", "-f", write(obj("AnalysisTemplate", "t", **SPEC), wrong)) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: ")
    assert printed.err.count("\n") == 1
    with pytest.raises(NotFound):
        world.get(ANALYSIS_TEMPLATES, "t")
    assert words.partition(": ")[2] in printed.err or words in printed.err


def test_what_the_server_refuses_is_one_line(world, write, capsys):
    file = write(shop())
    world.run("create", "-f", file)
    capsys.readouterr()
    assert world.run("create", "-f", file) == 1
    assert capsys.readouterr().err == 'Error: rollouts.argoproj.io "shop" already exists\n'


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "Error: Missing option '-f' / '--filename'."),
        (("-f", "nowhere.yaml"), "Error: nowhere.yaml: No such file or directory"),
    ],
)
def test_wrong_usage(world, capsys, args, words):
    assert world.run("create", *args) == 1
    assert words in capsys.readouterr().err


def test_only_one_object_can_be_watched(world, write, capsys):
    template = obj("AnalysisTemplate", "t", **SPEC)
    assert world.run("create", "-w", "-f", write(shop(), template)) == 1
    assert world.run("create", "-w", "-f", write(template)) == 1
    assert capsys.readouterr().err == (
        "Error: Cannot watch multiple resources\n"
        "Error: Can only watch resources of type Rollout or Experiment\n"
    )


def test_output_for_programs(world, write, capsys):
    assert world.run("create", "-f", write(shop()), "-o", "name") == 0
    assert capsys.readouterr().out == "rollout.argoproj.io/shop\n"
    assert world.run("get", "rollout", "shop", "-o", "name") == 0
    assert world.run("list", "rollouts", "-o", "name") == 0
    assert capsys.readouterr().out == "rollout.argoproj.io/shop\n" * 2


# --- analysis runs --------------------------------------------------------------------------------


def only_run(world: World) -> dict:
    info = world.cluster.server.info(
        ANALYSIS_RUNS.group, ANALYSIS_RUNS.version, ANALYSIS_RUNS.plural
    )
    from rollouts.sandbox.options import ListOptions

    (run,) = world.cluster.server.list(info, "default", ListOptions())["items"]
    return run


def test_a_run_from_a_template(world, capsys):
    world.put(ANALYSIS_TEMPLATES, {"metadata": {"name": "success"}, "spec": SPEC})
    assert world.run("create", "analysisrun", "--from", "success", "-a", "app=shop") == 0
    run = only_run(world)
    assert run["metadata"]["generateName"] == "success-"
    assert run["spec"]["args"] == [
        {"name": "app", "value": "shop"},
        {"name": "least", "value": "0.9"},
    ]
    assert run["spec"]["metrics"] == SPEC["metrics"]
    name = run["metadata"]["name"]
    assert capsys.readouterr().out == f"analysisrun.argoproj.io/{name} created\n"


def test_a_run_with_a_name_for_one_controller(world):
    world.put(CLUSTER_ANALYSIS_TEMPLATES, {"metadata": {"name": "success"}, "spec": SPEC}, "")
    code = world.run(
        *("create", "ar", "--from", "success", "--global", "--name", "check", "-a", "app=shop"),
        *("-a", "least=0.5", "--instance-id", "blue"),
    )
    assert code == 0
    run = world.get(ANALYSIS_RUNS, "check")
    assert run["metadata"]["labels"] == {"argo-rollouts.argoproj.io/controller-instance-id": "blue"}
    assert run["spec"]["args"][1] == {"name": "least", "value": "0.5"}


def test_a_run_from_a_file_that_includes_a_template_of_the_cluster(world, write):
    world.put(ANALYSIS_TEMPLATES, {"metadata": {"name": "success"}, "spec": SPEC})
    outer = obj("AnalysisTemplate", "all", templates=[{"templateName": "success"}])
    file = write(outer)
    world.run("create", "ar", "--from-file", file, "--generate-name", "once-", "-a", "app=x")
    run = only_run(world)
    assert run["metadata"]["generateName"] == "once-"
    assert [one["name"] for one in run["spec"]["metrics"]] == ["rate"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "one of --from or --from-file must be specified"),
        (("--from", "a", "--from-file", "b"), "one of --from or --from-file must be specified"),
        (("--from", "success", "-a", "app"), "arguments must be in the form NAME=VALUE, not app"),
        (("--from", "success"), "args.app was not resolved"),
        (("--from", "nope"), 'analysistemplates.argoproj.io "nope" not found'),
        (
            ("--from", "success", "--global"),
            'clusteranalysistemplates.argoproj.io "success" not found',
        ),
    ],
)
def test_runs_that_cannot_be_made(world, capsys, args, words):
    world.put(ANALYSIS_TEMPLATES, {"metadata": {"name": "success"}, "spec": SPEC})
    assert world.run("create", "analysisrun", *args) == 1
    assert capsys.readouterr().err == f"Error: {words}\n"


def test_an_argument_that_nothing_uses_is_mentioned(world, capsys):
    world.put(ANALYSIS_TEMPLATES, {"metadata": {"name": "success"}, "spec": SPEC})
    world.run("create", "ar", "--from", "success", "-a", "app=x", "-a", "aap=y")
    assert capsys.readouterr().err == 'Warning: the template has no argument "aap"\n'


def test_an_experiment(world, write, capsys):
    body = obj(
        "Experiment",
        "e",
        templates=[
            {"name": "a", "selector": {"matchLabels": {"app": "a"}}, "template": pods("a", "a:1")}
        ],
    )
    assert world.run("create", "-f", write(body)) == 0
    assert world.get(EXPERIMENTS, "e")["spec"]["templates"][0]["name"] == "a"
