"""What a metric may say about where its value comes from: one model per provider.

Owns the fields, their defaults and their descriptions, as Argo Rollouts documents them. Refuses to
talk to anything. Used by ``analysis.spec``; each provider reads its own model.
"""

from typing import Any

from pydantic import Field

from analysis.model import (
    REQUIRED,
    Duration,
    FreeObject,
    FreeValue,
    Int64,
    IntOrString,
    Model,
)


class KeyValue(Model):
    """A header of a request."""

    key: str = Field("", description="Name of the header.", json_schema_extra=REQUIRED)
    value: str = Field("", description="Value of the header.", json_schema_extra=REQUIRED)


class BasicAuth(Model):
    username: str = Field("", description="User name sent with every query.")
    password: str = Field(
        "", description="Password sent with every query; take it from a Secret by an argument."
    )


class OAuth2(Model):
    token_url: str = Field("", description="Where a token is obtained with the client's identity.")
    client_id: str = Field("", description="Public identifier of the client.")
    client_secret: str = Field(
        "", description="Secret of the client; take it from a Secret by an argument."
    )
    scopes: list[str] = Field(default_factory=list, description="Scopes to ask for.")


class Sigv4(Model):
    region: str = Field("", description="AWS region the request is signed for.")
    profile: str = Field("", description="Profile of the AWS configuration to sign with.")
    role_arn: str = Field("", description="Role to assume before signing.")


class Authentication(Model):
    """How a metric server learns who asks. At most one of the fields."""

    basic_auth: BasicAuth | None = Field(None, description="HTTP basic authentication.")
    oauth2: OAuth2 | None = Field(
        None, description="OAuth 2 client credentials: a token is fetched, then sent as bearer."
    )
    sigv4: Sigv4 | None = Field(
        None, description="AWS signature version 4, for Amazon Managed Service for Prometheus."
    )


class RangeQuery(Model):
    start: str = Field("", description='First instant, e.g. `now() - duration("10m")`.')
    end: str = Field("", description="Last instant, e.g. `now()`.")
    step: Duration = Field("", description="Distance between two points, as a duration.")


class PrometheusServer(Model):
    """How a Prometheus server is reached."""

    address: str = Field(
        "",
        description="URL of the server (ARGO_ROLLOUTS_PROMETHEUS_ADDRESS of the controller).",
    )
    authentication: Authentication | None = Field(None, description="Who is asking.")
    timeout: Int64 | None = Field(None, description="Seconds to wait for an answer (30).")
    insecure: bool = Field(False, description="Do not verify the server's certificate.")
    headers: list[KeyValue] = Field(default_factory=list, description="Headers to send.")


class Prometheus(PrometheusServer):
    query: str = Field("", description="PromQL to evaluate.")
    range_query: RangeQuery | None = Field(
        None, description="Ask for a range of points instead of the value now."
    )


class Counters(Model):
    """Two counters as they are, without rate(); by pod, so that restarts are seen."""

    bad: str = Field(
        "",
        description="PromQL of the counter of bad requests, e.g. "
        '`sum by (pod) (requests_total{code=~"5.."})`.',
        json_schema_extra=REQUIRED,
    )
    total: str = Field(
        "",
        description="PromQL of the counter of all requests, by the same labels.",
        json_schema_extra=REQUIRED,
    )


class Buckets(Model):
    """The buckets of a histogram, as they are, of both versions."""

    canary: str = Field(
        "",
        description="PromQL of the canary's buckets, e.g. "
        "`sum by (le, pod) (request_duration_seconds_bucket{...})`.",
        json_schema_extra=REQUIRED,
    )
    stable: str = Field(
        "",
        description="PromQL of the stable version's buckets, by the same labels.",
        json_schema_extra=REQUIRED,
    )
    slower_than: list[str] = Field(
        default_factory=list,
        description='Bounds of buckets, as in the label le, e.g. `["0.25", "1"]`: a request is bad '
        "that took longer. Each is a question of its own, and they share alpha.",
        json_schema_extra=REQUIRED,
    )


class Sequential(Model):
    """The canary compared with the stable version look by look; it decides by itself."""

    prometheus: PrometheusServer = Field(
        default_factory=PrometheusServer, description="The server that has the counters."
    )
    canary: Counters | None = Field(None, description="Requests of the canary.")
    stable: Counters | None = Field(None, description="Requests of the stable version.")
    latency: Buckets | None = Field(
        None, description="Compare how many requests are slow; excludes canary and stable."
    )
    alpha: str = Field(
        "0.01",
        description="Chance that a run fails a canary that is no worse; the sequential metrics of "
        "a run share it.",
    )
    margin: str = Field(
        "10%", description="How much more of its requests may be bad on the canary than on stable."
    )
    minimum_requests: Int64 = Field(
        100, description="Requests each version must have answered before the metric can succeed."
    )
    interval: Duration = Field("10s", description="Time between two looks.")
    duration: Duration = Field(
        "10m", description="When to stop looking: by then the canary has failed, or it passes."
    )


class KayentaThreshold(Model):
    pass_: Int64 = Field(
        0, alias="pass", description="Lowest score that succeeds.", json_schema_extra=REQUIRED
    )
    marginal: Int64 = Field(
        0,
        description="Lowest score that is inconclusive; anything below fails.",
        json_schema_extra=REQUIRED,
    )


class JudgeMetric(Model):
    """A pair of series that is compared."""

    name: str = Field("", description="Name of the comparison.", json_schema_extra=REQUIRED)
    canary: str = Field("", description="PromQL of the canary.", json_schema_extra=REQUIRED)
    stable: str = Field("", description="PromQL to compare with.", json_schema_extra=REQUIRED)
    group: str = Field("", description="Group the score is put together by (the metric itself).")
    direction: str = Field(
        "either",
        description="Which change fails.",
        json_schema_extra={"enum": ["increase", "decrease", "either"]},
    )
    nan_strategy: str = Field(
        "remove",
        description="What points without a value count as.",
        json_schema_extra={"enum": ["remove", "replace"]},
    )
    outliers: str = Field(
        "keep",
        description="What is done about outliers (interquartile range, factor 3).",
        json_schema_extra={"enum": ["keep", "remove"]},
    )
    effect_size: str = Field(
        "meanRatio",
        description="How the size of a difference is measured.",
        json_schema_extra={"enum": ["meanRatio", "cles"]},
    )
    allowed_increase: str = Field(
        "", description="Effect from which on an increase counts (1 for meanRatio, 0.5 for cles)."
    )
    allowed_decrease: str = Field(
        "", description="Effect below which a decrease counts (1 for meanRatio, 0.5 for cles)."
    )
    critical: bool = Field(False, description="The score is 0 when this comparison fails.")
    must_have_data: bool = Field(False, description="No data counts as a failed comparison.")


class Judge(Model):
    """Series of both versions compared once, at the end, as Kayenta's judge does."""

    prometheus: PrometheusServer = Field(
        default_factory=PrometheusServer, description="The server that has the series."
    )
    duration: Duration = Field(
        "", description="How long to gather points.", json_schema_extra=REQUIRED
    )
    step: Duration = Field("60s", description="Time between two points.")
    metrics: list[JudgeMetric] = Field(
        default_factory=list, description="What is compared.", json_schema_extra=REQUIRED
    )
    group_weights: dict[str, Int64] = Field(
        default_factory=dict,
        description="Weight of each group in percent; groups without one share what is left.",
    )
    threshold: KayentaThreshold = Field(
        default_factory=lambda: KayentaThreshold.model_validate({"pass": 95, "marginal": 75}),
        description="What scores mean (pass 95, marginal 75).",
    )


class Web(Model):
    url: str = Field("", description="URL to request.", json_schema_extra=REQUIRED)
    method: str = Field(
        "",
        description="HTTP method (GET).",
        json_schema_extra={"enum": ["GET", "POST", "PUT"]},
    )
    headers: list[KeyValue] = Field(default_factory=list, description="Headers to send.")
    body: str = Field("", description="Text to send with POST or PUT; excludes jsonBody.")
    json_body: FreeValue | None = Field(
        None, description="JSON value to send with POST or PUT; excludes body."
    )
    timeout_seconds: Int64 | None = Field(None, description="Seconds to wait for the answer (10).")
    json_path: str = Field(
        "", description="Which part of a JSON answer is the result, e.g. `{$.data.ok}` (all of it)."
    )
    insecure: bool = Field(False, description="Do not verify the server's certificate.")
    authentication: Authentication | None = Field(None, description="Who is asking.")


class JobMetadata(Model):
    labels: dict[str, str] = Field(default_factory=dict, description="Labels of the Job.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations of the Job.")


class Job(Model):
    metadata: JobMetadata = Field(
        default_factory=JobMetadata, description="Labels and annotations of the Job."
    )
    spec: FreeObject = Field(
        default_factory=dict, description="The Job to run (batch/v1).", json_schema_extra=REQUIRED
    )


class SecretRef(Model):
    name: str = Field(
        "",
        description="Name of the Secret; in the controller's namespace it needs the label "
        "rollouts.argoproj.io/metric-credentials=true.",
    )
    namespaced: bool = Field(
        False, description="Look in the run's namespace instead of the controller's."
    )


class Datadog(Model):
    api_version: str = Field(
        "v1",
        description="Version of the API to ask.",
        json_schema_extra={"enum": ["v1", "v2"]},
    )
    interval: Duration = Field("5m", description="Window the query looks back over.")
    query: str = Field("", description="The query; excludes queries.")
    queries: dict[str, str] = Field(
        default_factory=dict, description="Named queries, combined by formula (v2 only)."
    )
    formula: str = Field("", description="How the named queries are combined.")
    aggregator: str = Field(
        "",
        description="How points become one number (v2 only; last).",
        json_schema_extra={
            "enum": ["avg", "min", "max", "sum", "last", "percentile", "mean", "l2norm", "area"]
        },
    )
    request_timeout: Duration = Field("10s", description="How long to wait for the answer.")
    secret_ref: SecretRef = Field(
        default_factory=SecretRef, description="Secret with api-key, app-key and address."
    )


class Wavefront(Model):
    address: str = Field(
        "", description="Host of the server, and key of its token in Secret wavefront-api-tokens."
    )
    query: str = Field("", description="The query to evaluate.")


class NewRelic(Model):
    profile: str = Field(
        "", description="Name of the Secret with the account (newrelic); any other needs a label."
    )
    query: str = Field("", description="NRQL to evaluate.", json_schema_extra=REQUIRED)
    timeout: Int64 | None = Field(None, description="Seconds to wait for the answer (5).")


class KayentaScopeDetail(Model):
    scope: str = Field("", description="What is looked at.", json_schema_extra=REQUIRED)
    region: str = Field("", description="Where it runs.", json_schema_extra=REQUIRED)
    step: Int64 = Field(0, description="Seconds between points.", json_schema_extra=REQUIRED)
    start: str = Field("", description="First instant.", json_schema_extra=REQUIRED)
    end: str = Field("", description="Last instant.", json_schema_extra=REQUIRED)


class KayentaScope(Model):
    name: str = Field("", description="Name of the scope.", json_schema_extra=REQUIRED)
    control_scope: KayentaScopeDetail = Field(
        default_factory=KayentaScopeDetail,
        description="The version compared with.",
        json_schema_extra=REQUIRED,
    )
    experiment_scope: KayentaScopeDetail = Field(
        default_factory=KayentaScopeDetail,
        description="The version under test.",
        json_schema_extra=REQUIRED,
    )


class Kayenta(Model):
    address: str = Field("", description="URL of the server.", json_schema_extra=REQUIRED)
    application: str = Field("", description="Application name.", json_schema_extra=REQUIRED)
    canary_config_name: str = Field(
        "", description="Name of the canary configuration.", json_schema_extra=REQUIRED
    )
    metrics_account_name: str = Field(
        "", description="Account the metrics are read with.", json_schema_extra=REQUIRED
    )
    configuration_account_name: str = Field(
        "", description="Account the configuration is read with.", json_schema_extra=REQUIRED
    )
    storage_account_name: str = Field(
        "", description="Account the results are stored with.", json_schema_extra=REQUIRED
    )
    threshold: KayentaThreshold = Field(
        default_factory=KayentaThreshold,
        description="What scores mean.",
        json_schema_extra=REQUIRED,
    )
    scopes: list[KayentaScope] = Field(
        default_factory=list, description="What is compared.", json_schema_extra=REQUIRED
    )
    lookback: bool = Field(
        False, description="Accepted, and without effect: scopes say which window is judged."
    )


class Dimension(Model):
    name: str = Field("", description="Name of the dimension.")
    value: str = Field("", description="Value of the dimension.")


class CloudWatchMetric(Model):
    namespace: str = Field("", description="Namespace of the metric.")
    metric_name: str = Field("", description="Name of the metric.")
    dimensions: list[Dimension] = Field(default_factory=list, description="Its dimensions.")


class MetricStat(Model):
    metric: CloudWatchMetric = Field(
        default_factory=CloudWatchMetric, description="The metric to return."
    )
    period: IntOrString | None = Field(None, description="Seconds between points.")
    stat: str = Field("", description="The statistic, e.g. `Sum` or `p99`.")
    unit: str = Field("", description="Unit to return values in.")


class MetricDataQuery(Model):
    id: str = Field("", description="Name other expressions refer to.")
    expression: str = Field("", description="A metric-math expression; excludes metricStat.")
    label: str = Field("", description="Label of the result.")
    metric_stat: MetricStat | None = Field(None, description="A metric; excludes expression.")
    period: IntOrString | None = Field(None, description="Seconds between points.")
    return_data: bool | None = Field(None, description="Whether this query's values are returned.")


class CloudWatch(Model):
    interval: Duration = Field("", description="Window the query looks back over (5m).")
    metric_data_queries: list[MetricDataQuery] = Field(
        default_factory=list, description="The queries.", json_schema_extra=REQUIRED
    )


class Graphite(Model):
    address: str = Field("", description="URL of the server.")
    query: str = Field(
        "", description="The target to render, or `target=...` with further parameters."
    )


class Influxdb(Model):
    profile: str = Field(
        "", description="Name of the Secret with the server (influxdb); any other needs a label."
    )
    query: str = Field("", description="Flux to run.")


class Skywalking(Model):
    address: str = Field("", description="URL of the server.")
    query: str = Field("", description="GraphQL to run.")
    interval: Duration = Field("", description="Window the query looks back over.")


class Provider(Model):
    """Where the value comes from: exactly one of the fields."""

    prometheus: Prometheus | None = Field(None, description="A Prometheus query.")
    web: Web | None = Field(None, description="An HTTP request.")
    job: Job | None = Field(None, description="A Kubernetes Job that succeeds or fails.")
    datadog: Datadog | None = Field(None, description="A Datadog query.")
    wavefront: Wavefront | None = Field(None, description="A Wavefront query.")
    new_relic: NewRelic | None = Field(None, description="A New Relic query.")
    kayenta: Kayenta | None = Field(None, description="A Kayenta canary judgement.")
    cloud_watch: CloudWatch | None = Field(None, description="Amazon CloudWatch metrics.")
    graphite: Graphite | None = Field(None, description="A Graphite target.")
    influxdb: Influxdb | None = Field(None, description="An InfluxDB query.")
    skywalking: Skywalking | None = Field(None, description="An Apache SkyWalking query.")
    sequential: Sequential | None = Field(
        None, description="The canary compared with the stable version, look by look."
    )
    judge: Judge | None = Field(
        None, description="Series of both versions compared once, at the end."
    )
    plugin: FreeObject | None = Field(
        None, description="A metric plug-in by name, with its own configuration."
    )

    def configured(self) -> list[str]:
        """Names of the providers that are set, as users spell them."""
        given: dict[str, Any] = {
            field.alias or name: getattr(self, name)
            for name, field in type(self).model_fields.items()
        }
        return [name for name, value in given.items() if value is not None]
