"""``analyze``: a run from files to its verdict, in virtual time."""

import asyncio
import io
import json
import signal
import sys
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from analysis.providers.base import ProviderError
from rollouts.cli.analyze import words
from rollouts.cli.analyze.screen import Screen
from tests.analysis.servers import reply, serving
from tests.cli.analyses import (
    Script,
    Slow,
    manifest,
    material_of,
    metric,
    run_live,
    template,
    write,
)
from tests.cli.cluster import World

BOTH = {"successCondition": "result[0] >= 0.95", "failureCondition": "result[0] < 0.5"}
ENDLESS = {"name": "endless", "count": None}
CANARY = "canary-token-4711-never-shown"


def test_a_good_run_takes_as_long_as_its_metrics_say(tmp_path, capsys):
    told = run_live(material_of(tmp_path, template()), Script(), capsys)
    assert told.code == 0
    assert 40 <= told.seconds < 41
    measured = [line for line in told.text.splitlines() if line.startswith("2026-01-01T")]
    assert len(measured) == 5
    assert measured[1] == (
        "2026-01-01T00:00:10Z  rate  ✔ Successful  result[0] >= 0.95 is true: result = [0.99]"
    )
    assert "rate    ✔ Successful  5 of 5: 5 ✔  [0.99]" in told.text
    assert told.text.endswith("check: ✔ Successful\n")


@pytest.mark.parametrize(
    ("changes", "answer", "code", "seconds", "words"),
    [
        ({}, [0.5], 1, 0, 'check: ✖ Failed\n  Metric "rate" assessed Failed due to failed (1)'),
        ({}, ProviderError("503"), 3, 40, 'check: ⚠ Error\n  Metric "rate" assessed Error'),
        (BOTH, [0.7], 4, 0, "check: ? Inconclusive\n"),
    ],
)
def test_the_exit_code_is_the_phase(tmp_path, capsys, changes, answer, code, seconds, words):
    told = run_live(
        material_of(tmp_path, template("check", metric(**changes))), Script([answer]), capsys
    )
    assert told.code == code
    assert seconds <= told.seconds < seconds + 1
    assert words in told.text


def test_an_unanswered_query_says_so(tmp_path, capsys):
    told = run_live(material_of(tmp_path, template()), Script([ProviderError("no route")]), capsys)
    assert told.text.count("rate  ⚠ Error  no route") == 5


def test_time_that_is_up_is_no_verdict_for_a_metric_with_a_count(tmp_path, capsys):
    told = run_live(material_of(tmp_path, template()), Script(), capsys, limit=25)
    assert told.code == 5
    assert 25 <= told.seconds < 26
    assert "rate    ? Undecided  3 of 5: 3 ✔" in told.text
    assert "check: ? time was up before it was decided: rate" in told.text


def test_a_metric_without_a_count_is_judged_when_time_is_up(tmp_path, capsys):
    endless = template("check", {k: v for k, v in metric(**ENDLESS).items() if v is not None})
    told = run_live(material_of(tmp_path, endless), Script(), capsys, limit=60)
    assert (told.code, told.text.count("endless  ✔ Successful  result")) == (0, 6)
    told = run_live(
        material_of(tmp_path, endless), Script([ProviderError("down")]), capsys, limit=25
    )
    assert told.code == 5, "nothing but errors is no pass"


def test_a_verdict_that_came_before_time_was_up_stands(tmp_path, capsys):
    told = run_live(material_of(tmp_path, template()), Script([[0.9]]), capsys, limit=60)
    assert told.code == 1


def test_ctrl_c_ends_a_run_in_the_middle_of_a_query(tmp_path, capsys):
    script = Script(seconds=30)
    told = run_live(material_of(tmp_path, template()), script, capsys, interrupt_after=5)
    assert told.code == 130
    assert told.seconds < 6
    assert "check: ? interrupted before it was decided" in told.text


def test_ctrl_c_terminates_what_runs_elsewhere(tmp_path, capsys):
    slow = Slow()
    told = run_live(material_of(tmp_path, template()), slow, capsys, interrupt_after=20)
    assert told.code == 130
    assert slow.ended == ["Inconclusive"]
    assert "rate  ? Inconclusive  Metric Terminated" in told.text


def test_an_answer_that_takes_time_is_asked_for_again(tmp_path, capsys):
    slow = Slow(looks=3)
    once = {k: v for k, v in metric(count=1).items() if k != "interval"}
    told = run_live(material_of(tmp_path, template("check", once)), slow, capsys)
    assert told.code == 0
    assert 45 <= told.seconds < 46
    assert "rate  ◌ Running  looked at again at 2026-01-01T00:00:15Z" in told.text
    assert slow.ended == ["Successful"]


def test_a_dry_run_metric_does_not_decide(tmp_path, capsys):
    dry = template("check", metric(count=1), dryRun=[{"metricName": "rate"}])
    told = run_live(material_of(tmp_path, dry), Script([[0.1]]), capsys)
    assert told.code == 0
    assert "rate (dry run)  ✖ Failed" in told.text


def test_programs_get_the_run_as_a_cluster_would_show_it(tmp_path, capsys):
    told = run_live(material_of(tmp_path, template()), Script(), capsys, form="json")
    run = json.loads(told.text)
    assert (run["kind"], run["metadata"]["name"]) == ("AnalysisRun", "check")
    assert run["status"]["phase"] == "Successful"
    assert run["status"]["metricResults"][0]["successful"] == 5
    assert "rate  ✔ Successful" in told.errors
    told = run_live(material_of(tmp_path, template()), Script(), capsys, form="yaml")
    assert yaml.safe_load(told.text)["status"] == run["status"]


def test_a_secret_reaches_the_provider_and_nobody_else(tmp_path, capsys):
    secretive = template(
        "check",
        metric(
            count=1,
            successCondition="result[0] == '{{args.token}}'",
            provider={"prometheus": {"query": "q{t='{{args.token}}'}", "address": "http://x"}},
        ),
        args=[{"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
    )
    script = Script([[f"was {CANARY}"], ProviderError(f"bad {CANARY}")])
    for _ in range(2):
        material = material_of(tmp_path, secretive, secret={"token": CANARY})
        told = run_live(material, script, capsys, form="json")
        assert "*****" in told.text
        assert CANARY not in told.text + told.errors
    assert script.asked[0].provider.prometheus.query == f"q{{t='{CANARY}'}}"


def test_on_a_terminal_the_table_moves_and_the_lines_stay(tmp_path):
    console = Console(force_terminal=True, width=120, file=io.StringIO())
    plan = material_of(tmp_path, template()).plan
    screen = Screen(plan, lambda: 0.0, console.print, color=False, console=console)
    screen.start()
    screen.say("a line")
    screen.stop()
    drawn = console.file.getvalue()
    assert "a line" in drawn
    assert "rate    ◌ Pending  0 of 5" in drawn


async def test_ctrl_c_in_a_shell(tmp_path):
    """A real process, a real signal: it stops, says so, and is no success."""
    data = {"resultType": "vector", "result": [{"metric": {}, "value": [0, "0.99"]}]}
    page = reply(json.dumps({"status": "success", "data": data}))
    async with serving({"/api/v1/query": page}) as server:
        hourly = template("check", metric(interval="1h"))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rollouts.cli.main", "analyze", "--prometheus", server.url),
            *("-f", write(tmp_path, hourly), "-o", "json"),
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        first = await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert "result[0] >= 0.95 is true: result = [0.99]" in first.decode()
    assert process.returncode == 130
    assert "check: ? interrupted before it was decided" in err.decode()
    assert json.loads(out)["status"]["metricResults"][0]["count"] == 1


# --- files and arguments --------------------------------------------------------------------------


@pytest.fixture
def refused(tmp_path, capsys):
    """What ``analyze`` says before it measures anything; always with exit code 2."""

    def refused(*objects, args=()):
        code = World().run("analyze", "-f", write(tmp_path, *objects), *args)
        assert code == 2
        return capsys.readouterr().err

    return refused


def test_what_makes_no_sense_is_told_with_its_remedy(refused, tmp_path):
    app = {"args": [{"name": "app"}]}
    secret = {"args": [{"name": "t", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}
    assert "give them: --arg app=VALUE" in refused(template(**app))
    assert "have no argument 'ap'; they have: app" in refused(
        template(**app), args=["--arg", "ap=x"]
    )
    assert "must be NAME=" in refused(template(**app), args=["--arg", "app"])
    assert "give it with --arg-file t=PATH or --arg-env t=VARIABLE" in refused(template(**secret))
    said = refused(template(**secret), args=["--arg", f"t={CANARY}"])
    assert "does not stand on the command line" in said
    assert CANARY not in said
    assert "there is no environment variable NOT_SET_HERE" in refused(
        template(**secret), args=["--arg-env", "t=NOT_SET_HERE"]
    )
    missing = tmp_path / "missing"
    assert "No such file" in refused(template(**secret), args=["--arg-file", f"t={missing}"])
    assert "'t' is given twice" in refused(
        template(**secret), args=["--arg-file", f"t={missing}", "--arg-env", "t=HOME"]
    )


def test_files_are_read_strictly(refused):
    assert "spec.metrics[0].sucessCondition" in refused(
        template("a", metric(sucessCondition="true"))
    )
    assert "hold no AnalysisTemplate" in refused(manifest("Rollout", "shop"))
    assert "AnalysisTemplate a is there twice" in refused(template("a"), template("a"))
    assert "duplicate name 'rate'" in refused(
        manifest("AnalysisRun", "r", metrics=[metric(), metric()])
    )
    assert "choose with --template among a, b" in refused(template("a"), template("b"))
    assert "no template 'c' in the files, which hold: a, b" in refused(
        template("a"), template("b"), args=["--template", "c"]
    )
    included = [{"templateName": "elsewhere"}]
    assert "'elsewhere' not found among the files: add its file with -f" in refused(
        template("a", templates=included)
    )


def test_a_job_needs_a_cluster(refused):
    job = metric(name="smoke", provider={"job": {"spec": {"template": {}}}})
    said = refused(template("a", job))
    assert "metric 'smoke': it runs a Kubernetes Job, which needs a cluster" in said
    assert "create analysisrun --from-file" in said
    assert "--metric" in said


def test_flags_of_a_backtest_need_one(refused):
    assert "belong to --backtest" in refused(template(), args=["--every", "1h"])
    assert "'soon' is no span of time" in refused(template(), args=["--backtest", "soon"])


def test_a_template_brings_what_it_includes(tmp_path, capsys):
    shared = manifest(
        "ClusterAnalysisTemplate", "shared", metrics=[metric(name="latency", count=1)]
    )
    outer = template(
        "outer",
        metric(count=1),
        templates=[{"templateName": "shared", "clusterScope": True}],
    )
    others = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}}
    told = run_live(material_of(tmp_path, outer, others, shared), Script(), capsys)
    assert told.code == 0
    assert "latency  ✔ Successful" in told.text
    only = material_of(tmp_path, outer, shared, metrics=["latency"])
    assert [one.name for one in only.plan.metrics] == ["latency"]
    inner = material_of(tmp_path, outer, shared, templates=["shared"])
    assert [one.name for one in inner.plan.metrics] == ["latency"]


def test_arguments_come_from_flags_defaults_and_secrets(tmp_path):
    declared = template(
        "check",
        metric(provider={"prometheus": {"query": "{{args.app}} {{args.zone}} {{args.token}}"}}),
        args=[
            {"name": "app"},
            {"name": "zone", "value": "eu"},
            {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
    )
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"k": "Y2FuYXJ5"},
    }
    material = material_of(tmp_path, declared, secret, plain={"app": "shop"})
    assert material.given.values == {"app": "shop", "zone": "eu", "token": "canary"}
    assert "canary" not in json.dumps(material.spec.to_obj())
    moved = material_of(tmp_path, declared, secret, plain={"app": "shop"}, prometheus="http://p")
    assert moved.plan.metrics[0].metric.provider.prometheus.address == "http://p"


def test_an_analysis_run_runs_as_it_stands(tmp_path, capsys):
    args = [{"name": "least", "value": "0.5"}]
    run = manifest(
        "AnalysisRun",
        "by-hand",
        metrics=[metric(count=1, successCondition="result[0] > asFloat('{{args.least}}')")],
        args=args,
    )
    assert run_live(material_of(tmp_path, run), Script([[0.6]]), capsys).code == 0
    strict = material_of(tmp_path, run, plain={"least": "0.7"})
    assert run_live(strict, Script([[0.6]]), capsys).code == 1


def test_every_phase_has_an_exit_code_of_its_own():
    codes = [*words.EXIT_CODES.values(), words.USAGE, words.UNDECIDED, words.INTERRUPTED]
    assert sorted(codes) == sorted(set(codes))
