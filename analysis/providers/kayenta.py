"""A Kayenta canary judgement as a measurement.

Owns how a judgement is started, looked at until it is there, and what its score means: at least
``pass`` succeeds, at least ``marginal`` is inconclusive, anything less fails; conditions are not
looked at. Kayenta does the judging and knows no credentials.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from analysis.providers.answers import checked_url, interpreted, number, number_text, read_json
from analysis.providers.base import MetricProvider, Now, ProviderError, Question, RunRef
from analysis.providers.config import Kayenta, KayentaScopeDetail, KayentaThreshold
from analysis.providers.http import HttpClient, Request
from analysis.providers.tools import Tools
from analysis.spec import Measurement, Metric, Phase
from analysis.times import format_time, parse_time

TIMEOUT: Final = 15.0
LOOK_AGAIN: Final = 15.0  # seconds
EXECUTION: Final = "canaryExecutionId"
_WHO: Final = "Kayenta"
_SUCCEEDED: Final = "succeeded"


@dataclass(frozen=True, slots=True)
class KayentaProvider:
    http: HttpClient
    now: Now

    async def run(self, run: RunRef, metric: Metric, ordinal: int) -> Measurement:  # noqa: ARG002 - the seam
        config = _config(metric)
        started = self.now()
        canary = await self._canary_config(config)
        accounts = {
            "application": config.application,
            "metricsAccountName": config.metrics_account_name,
            "configurationAccountName": config.configuration_account_name,
            "storageAccountName": config.storage_account_name,
        }
        document = await self._exchange(
            config, "POST", f"/canary/{quote(canary, safe='')}", accounts, judgement(config)
        )
        execution = document.get(EXECUTION) if isinstance(document, dict) else None
        if not isinstance(execution, str) or not execution:
            raise ProviderError(f"{_WHO} started a judgement, but sent no {EXECUTION}")
        asked = Question(f"judge {config.canary_config_name}", _window(config))
        return Measurement(
            phase=Phase.RUNNING,
            metadata={**asked.metadata(started), EXECUTION: execution},
            started_at=format_time(started),
            resume_at=format_time(self.now() + LOOK_AGAIN),
        )

    async def resume(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:  # noqa: ARG002 - the seam
        config = _config(metric)
        execution = measurement.metadata.get(EXECUTION)
        if not execution:
            raise ProviderError("the measurement does not say which judgement it is waiting for")
        document = await self._exchange(
            config,
            "GET",
            f"/canary/{quote(execution, safe='')}",
            {"storageAccountName": config.storage_account_name},
        )
        score = read_score(document)
        now = self.now()
        if score is None:
            return measurement.model_copy(update={"resume_at": format_time(now + LOOK_AGAIN)})
        phase, reason = meaning(score, config.threshold)
        return measurement.model_copy(
            update={
                "phase": phase,
                "value": number_text(score),
                "metadata": {**measurement.metadata, "reason": reason},
                "finished_at": format_time(now),
            }
        )

    async def terminate(self, run: RunRef, metric: Metric, measurement: Measurement) -> Measurement:  # noqa: ARG002 - the seam
        """The judgement itself goes on; nobody waits for it any more."""
        return measurement.model_copy(
            update={
                "phase": Phase.ERROR,
                "message": "Metric Terminated",
                "finished_at": format_time(self.now()),
            }
        )

    async def garbage_collect(self, run: RunRef, metric: Metric, limit: int) -> None:
        """Judgements are kept by Kayenta."""

    def metadata(self, metric: Metric) -> dict[str, str]:  # noqa: ARG002 - nothing to add
        return {}

    async def _canary_config(self, config: Kayenta) -> str:
        """The id of the configuration that the metric names."""
        asked = {
            "application": config.application,
            "configurationAccountName": config.configuration_account_name,
        }
        document = await self._exchange(config, "GET", "/canaryConfig", asked)
        if not isinstance(document, list):
            raise ProviderError(f"{_WHO} sent no list of canary configurations")
        for one in document:
            if isinstance(one, dict) and one.get("name") == config.canary_config_name:
                return str(one.get("id") or "")
        raise ProviderError(
            f"canary configuration '{config.canary_config_name[:128]}' not found in account "
            f"'{config.configuration_account_name[:128]}'"
        )

    async def _exchange(
        self,
        config: Kayenta,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        address = checked_url(config.address, "kayenta address")
        request = Request(
            url=f"{address}{path}?{urlencode(query)}",
            method=method,
            headers=(("Content-Type", "application/json"),) if body is not None else (),
            body=b"" if body is None else orjson.dumps(body),
            timeout=TIMEOUT,
        )
        response = await self.http.send(request)
        return await interpreted(response, lambda r: read_json(r, _WHO, _said))


def provider(tools: Tools) -> MetricProvider:
    """The provider ``kayenta``."""
    return KayentaProvider(tools.http, tools.now)


def judgement(config: Kayenta) -> dict[str, Any]:
    """The body that starts a judgement."""
    return {
        "scopes": {
            scope.name: {
                "controlScope": _scope(scope.control_scope),
                "experimentScope": _scope(scope.experiment_scope),
            }
            for scope in config.scopes
        },
        "thresholds": {"pass": config.threshold.pass_, "marginal": config.threshold.marginal},
    }


def read_score(document: Any) -> float | None:
    """The score, or None while it is not there. Raises ProviderError when it will never be."""
    if not isinstance(document, dict) or not isinstance(document.get("complete"), bool):
        raise ProviderError(f"{_WHO} does not say whether the judgement is complete")
    if not document["complete"]:
        return None
    status = str(document.get("status") or "without a status").lower()
    if status != _SUCCEEDED:
        reason = _said(document)
        raise ProviderError(
            f"the judgement ended {status[:64]}" + (f": {reason}" if reason else "")
        )
    try:
        score = number(document["result"]["judgeResult"]["score"]["score"])
    except (KeyError, TypeError, ValueError):
        score = None
    if score is None:
        raise ProviderError("the judgement ended without a score")
    return score


def meaning(score: float, threshold: KayentaThreshold) -> tuple[Phase, str]:
    """What a score comes to, and why."""
    text = number_text(score)
    if score >= threshold.pass_:
        return Phase.SUCCESSFUL, f"score {text} >= pass {threshold.pass_}"
    if score >= threshold.marginal:
        limits = f"marginal {threshold.marginal}, but < pass {threshold.pass_}"
        return Phase.INCONCLUSIVE, f"score {text} >= {limits}"
    return Phase.FAILED, f"score {text} < marginal {threshold.marginal}"


def _config(metric: Metric) -> Kayenta:
    return metric.provider.kayenta or Kayenta()


def _scope(detail: KayentaScopeDetail) -> dict[str, Any]:
    return {
        "scope": detail.scope,
        "region": detail.region,
        "step": detail.step,
        "start": detail.start,
        "end": detail.end,
    }


def _window(config: Kayenta) -> tuple[float, float] | None:
    """What the version under test is looked at over, where that can be read."""
    detail = config.scopes[0].experiment_scope if config.scopes else KayentaScopeDetail()
    start, end = parse_time(detail.start), parse_time(detail.end)
    return None if start is None or end is None else (start, end)


def _said(document: Any) -> str:
    """Errors are ``{"message": ...}``; a judgement that broke off carries its ``exception``."""
    if not isinstance(document, dict):
        return ""
    exception = document.get("exception")
    details = exception.get("details") if isinstance(exception, dict) else None
    if isinstance(details, dict):
        errors = details.get("errors")
        told = "; ".join(map(str, errors)) if isinstance(errors, list) else ""
        return (told or str(details.get("error") or ""))[:1024]
    return str(document.get("message") or document.get("error") or "")
