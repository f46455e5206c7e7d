"""What a Rollout refers to."""

from typing import Any

import pytest

from rollouts.api import labels
from rollouts.api.references import References, services, validate_references
from rollouts.api.rollout import Rollout
from tests.api.samples import blue_green, canary


def service(**selector: str) -> dict[str, Any]:
    return {"metadata": {"name": "any"}, "spec": {"selector": selector or {"app": "shop"}}}


def template(*metrics: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"metrics": list(metrics), **spec}}


def complaint(
    obj: dict[str, Any],
    *,
    found: dict[str, Any] | None = None,
    templates: dict[str, Any] | None = None,
    cluster: dict[str, Any] | None = None,
) -> str:
    references = References((found or {}).get, (templates or {}).get, (cluster or {}).get)
    return str(validate_references(Rollout.decode(obj), references) or "")


def test_services_are_listed_in_the_order_they_are_checked():
    obj = canary(stableService="s", canaryService="c", pingPong={"pingService": "p"})
    assert [use.path.rpartition(".")[2] for use in services(Rollout.decode(obj))] == [
        "stableService",
        "canaryService",
        "pingService",
    ]


def test_a_missing_service_is_named():
    obj = blue_green(previewService="preview")
    assert complaint(obj, found={"shop": service()}) == (
        'spec.strategy.blueGreen.previewService: Invalid value: "preview": '
        'service "preview" not found'
    )


def test_a_service_must_select_the_pods():
    found = {"shop": service(app="shop", tier="front", **{labels.POD_TEMPLATE_HASH: "abc"})}
    assert complaint(blue_green(), found=found).endswith(
        'Service "shop" has unmatch label "tier" in rollout'
    )


def test_a_service_belongs_to_one_rollout():
    owned = service()
    owned["metadata"]["annotations"] = {labels.MANAGED_BY: "other"}
    assert complaint(blue_green(), found={"shop": owned}).endswith(
        'Service "shop" is managed by another Rollout'
    )


ANALYSIS = {"steps": [{"analysis": {"templates": [{"templateName": "ok"}]}}]}


def test_a_missing_template_is_named():
    assert complaint(canary(**ANALYSIS)) == (
        "spec.strategy.canary.steps[0].analysis.templates[0].templateName: "
        "Invalid value: \"ok\": AnalysisTemplate 'ok' not found"
    )


def test_a_missing_nested_template_is_named():
    nested = template(templates=[{"templateName": "deep", "clusterScope": True}])
    assert complaint(canary(**ANALYSIS), templates={"ok": nested}) == (
        "spec.templates: Invalid value: \"deep\": ClusterAnalysisTemplate 'deep' not found"
    )


def test_templates_that_include_each_other_come_to_an_end():
    loop = template(templates=[{"templateName": "ok"}])
    assert complaint(canary(**ANALYSIS), templates={"ok": loop}) == ""


@pytest.mark.parametrize(("required", "wrong"), [(False, False), (True, True)])
def test_what_an_experiment_waits_for_must_come_to_an_end(required, wrong):
    """The other analyses end together with the Experiment."""
    analysis = {"name": "a", "templateName": "ok", "requiredForCompletion": required}
    steps = [{"experiment": {"templates": [], "analyses": [analysis]}}]
    endless = {"ok": template({"name": "m", "interval": "1m"})}
    assert ("indefinitely" in complaint(canary(steps=steps), templates=endless)) is wrong


def test_a_step_must_come_to_an_end():
    endless = {"ok": template({"name": "m", "interval": "1m"})}
    assert complaint(canary(**ANALYSIS), templates=endless).endswith(
        "AnalysisTemplate ok has metric m which runs indefinitely. Invalid value for count: <nil>"
    )
    background = canary(analysis={"templates": [{"templateName": "ok"}]})
    assert complaint(background, templates=endless) == ""


def test_metrics_of_one_run_have_different_names():
    twice = template({"name": "m"}, {"name": "m"})
    assert complaint(canary(**ANALYSIS), templates={"ok": twice}).endswith(
        "two metrics have the same name 'm'"
    )


@pytest.mark.parametrize("place", ["steps", "analysis"])
def test_an_argument_without_a_value_is_named(place):
    run = {"templates": [{"templateName": "ok"}]}
    fields: dict[str, Any] = (
        {"steps": [{"analysis": run}]} if place == "steps" else {"analysis": run}
    )
    templates = {"ok": template({"name": "m"}, args=[{"name": "host"}])}
    assert 'argument "host" of the template has no value' in complaint(
        canary(**fields), templates=templates
    )
    run["args"] = [{"name": "host", "value": "x"}]
    assert complaint(canary(**fields), templates=templates) == ""


def test_everything_in_place_is_right():
    obj = canary(stableService="s", canaryService="c", **ANALYSIS)
    found = {"s": service(), "c": service()}
    assert complaint(obj, found=found, templates={"ok": template({"name": "m"})}) == ""
