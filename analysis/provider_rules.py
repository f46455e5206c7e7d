"""Which configurations of metric providers contradict themselves.

Owns rules over more than one field, and what must be there for a question to be asked at all.
Refuses to look at queries, and at what only shows when somebody is asked. Called by
``analysis.validation`` before a run measures, and by lint. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from analysis.model import Model
from analysis.providers.config import Datadog, Kayenta, Provider, Skywalking
from analysis.times import parse_duration

_ASKED: Final[Mapping[str, tuple[str, ...]]] = {
    "graphite": ("address", "query"),
    "influxdb": ("query",),
    "kayenta": ("address", "application", "canary_config_name", "scopes"),
    "new_relic": ("query",),
    "prometheus": ("query",),
    "skywalking": ("address", "query"),
    "wavefront": ("address", "query"),
}
_DURATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "datadog": ("interval", "request_timeout"),
    "skywalking": ("interval",),
}


def contradictions(provider: Provider) -> Iterator[str]:
    """What makes no sense whatever is measured, in words that begin with the provider's key."""
    if provider.datadog is not None:
        yield from (f"datadog: {text}" for text in _datadog(provider.datadog))
    if provider.skywalking is not None:
        yield from (f"skywalking: {text}" for text in _skywalking(provider.skywalking))
    if provider.kayenta is not None:
        yield from (f"kayenta: {text}" for text in _kayenta(provider.kayenta))


def gaps(provider: Provider) -> Iterator[tuple[str, str]]:
    """The path below the provider, and what is wrong there: what would only show as errors of
    measurements. Text with ``{{`` in it is left alone.
    """
    for name, fields in _ASKED.items():
        config = getattr(provider, name)
        for field in fields if config is not None else ():
            if not getattr(config, field):
                yield _alias(provider, name), f"Required value: {_alias(config, field)}"
    for name, fields in _DURATIONS.items():
        config = getattr(provider, name)
        for field in fields if config is not None else ():
            if problem := _duration(getattr(config, field)):
                yield f"{_alias(provider, name)}.{_alias(config, field)}", problem


def _datadog(config: Datadog) -> Iterator[str]:
    version = config.api_version or "v1"
    if version not in ("v1", "v2"):
        yield f"apiVersion '{version[:16]}' must be v1 or v2"
    if config.query and config.queries:
        yield "query and queries exclude each other"
    if not config.query and not config.queries:
        yield "query is empty: query or queries must say what to measure"
    if config.queries and version != "v2":
        yield "queries need apiVersion v2"
    if len(config.queries) > 1 and not config.formula:
        yield "several queries need a formula"
    if config.formula and not config.queries:
        yield "a formula needs queries"
    if config.aggregator and version != "v2":
        yield "aggregator needs apiVersion v2"


def _skywalking(config: Skywalking) -> Iterator[str]:
    if not config.interval:
        yield "interval is required: how far the query looks back"


def _kayenta(config: Kayenta) -> Iterator[str]:
    threshold = config.threshold
    if "threshold" not in config.model_fields_set:
        yield "threshold is required: without one every score would pass"
    elif threshold.pass_ < threshold.marginal:
        yield (
            f"threshold.pass ({threshold.pass_}) must be >= threshold.marginal "
            f"({threshold.marginal})"
        )
    names = [scope.name for scope in config.scopes]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"scope '{name[:64]}' is there more than once"


def _alias(model: Model, field: str) -> str:
    return type(model).model_fields[field].alias or field


def _duration(text: str) -> str:
    if not text or "{{" in text:
        return ""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        return str(error)
    return "" if seconds > 0 else "must be longer than nothing"
