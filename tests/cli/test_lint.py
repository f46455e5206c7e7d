"""lint: every finding has the place, the field and a reason, and nothing makes it fall over."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.cli.lint.documents import UnreadableError, read
from rollouts.cli.lint.report import lint
from tests.cli.cluster import World

ROOT = Path(__file__).parents[2]
SHOP = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: shop
spec:
  selector:
    matchLabels: {app: shop}
  strategy:
    canary:
      canaryService: shop-canary
      stableService: shop
      steps:
        - setWeight: 20
        - pause: {}
  template:
    metadata:
      labels: {app: shop}
    spec:
      containers:
        - name: main
          image: shop:1
"""
TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: success}
spec:
  args:
    - name: app
    - name: least
      value: "0.9"
  metrics:
    - name: rate
      successCondition: result[0] >= {{args.least}}
      provider:
        prometheus:
          query: rate(ok{app="{{args.app}}"}[1m])
"""


def found(text: str, *, strict: bool = False, file: str = "f.yaml") -> list[str]:
    return [str(one) for one in lint([(file, text)], strict_references=strict).findings]


def errors(text: str) -> list[str]:
    return [line for line in found(text) if ": error: " in line]


def changed(old: str, new: str, text: str = SHOP) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


# --- what is right --------------------------------------------------------------------------------


def test_every_example_is_free_of_errors(capsys):
    assert World().run("lint", "-f", str(ROOT / "examples"), "--strict-refs") == 0
    printed = capsys.readouterr().out
    assert printed.endswith(": 0 errors, 0 warnings\n")
    assert printed.count("\n") == 1


def test_no_client_of_a_cluster_is_imported():
    code = (
        "import sys\n"
        "from rollouts.cli.main import program, run\n"
        "from rollouts.cli.common import Session\n"
        "run(program('rollouts'), ['lint', '-f', 'examples'], Session('rollouts'))\n"
        "heavy = ('kubernetes_asyncio', 'aiohttp', 'rich', 'httpx', 'asyncio')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        cwd=ROOT,
    )
    assert done.stderr.strip() == "[]"


# --- fields ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "  selector:\n",
            "  replcas: 3\n  selector:\n",
            'f.yaml:6:3: error: spec.replcas: unknown field "replcas", did you mean "replicas"?',
        ),
        (
            "  selector:\n",
            "  replicas: three\n  selector:\n",
            "f.yaml:6:13: error: spec.replicas: must be of type integer, not string",
        ),
        (
            "  selector:\n",
            "  replicas: 1\n  replicas: 2\n  selector:\n",
            'f.yaml:7:3: error: spec.replicas: duplicate key "replicas"',
        ),
        (
            "setWeight: 20",
            "setWeight: 120",
            (
                "f.yaml:13:22: error: spec.strategy.canary.steps[0].setWeight: "
                "Invalid value: 120: SetWeight needs to be between 0 and 100"
            ),
        ),
        (
            "- pause: {}",
            "- pause: {}\n          setCanaryScale: {matchTrafficWeight: true}",
            (
                "f.yaml:15:11: error: spec.strategy.canary.steps[1].setCanaryScale: Required value: "
                "SetCanaryScale requires TrafficRouting to be set"
            ),
        ),
        (
            "          image: shop:1",
            "          image: shop:1\n          imagePullPolcy: Always",
            (
                "f.yaml:22:11: error: spec.template.spec.containers[0].imagePullPolcy: unknown field "
                '"imagePullPolcy", did you mean "imagePullPolicy"?'
            ),
        ),
        (
            "          image: shop:1",
            "          image: shop:1\n          env: [{name: A, value: 1}]",
            "f.yaml:22:34: error: spec.template.spec.containers[0].env[0].value: must be a string",
        ),
        (
            "      labels: {app: shop}",
            "      labels: {app: other}",
            (
                'f.yaml:17:7: error: spec.template.metadata.labels: Invalid value: {"app":"other"}: '
                "`selector` does not match template `labels`"
            ),
        ),
        (
            "  name: shop\nspec",
            "  name: Shop_1\nspec",
            (
                'f.yaml:4:9: error: metadata.name: Invalid value: "Shop_1": a lowercase RFC 1123 '
                "subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
                "start and end with an alphanumeric character (e.g. 'example.com', regex used for "
                "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            ),
        ),
        (
            "kind: Rollout",
            "kind: Rolout",
            'f.yaml:2:7: error: kind: unknown kind "Rolout", did you mean "Rollout"?',
        ),
        (
            "apiVersion: argoproj.io/v1alpha1",
            "apiVersion: argoproj.io/v1",
            (
                'f.yaml:1:13: error: apiVersion: Unsupported value: "argoproj.io/v1": Rollout is in '
                "argoproj.io/v1alpha1"
            ),
        ),
    ],
)
def test_a_mistake_is_found_where_it_is(old, new, line):
    assert errors(changed(old, new)) == [line]


def test_all_mistakes_are_told_at_once():
    text = changed("setWeight: 20", "setWeight: 120")
    text = changed("- pause: {}", "- pause: {duration: soon}\n        - {}", text)
    text = changed("  name: shop\nspec", "  nmae: shop\nspec", text)
    paths = [line.split(": ")[2] for line in errors(text)]
    assert paths == [
        "metadata.name",
        "metadata.nmae",
        "spec.strategy.canary.steps[0].setWeight",
        "spec.strategy.canary.steps[1].pause.duration",
        "spec.strategy.canary.steps[2]",
    ]


def test_rules_of_the_definitions_are_asked_too():
    text = changed(
        "      steps:",
        "      trafficRouting: {nginx: {stableIngress: a, stableIngresses: [b]}}\n      steps:",
    )
    assert errors(text) == [
        (
            "f.yaml:12:24: error: spec.strategy.canary.trafficRouting.nginx: Invalid value: exactly "
            "one of stableIngress and stableIngresses must be set"
        )
    ]


def test_items_of_a_list_are_objects_of_their_own():
    obj = yaml.safe_load(SHOP)
    obj["spec"]["oops"] = 1
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [obj, obj]}, indent=1)
    lines = errors(text)
    assert [line.split(": ", 1)[1] for line in lines] == [
        'error: spec.oops: unknown field "oops"'
    ] * 2
    assert '"oops": 1' in text.split("\n")[int(lines[0].split(":")[1]) - 1]


# --- references -----------------------------------------------------------------------------------


def test_what_is_missing_is_a_warning_unless_asked_for():
    missing = [
        (
            'f.yaml:10:22: {}: spec.strategy.canary.canaryService: Service "shop-canary" is not in the '
            "files given"
        ),
        (
            'f.yaml:11:22: {}: spec.strategy.canary.stableService: Service "shop" is not in the files '
            "given"
        ),
    ]
    assert found(SHOP) == [line.format("warning") for line in missing]
    assert found(SHOP, strict=True) == [line.format("error") for line in missing]


def service(name: str, app: str, namespace: str = "") -> str:
    where = f", namespace: {namespace}" if namespace else ""
    return (
        f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}{where}}}\n"
        f"spec: {{selector: {{app: {app}}}}}\n"
    )


def test_what_is_there_is_checked_across_files():
    files = [
        ("a.yaml", SHOP),
        ("b.yaml", service("shop", "shop") + service("shop-canary", "other")),
    ]
    assert [str(one) for one in lint(files).findings] == [
        (
            "a.yaml:10:22: error: spec.strategy.canary.canaryService: Invalid value: "
            '"shop-canary": Service "shop-canary" has unmatch label "app" in rollout'
        )
    ]


def test_another_namespace_is_another_service():
    text = changed("  name: shop\nspec", "  name: shop\n  namespace: web\nspec")
    text += service("shop", "shop", "web") + service("shop-canary", "shop", "other")
    assert [line.split(": ")[1:3] for line in found(text)] == [
        ["warning", "spec.strategy.canary.canaryService"]
    ]


def test_templates_are_checked_with_the_rollout_that_uses_them():
    step = "- analysis: {templates: [{templateName: success}]}"
    text = changed("- pause: {}", step) + "---\n" + TEMPLATE
    assert errors(text) == [
        (
            "f.yaml:14:49: error: spec.strategy.canary.steps[1].analysis.templates[0].templateName: "
            'Invalid value: "success": argument "app" of the template has no value: set it in '
            "spec.strategy.canary.steps[1].analysis.args"
        )
    ]
    given_ = step.replace("]}", "], args: [{name: app, value: shop}]}")
    assert errors(changed("- pause: {}", given_) + "---\n" + TEMPLATE) == []


def test_a_workload_brings_its_template():
    body = yaml.safe_load(SHOP)
    template = body["spec"].pop("template")
    selector = body["spec"].pop("selector")
    body["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {"selector": selector, "template": template},
    }
    assert errors(yaml.safe_dump_all([body, deployment])) == []
    assert 'spec.workloadRef.name: Deployment "shop" is not' in found(yaml.safe_dump(body))[-1]
    template["spec"]["containers"] = []
    assert (
        "spec.template.spec.containers: Required value"
        in errors(yaml.safe_dump_all([body, deployment]))[0]
    )


# --- metrics --------------------------------------------------------------------------------------


PROMETHEUS = """\
        prometheus:
          query: rate(ok{app="{{args.app}}"}[1m])
"""


@pytest.mark.parametrize(
    ("provider", "line"),
    [
        ("{datadog: {query: q, aggregator: sum}}", "datadog: aggregator needs apiVersion v2"),
        ("{datadog: {query: '', interval: 5m}}", "datadog: query is empty: "),
        ("{datadog: {query: q, interval: soon}}", "datadog.interval: time: invalid duration"),
        ("{skywalking: {address: http://s, query: q}}", "skywalking: interval is required"),
        ("{skywalking: {query: q, interval: 1m}}", "skywalking: Required value: address"),
        ("{skywalking: {address: a, query: q, interval: 0s}}", "skywalking.interval: must be"),
        ("{newRelic: {query: ''}}", "newRelic: Required value: query"),
        ("{graphite: {query: q}}", "graphite: Required value: address"),
    ],
)
def test_a_provider_that_cannot_be_asked_is_found(provider, line):
    text = changed(f"      provider:\n{PROMETHEUS}", f"      provider: {provider}\n", TEMPLATE)
    assert any(f": error: spec.metrics[0].provider.{line}" in one for one in errors(text))


def test_what_only_a_rollout_says_of_a_provider_is_left_alone():
    provider = "{skywalking: {address: '{{args.app}}', query: q, interval: '{{args.app}}'}}"
    text = changed(f"      provider:\n{PROMETHEUS}", f"      provider: {provider}\n", TEMPLATE)
    assert errors(text) == []


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "result[0] >= {{args.least}}",
            "result[0] >== {{args.least}}",
            "f.yaml:11:37: error: spec.metrics[0].successCondition: ",
        ),
        (
            "result[0] >= {{args.least}}",
            '"result[0] >= {{args.least}} && \\"a\\" && "',
            "f.yaml:11:65: error: spec.metrics[0].successCondition: ",
        ),
        (
            "result[0] >= {{args.least}}",
            "|\n        result[0] >= {{args.least}} &&\n        nothing.here < ",
            "f.yaml:13:23: error: spec.metrics[0].successCondition: ",
        ),
        (
            "{{args.app}}",
            "{{args.ap}}",
            (
                "f.yaml:14:31: error: spec.metrics[0].provider.prometheus.query: argument "
                '"ap" is not declared in spec.args'
            ),
        ),
        (
            "    - name: rate\n",
            "    - name: rate\n      count: 2\n",
            "f.yaml:10:7: error: spec.metrics[0].interval: interval must be specified when count > 1",
        ),
        (
            "    - name: rate\n",
            "    - name: rate\n      interval: 10\n",
            "f.yaml:11:17: error: spec.metrics[0].interval: must be a string, not a number",
        ),
        (
            "    - name: rate\n",
            "    - name: rate\n      interval: 10x\n",
            "f.yaml:11:17: error: spec.metrics[0].interval: invalid interval string: ",
        ),
        (
            "  metrics:\n",
            '  dryRun: [{metricName: "("}]\n  metrics:\n',
            "f.yaml:9:12: error: spec.dryRun[0]: error parsing regexp: missing ): (",
        ),
    ],
)
def test_metrics_that_could_never_be_measured(old, new, line):
    (only,) = errors(changed(old, new, TEMPLATE))
    assert only.startswith(line)


def test_rules_about_metrics_must_match_some():
    text = TEMPLATE.replace("    - name: app\n", "    - name: app\n      value: x\n")
    text = changed("  metrics:\n", "  dryRun: [{metricName: other}]\n  metrics:\n", text)
    assert errors(text) == [
        "f.yaml:10:12: error: spec.dryRun[0]: Rule didn't match any metric name(s)"
    ]


def test_what_depends_on_an_argument_nobody_knows_is_no_error():
    text = changed("{{args.least}}", "{{args.app}} {{args.app}}", TEMPLATE)
    text = changed("    - name: rate\n", '    - name: rate\n      count: "{{args.app}}"\n', text)
    assert errors(text) == []
    assert "f.yaml:12:51: warning: spec.metrics[0].successCondition: " in found(text)[0]


# --- hostile files --------------------------------------------------------------------------------


def bomb(width: int, height: int) -> str:
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, height)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bomb(10, 30), "more than 200000 values once its aliases are followed"),
        ("a: &a [*a]", "an alias contains itself"),
        ("[" * 100_000, "nested more than 100 levels deep"),
        (bomb(1, 200), "nested more than 100 levels deep through its aliases"),
        ("a: [1, 2", "not YAML: did not find expected"),
        ("a: \x07", "not YAML: control characters are not allowed"),
        ("a: " + "x" * 5_000_000, "larger than 4 MiB"),
        ("a: *b", "not YAML: found undefined alias"),
    ],
)
def test_files_that_cannot_be_read_are_one_finding(text, words):
    lines = found(text)
    assert len(lines) == 1
    assert words in lines[0]


def test_the_good_documents_before_a_bad_one_count(capsys):
    report = lint([("f.yaml", SHOP + "---\na: [")])
    assert report.documents == 1
    assert report.failed


def test_findings_about_one_object_end_somewhere():
    fields = "\n".join(f"  field{n}: 1" for n in range(1000))
    lines = found(changed("  selector:\n", f"{fields}\n  selector:\n"))
    assert len(lines) == 101
    assert any("more findings about this object" in line for line in lines)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def paths(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths(value[key], (*path, key))


WHOLE = [
    yaml.safe_load(SHOP),
    yaml.safe_load(TEMPLATE),
    *yaml.safe_load_all(service("shop", "shop")),
][:3]
PATHS = list(paths(WHOLE))[1:]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), VALUES), min_size=1, max_size=3))
def test_nothing_written_anywhere_makes_lint_fall_over(changes):
    whole = json.loads(json.dumps(WHOLE))
    for path, value in changes:
        here = whole
        try:
            for part in path[:-1]:
                here = here[part]
            here[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    text = "---\n".join(json.dumps(one) + "\n" for one in whole)
    lines = text.split("\n")
    for one in lint([("f.json", text)]).findings:
        assert 1 <= one.place.line <= len(lines)
        assert 1 <= one.place.column <= len(lines[one.place.line - 1]) + 1


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab: -[]{}&*!|>'\"\n\\#,?x0", max_size=60))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(UnreadableError):
        for document in read("f", text):
            assert json.loads(json.dumps(document.value)) == document.value


@settings(max_examples=100, deadline=None)
@given(
    st.text(alphabet="ab '\"\\\n:é", min_size=1, max_size=20),
    st.sampled_from(["|", ">", "'", '"', None]),
)
def test_places_within_texts_are_exact(value, style):
    """Where the written character is the same, the place found is that character's."""
    text = yaml.dump({"k": {"x": value}}, default_style=style, allow_unicode=True)
    document = next(read("f", text))
    assert document.obj["k"]["x"] == value
    lines = text.split("\n")
    for offset, char in enumerate(value):
        if char in "ab:é":
            line, column = document.within("k.x", offset)
            assert lines[line - 1][column - 1] == char


# --- the command ----------------------------------------------------------------------------------


def test_the_exit_code_and_the_lines(tmp_path, capsys):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.yaml").write_text(changed("setWeight: 20", "setWeight: -1"))
    (tmp_path / "deep" / "b.yml").write_text(TEMPLATE)
    (tmp_path / "note.txt").write_text("not this")
    assert World().run("lint", "-f", str(tmp_path), "-R") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "2 objects in 2 files: 1 error, 2 warnings"
    assert lines[-2].startswith(f"{tmp_path}/a.yaml:13:22: error: spec.strategy.canary.steps[0]")


def test_json_for_programs(tmp_path, capsys):
    path = tmp_path / "a.yaml"
    path.write_text(changed("setWeight: 20", "setWeight: -1"))
    assert World().run("lint", "-f", str(path), "-o", "json") == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["errors"], printed["warnings"], printed["files"]) == (1, 2, 1)
    assert printed["findings"][2] == {
        "file": str(path),
        "line": 13,
        "column": 22,
        "severity": "error",
        "object": "Rollout/shop",
        "path": "spec.strategy.canary.steps[0].setWeight",
        "message": "Invalid value: -1: SetWeight needs to be between 0 and 100",
    }


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_files_that_are_not_there(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert World().run("lint", "-f", name) == 1
    assert capsys.readouterr().err.startswith(f"Error: {name}: ")


def test_standard_input(monkeypatch, capsys):
    import io

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TEMPLATE.encode())))
    assert World().run("lint", "-f", "-") == 0
    assert capsys.readouterr().out == "1 object in 1 file: 0 errors, 0 warnings\n"


EXPERIMENT = """\
        - experiment:
            duration: 10m
            templates:
              - {name: base, specRef: stable}
              - {name: next, specRef: canary}
            analyses:
              - {name: rate, templateName: success}
"""


def test_an_experiment_step_is_followed_to_its_templates():
    shop = SHOP.replace("        - pause: {}\n", EXPERIMENT)
    alone = "\n".join(found(shop))
    path = "spec.strategy.canary.steps[1].experiment.analyses[0].templateName"
    assert f'warning: {path}: AnalysisTemplate "success" is not in the files given' in alone
    together = "\n".join(found(f"{shop}---\n{TEMPLATE}"))
    assert 'argument "app" of the template has no value' in together
    wrong = "\n".join(found(shop.replace("specRef: stable", "specRef: newest")))
    assert 'templates[0].specRef: Unsupported value: "newest"' in wrong


TRIAL = """\
apiVersion: argoproj.io/v1alpha1
kind: Experiment
metadata: {name: trial}
spec:
  duration: 5m
  templates:
    - name: a
      selector:
        matchLabels: {app: a}
      template:
        metadata:
          labels: {app: a}
        spec:
          containers:
            - {name: main, image: "shop:1"}
  analyses:
    - {name: ok, templateName: success}
"""


def test_an_experiment_is_judged_as_its_controller_would():
    twin = TRIAL[TRIAL.index("    - name: a\n") : TRIAL.index("  analyses:")]
    twice = changed("  analyses:\n", twin + "  analyses:\n", TRIAL)
    assert errors(TRIAL) == []
    assert errors(twice) == [
        "f.yaml:4:1: error: spec: Experiment trial has repeated template name 'a' in templates"
    ]
    late = changed("    - name: a\n", "    - name: a\n      minReadySeconds: 601\n", TRIAL)
    (line,) = errors(late)
    assert "MinReadySeconds cannot be longer than ProgressDeadlineSeconds" in line


def test_an_experiment_is_followed_to_its_templates():
    path = "spec.analyses[0].templateName"
    assert [line for line in found(TRIAL) if path in line] == [
        f'f.yaml:17:32: warning: {path}: AnalysisTemplate "success" is not in the files given'
    ]
    assert found(f"{TRIAL}---\n{TEMPLATE}") == []
