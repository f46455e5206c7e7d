"""Which settings of comparisons make no sense, and what would give them a second meaning.

Owns the rules of the providers ``sequential`` and ``judge``: they look again by themselves and
decide by themselves, so a metric with one of them has neither conditions nor an interval. Messages
name the field and the remedy. Called by ``analysis.validation`` and, through it, by lint. Pure.
"""

from collections.abc import Iterator

from analysis.providers.config import Buckets, Counters, Judge, Sequential
from analysis.spec import Metric
from analysis.times import parse_duration


def fraction(text: str) -> float:
    """``10%`` or ``0.1``. Raises ValueError."""
    bare, percent = text.strip(), 1.0
    if bare.endswith("%"):
        bare, percent = bare[:-1], 100.0
    try:
        value = float(bare) / percent
    except ValueError:
        raise ValueError(f"'{text[:32]}' is neither a number nor a percentage") from None
    if not 0 <= value < float("inf"):
        raise ValueError(f"'{text[:32]}' must be 0 or more")
    return value


def nonsense(metric: Metric) -> Iterator[str]:
    """What is wrong, in words that begin with the provider's key."""
    for name, config in (
        ("sequential", metric.provider.sequential),
        ("judge", metric.provider.judge),
    ):
        if config is not None:
            rules = _sequential(config) if isinstance(config, Sequential) else _judge(config)
            yield from (f"{name}: {text}" for text in (*_alone(name, metric), *rules))


def _alone(name: str, metric: Metric) -> Iterator[str]:
    if metric.success_condition or metric.failure_condition:
        yield "it decides by itself: leave out successCondition and failureCondition"
    if metric.interval:
        remedy = "set provider.sequential.interval instead" if name == "sequential" else "remove it"
        yield f"one measurement goes on until it is decided, interval has no meaning: {remedy}"
    if metric.count not in (None, 0, 1, "", "0", "1"):
        yield "one measurement decides: leave out count"


def _sequential(config: Sequential) -> Iterator[str]:
    if config.latency is not None and (config.canary is not None or config.stable is not None):
        yield "latency excludes canary and stable: write two metrics to compare both"
    elif config.latency is not None:
        yield from _buckets(config.latency)
    else:
        yield from _counters("canary", config.canary)
        yield from _counters("stable", config.stable)
    yield from _alpha(config.alpha)
    try:
        fraction(config.margin)
    except ValueError as error:
        yield f"margin: {error}; write e.g. 10%"
    if config.minimum_requests < 1:
        yield "minimumRequests must be at least 1, or nothing at all would pass"
    interval, duration = _seconds(config.interval), _seconds(config.duration)
    yield from _positive("interval", interval)
    yield from _positive("duration", duration)
    if isinstance(interval, float) and isinstance(duration, float) and 0 < duration < 2 * interval:
        yield "duration must be two intervals or more: the first look only sees where counters are"


def _counters(side: str, config: Counters | None) -> Iterator[str]:
    if config is None or not config.bad or not config.total:
        yield f"{side}.bad and {side}.total are required, or latency"


def _buckets(config: Buckets) -> Iterator[str]:
    if not config.canary or not config.stable:
        yield "latency.canary and latency.stable are required"
    if not config.slower_than:
        yield 'latency.slowerThan is required: bounds of buckets in seconds, e.g. ["0.25"]'
    for bound in config.slower_than:
        try:
            if not 0 < float(bound) < float("inf"):
                raise ValueError
        except ValueError:
            yield f"latency.slowerThan '{bound[:32]}' must be seconds, as in the label le"
    if len(set(config.slower_than)) < len(config.slower_than):
        yield "latency.slowerThan has a bound twice"


def _alpha(text: str) -> Iterator[str]:
    try:
        alpha = fraction(text)
    except ValueError as error:
        yield f"alpha: {error}; write e.g. 0.01"
    else:
        if not 0 < alpha <= 0.5:
            yield f"alpha '{text[:32]}' must be above 0 and at most 0.5; 0.01 is usual"


def _judge(config: Judge) -> Iterator[str]:
    duration, step = _seconds(config.duration), _seconds(config.step)
    yield from _positive("duration", duration)
    yield from _positive("step", step)
    if isinstance(step, float) and isinstance(duration, float) and step > 0 and duration < 5 * step:
        yield "duration must be five steps or more, and 50 are better: fewer points say nothing"
    if not config.metrics:
        yield "metrics is empty: it must say what to compare"
    names = [each.name for each in config.metrics]
    if "" in names or len(set(names)) < len(names):
        yield "every one of metrics needs a name of its own"
    for each in config.metrics:
        if not each.canary or not each.stable:
            yield f"metrics '{each.name[:64]}' needs canary and stable"
        for field, text in (
            ("allowedIncrease", each.allowed_increase),
            ("allowedDecrease", each.allowed_decrease),
        ):
            try:
                fraction(text or "0")
            except ValueError as error:
                yield f"metrics '{each.name[:64]}' {field}: {error}"
    groups = {each.group or each.name for each in config.metrics}
    yield from (
        f"groupWeights: no metric is in group '{one[:64]}'"
        for one in config.group_weights
        if one not in groups
    )
    yield from _weights(config, groups)
    if config.threshold.pass_ < config.threshold.marginal:
        yield "threshold.pass must be >= threshold.marginal"


def _weights(config: Judge, groups: set[str]) -> Iterator[str]:
    given = config.group_weights
    if any(weight < 0 for weight in given.values()) or sum(given.values()) > 100:
        yield "groupWeights must not be negative, nor more than 100 together"
    elif groups <= given.keys() and sum(given.values()) != 100:
        yield "groupWeights must be 100 together when every group has one"


def _seconds(text: str) -> float | str:
    try:
        return float(parse_duration(text)) if text else 0.0
    except ValueError as error:
        return str(error)


def _positive(field: str, seconds: float | str) -> Iterator[str]:
    if isinstance(seconds, str):
        yield f"{field}: {seconds}"
    elif seconds <= 0:
        yield f"{field} must be longer than nothing, e.g. 10m"
