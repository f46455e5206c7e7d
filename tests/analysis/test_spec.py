"""The models: complete enough that CRDs and documentation can be generated from them."""

import pytest

from analysis.decode import decode
from analysis.model import Model
from analysis.spec import Measurement, Phase, Provider, RunSpec, RunStatus, TemplateSpec


def models(root=Model):
    for model in root.__subclasses__():
        if model.__module__.startswith("analysis."):
            yield model
        yield from models(model)


@pytest.mark.parametrize(
    "model", sorted(models(), key=lambda m: m.__name__), ids=lambda m: m.__name__
)
def test_every_field_is_described_and_optional(model):
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name} has no description"
        assert not field.is_required(), f"{model.__name__}.{name} has no default"
    assert decode(model, {}) == (model(), ())


def test_int_or_string_can_be_told_from_the_schema():
    schema = RunSpec.model_json_schema()["$defs"]["Metric"]["properties"]["count"]
    assert any(option.get("x-kubernetes-int-or-string") for option in schema["anyOf"])


def test_a_whole_template_survives_reading_and_writing():
    template = {
        "args": [{"name": "a", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "metrics": [
            {
                "name": "m",
                "count": "3",
                "failureLimit": 1,
                "interval": "1m",
                "provider": {
                    "kayenta": {"threshold": {"pass": 90, "marginal": 75}, "lookback": True},
                    "cloudWatch": {"metricDataQueries": [{"id": "q", "period": "300"}]},
                    "plugin": {"me/mine": {"any": [1, {"thing": None}]}},
                    "newProvider": {"from": "the future"},
                },
            }
        ],
        "dryRun": [{"metricName": "m"}],
        "templates": [{"templateName": "t", "clusterScope": True}],
    }
    value, problems = decode(TemplateSpec, template)
    assert problems == ()
    assert value.to_obj() == template


def test_configured_providers_are_named_as_users_spell_them():
    provider, _ = decode(Provider, {"newRelic": {}, "cloudWatch": {}, "web": None})
    assert provider.configured() == ["newRelic", "cloudWatch"]


@pytest.mark.parametrize("phase", Phase)
def test_phases_survive(phase):
    obj = {"phase": phase.value, "metricResults": [{"phase": phase.value}]}
    status, problems = decode(RunStatus, obj)
    assert problems == ()
    assert status.phase is status.metric_results[0].phase is phase
    assert Measurement(phase=phase).model_dump(mode="json")["phase"] == phase.value
